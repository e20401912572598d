/** Columns whose cells are text that stands for more than a JavaScript number holds: decimals, and times beyond milliseconds. */
import { type DataType, decimal, TimeUnit, timestamp } from '@uwdata/flechette';
import type { Node } from './nodes.js';

interface Exact {
  readonly type: DataType;
  readonly words: 1 | 2;
  /** The integer that is stored. */
  stored(text: string): bigint;
}

/** How a type of DuckDB is in Arrow; undefined where its text is all there is. */
export function exactOf(sql: string | undefined): Exact | undefined {
  const [, precision, scale] = sql?.match(/^DECIMAL\((\d+),(\d+)\)$/) ?? [];
  if (precision !== undefined) {
    const type = decimal(Number(precision), Number(scale), 128);
    return { type, words: 2, stored: (text) => BigInt(text.replace('.', '')) };
  }
  switch (sql) {
    case 'TIMESTAMP':
      return times(timestamp(TimeUnit.MICROSECOND, null), 6);
    case 'TIMESTAMP WITH TIME ZONE':
      return times(timestamp(TimeUnit.MICROSECOND, 'UTC'), 6);
    case 'TIMESTAMP_NS':
      return times(timestamp(TimeUnit.NANOSECOND, null), 9);
    default:
      return undefined;
  }
}

/** `2024-02-29 12:00:00.123456`, in UTC. */
function times(type: DataType, digits: number): Exact {
  return {
    type,
    words: 1,
    stored(text) {
      const [, day, time, fraction = ''] =
        text.match(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?/) ?? [];
      const seconds = Date.parse(`${day}T${time}Z`) / 1000;
      if (Number.isNaN(seconds)) throw new RangeError(text);
      return BigInt(seconds) * 10n ** BigInt(digits) + BigInt(fraction.padEnd(digits, '0').slice(0, digits));
    },
  };
}

/** @param mismatch makes the error where a text stands for no such value. */
export function exactNode(
  { type, words, stored }: Exact,
  cells: readonly (string | null)[],
  mismatch: (text: string, row: number) => Error,
): Node {
  const values = new BigInt64Array(cells.length * words);
  const valid = new Uint8Array(Math.ceil(cells.length / 8));
  let nullCount = 0;
  cells.forEach((text, row) => {
    if (text === null) {
      nullCount++;
      return;
    }
    valid[row >> 3] |= 1 << (row & 7);
    try {
      const value = stored(text);
      values[row * words] = BigInt.asIntN(64, value);
      if (words === 2) values[row * words + 1] = BigInt.asIntN(64, value >> 64n);
    } catch {
      throw mismatch(text, row);
    }
  });
  const data = new Uint8Array(values.buffer);
  return {
    type,
    length: cells.length,
    nullCount,
    buffers: [nullCount > 0 ? valid : new Uint8Array(0), data],
    children: [],
  };
}
