/**
 * safetensors: https://github.com/huggingface/safetensors#format
 *
 *     uint64   how long the header is
 *     header   {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}, spaces at its end
 *     data     the tensors, in C order, little-endian
 */
import { expected } from './failure.js';
import { type Bytes, Section } from './input.js';
import { product, type StoredArray } from './npy-header.js';

/** That of the reference implementation. */
const MOST_HEADER = 100_000_000;

const DTYPES: Readonly<Record<string, string>> = {
  ...{ F16: '<f2', BF16: 'bfloat16', F32: '<f4', F64: '<f8', BOOL: '|b1' },
  ...{ I8: '|i1', U8: '|u1', I16: '<i2', U16: '<u2', I32: '<i4', U32: '<u4', I64: '<i8', U64: '<u8' },
};

/** @param start nine bytes. */
export function isSafetensors(start: Uint8Array): boolean {
  const length = start.length < 9 ? 0n : new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  return length >= 2n && length <= MOST_HEADER && start[8] === 0x7b;
}

/** @param member may be left out where there is one tensor. */
export async function openTensor(source: Bytes, member: string | undefined): Promise<StoredArray> {
  const { size = 0, name } = source;
  const length = new DataView(new ArrayBuffer(8));
  await source.fill(new Uint8Array(length.buffer));
  const data = 8 + Number(length.getBigUint64(0, true));
  if (data > size) throw expected('a whole header', name, 'a part of it (the file is truncated)');
  const text = new Uint8Array(data - 8);
  await source.fill(text);
  const tensors = parseHeader(text, name);
  const names = Object.keys(tensors).filter((key) => key !== '__metadata__');
  const key = member ?? (names.length === 1 ? names[0] : undefined);
  if (key === undefined || !names.includes(key)) {
    const what = member === undefined ? 'the name of one tensor behind a #' : `a tensor ${member}`;
    throw expected(what, name, names.slice(0, 20).join(', ') || 'a file of none');
  }
  const { dtype, shape, data_offsets: offsets } = (tensors[key] ?? {}) as Record<string, unknown>;
  const called = `${key} of ${name}`;
  if (!isNumbers(shape) || !isNumbers(offsets) || offsets.length !== 2) {
    throw expected('a shape and offsets', called, 'something else');
  }
  const known = typeof dtype === 'string' && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (known === undefined) throw expected('F16, BF16, F32 or F64', `the dtype of ${called}`, dtype);
  const [from, to] = offsets;
  const bytes = product(shape) * (known === 'bfloat16' ? 2 : Number(known.slice(2)));
  if (to - from !== bytes) throw expected(`${bytes} bytes of data`, called, to - from);
  if (data + to > size) {
    throw expected(
      `${bytes} bytes of data`,
      called,
      `${Math.max(0, size - data - from)} (the file is truncated)`,
    );
  }
  return {
    source: new Section(source, data + from, bytes, called),
    dtype: known,
    fortranOrder: false,
    shape,
  };
}

function parseHeader(text: Uint8Array, name: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    throw expected('a header of JSON', name, 'something else');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw expected('a header that is an object', name, 'another');
  }
  return header as Record<string, unknown>;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}
