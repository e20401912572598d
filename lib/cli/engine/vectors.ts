/**
 * The engine's vectors, read and written by copies: `vector_get_data` gives one, so what is written there is lost, and
 * `copy_data_to_vector` is the way in. The entry of a list is an offset and a length, 64 bits each; entries are no running
 * sums: rows of NULL start at 0, equal lists share their elements, slices leave gaps. A text is a length of 32 bits and up
 * to 12 bytes, or 4 of them and a pointer. A validity mask has a bit per row, 0 for NULL; there may be none.
 */
import type { Values } from '../batch.js';
import type { Bindings, Vector } from './bindings.js';

const LIST_ENTRY = 16;
const TEXT_ENTRY = 16;
const INLINE = 12;

/** The words of a mask, or null where every row is valid. */
export function readValidity(bindings: Bindings, vector: Vector, rows: number): Uint8Array | null {
  return bindings.vector_get_validity(vector, Math.ceil(rows / 64) * 8) ?? null;
}

export function isValid(mask: Uint8Array | null, row: number): boolean {
  return mask === null || ((mask[row >> 3] >> (row & 7)) & 1) === 1;
}

function readAligned(bindings: Bindings, vector: Vector, bytes: number): ArrayBuffer {
  const data = bindings.vector_get_data(vector, bytes);
  const aligned = data.byteOffset % 8 === 0 ? data : Uint8Array.from(data);
  return aligned.buffer.slice(aligned.byteOffset, aligned.byteOffset + bytes) as ArrayBuffer;
}

export function readNumbers(bindings: Bindings, vector: Vector, count: number, bytes: 4 | 8): Values {
  const data = bindings.vector_get_data(vector, count * bytes);
  const whole =
    data.byteOffset % bytes === 0 ? data : new Uint8Array(readAligned(bindings, vector, count * bytes));
  return bytes === 4
    ? new Float32Array(whole.buffer, whole.byteOffset, count)
    : new Float64Array(whole.buffer, whole.byteOffset, count);
}

export function readBytes(bindings: Bindings, vector: Vector, bytes: number): DataView {
  const { buffer, byteOffset } = bindings.vector_get_data(vector, bytes);
  return new DataView(buffer, byteOffset, bytes);
}

export function readStrings(bindings: Bindings, vector: Vector, rows: number): (string | null)[] {
  const data = bindings.vector_get_data(vector, rows * TEXT_ENTRY);
  const mask = readValidity(bindings, vector, rows);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: rows }, (_, row) => {
    if (!isValid(mask, row)) return null;
    const at = row * TEXT_ENTRY;
    const length = view.getUint32(at, true);
    const bytes =
      length <= INLINE
        ? data.subarray(at + 4, at + 4 + length)
        : bindings.get_data_from_pointer(data.buffer as ArrayBuffer, data.byteOffset + at + 8, length);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  });
}

/** A vector of lists of numbers. */
export interface Lists {
  /** The numbers of the rows one behind the other: those of rows that are bad are left out. */
  readonly values: Values;
  /** The start of each row, and the end. */
  readonly offsets: Int32Array;
  /** The length that every row has; undefined where they differ. */
  readonly classes: number | undefined;
  /** The rows that are NULL, or have a NULL among their numbers; these have length 0 here. */
  readonly bad: ReadonlySet<number>;
}

export function readLists(bindings: Bindings, vector: Vector, rows: number, bytes: 4 | 8): Lists {
  const entries = new BigUint64Array(readAligned(bindings, vector, rows * LIST_ENTRY));
  const mask = readValidity(bindings, vector, rows);
  const child = bindings.list_vector_get_child(vector);
  const size = bindings.list_vector_get_size(vector);
  const all = readNumbers(bindings, child, size, bytes);
  const childMask = readValidity(bindings, child, size);
  const offsets = new Int32Array(rows + 1);
  const bad = new Set<number>();
  let dense = true;
  let classes: number | undefined = rows > 0 ? Number(entries[1]) : 0;
  for (let row = 0; row < rows; row++) {
    const start = Number(entries[2 * row]);
    let length = Number(entries[2 * row + 1]);
    if (!isValid(mask, row) || (childMask && hasNull(childMask, start, start + length))) {
      bad.add(row);
      length = 0;
    }
    if (start !== offsets[row]) dense = false;
    if (length !== classes) classes = undefined;
    offsets[row + 1] = offsets[row] + length;
  }
  if (bad.size > 0) classes = undefined;
  const total = offsets[rows];
  if (dense && bad.size === 0) return { values: all.subarray(0, total), offsets, classes, bad };

  const values = bytes === 4 ? new Float32Array(total) : new Float64Array(total);
  for (let row = 0; row < rows; row++) {
    if (bad.has(row)) continue;
    const start = Number(entries[2 * row]);
    values.set(all.subarray(start, start + offsets[row + 1] - offsets[row]), offsets[row]);
  }
  return { values, offsets, classes, bad };
}

function hasNull(mask: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (!isValid(mask, i)) return true;
  return false;
}

/** Writes rows of `values`, row by row as `offsets` have it. */
export function writeLists(
  bindings: Bindings,
  vector: Vector,
  values: Values | Uint32Array,
  offsets: Int32Array,
): void {
  const rows = offsets.length - 1;
  const entries = new BigUint64Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    entries[2 * row] = BigInt(offsets[row]);
    entries[2 * row + 1] = BigInt(offsets[row + 1] - offsets[row]);
  }
  const total = offsets[rows];
  bindings.list_vector_reserve(vector, total);
  bindings.list_vector_set_size(vector, total);
  writeNumbers(bindings, bindings.list_vector_get_child(vector), values.subarray(0, total));
  bindings.copy_data_to_vector(vector, 0, entries.buffer, 0, entries.byteLength);
}

export function writeNumbers(bindings: Bindings, vector: Vector, values: Values | Uint32Array): void {
  bindings.copy_data_to_vector(vector, 0, values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

export function writeNulls(bindings: Bindings, vector: Vector, rows: number, nulls: Iterable<number>): void {
  bindings.vector_ensure_validity_writable(vector);
  const mask = new Uint8Array(Math.ceil(rows / 64) * 8).fill(0xff);
  for (const row of nulls) mask[row >> 3] &= ~(1 << (row & 7));
  bindings.copy_data_to_vector_validity(vector, 0, mask.buffer, 0, mask.byteLength);
}
