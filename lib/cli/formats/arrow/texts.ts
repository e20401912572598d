/** Texts are UTF-8: other bytes would be other characters in one reader, and an error in the next. */
import { isAscii, isUtf8 } from 'node:buffer';
import { type DataType, Type } from '@uwdata/flechette';
import { viewOf } from './nodes.js';

const TEXTS: readonly number[] = [Type.Utf8, Type.LargeUtf8, Type.Utf8View];

export function isText({ typeId }: DataType): boolean {
  return TEXTS.includes(typeId);
}

export function refuseOddText(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw new RangeError('a text that is not UTF-8');
}

/** Texts one behind the other: none may begin within a character. */
export function refuseOddTexts(bytes: Uint8Array, offsets: Uint8Array, offsetBytes: 4 | 8): void {
  if (isAscii(bytes)) return;
  refuseOddText(bytes);
  const view = viewOf(offsets);
  for (let at = 0; at < offsets.length; at += offsetBytes) {
    const start = offsetBytes === 4 ? view.getInt32(at, true) : Number(view.getBigInt64(at, true));
    if ((bytes[start] & 0xc0) === 0x80) throw new RangeError('a text that is not UTF-8');
  }
}
