/**
 * DuckDB's vectors, in and out, above all lists of numbers.
 *
 *     list      row → offset, length (two uint64 each)      validity   a bit per row
 *     child     the elements of all rows                    validity   a bit per element
 *     text      row → length (uint32), up to 12 bytes; or 4 of them and a pointer
 *
 * The offsets are no CSR: a NULL row has offset 0, equal rows share their elements, and slices leave gaps. What
 * `vector_get_data` gives is a copy: writing goes by `copy_data_to_vector`.
 */
import type { DuckDBBinding, Vector } from './binding.js';
import { release } from './release.js';

export { release };

/** What the elements are. */
export type FloatType = 'float32' | 'float64';
/** Elements in memory. */
export type Floats = Float32Array | Float64Array;

/** The lists of a vector, NULL rows left out, one behind the other without gaps. */
export interface Lists {
  /** The rows of the vector. */
  readonly rows: number;
  /** The elements, in memory of their own: results may be written over them. */
  readonly values: Floats;
  /** Where each row starts in `values`, and the end: rows + 1 entries, to be read only. A NULL row has no elements. */
  readonly offsets: Int32Array;
  /** 1 where the row is NULL; undefined where none is. */
  readonly nulls: Uint8Array | undefined;
  /** How many rows are not NULL. */
  readonly present: number;
  /** The length of every row that is not NULL, where they all have the same. */
  readonly width: number | undefined;
  /** 1 where the row has an element that is NULL (`values` then holds anything there); undefined where none has. */
  readonly holes: Uint8Array | undefined;
}

/**
 * Reads a vector of type FLOAT[] or DOUBLE[].
 *
 * @param alsoNull rows that are taken for NULL, whatever they hold: 1 each.
 */
export function readLists(
  duckdb: DuckDBBinding,
  vector: Vector,
  rows: number,
  type: FloatType,
  alsoNull?: Uint8Array,
): Lists {
  const entries = wordsOf(duckdb, vector, rows * 4);
  const nulls = eitherNull(nullsOf(duckdb, vector, rows), alsoNull);
  const child = duckdb.list_vector_get_child(vector);
  const { offsets, present, width, dense } =
    (nulls ? undefined : alikePlaces(entries, rows)) ?? placesOf(entries, rows, nulls);
  const total = offsets[rows];
  const size = dense ? total : duckdb.list_vector_get_size(vector);
  const start = (row: number) => (nulls?.[row] === 1 ? 0 : entries[row * 4]);

  const elements = floatsOf(duckdb, child, size, type);
  const missing = nullsOf(duckdb, child, size);
  let holes: Uint8Array | undefined;
  if (missing) {
    for (let row = 0; row < rows; row++) {
      const length = offsets[row + 1] - offsets[row];
      const end = start(row) + length;
      for (let at = start(row); at < end; at++) {
        if (missing[at] === 0) continue;
        holes ??= new Uint8Array(rows);
        holes[row] = 1;
        break;
      }
    }
  }
  const values = dense ? elements : newFloats(type, total);
  if (!dense) {
    for (let row = 0; row < rows; row++) {
      const length = offsets[row + 1] - offsets[row];
      if (length > 0) values.set(elements.subarray(start(row), start(row) + length), offsets[row]);
    }
    release(elements);
  }
  release(entries);
  return { rows, values, offsets, nulls, present, width, holes };
}

/** How the rows of a vector lie. */
interface Places extends Pick<Lists, 'offsets' | 'present' | 'width'> {
  /** Whether each row starts where the one before it ends. */
  readonly dense: boolean;
}

function placesOf(entries: Uint32Array, rows: number, nulls: Uint8Array | undefined): Places {
  const offsets = new Int32Array(rows + 1);
  let present = 0;
  let width: number | undefined;
  let uniform = true;
  let dense = true;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    if (!nulls || nulls[row] === 0) {
      // A chunk with 2^32 elements does not fit into the memory of a JavaScript array.
      const [start, length] = [entries[row * 4], entries[row * 4 + 2]];
      if (start !== total) dense = false;
      if (present++ === 0) width = length;
      else if (length !== width) uniform = false;
      total += length;
    }
    offsets[row + 1] = total;
  }
  return { offsets, present, width: uniform ? width : undefined, dense };
}

/** The entries of rows of one length without gaps, and their offsets. */
let pattern = { width: 0, rows: 0, entries: new Uint32Array(0), offsets: new Int32Array(1) };

/** The places of such rows, as most are; else undefined. To compare memory takes a tenth of looking at each row. */
function alikePlaces(entries: Uint32Array, rows: number): Places | undefined {
  if (rows === 0) return undefined;
  const width = entries[2];
  const last = (rows - 1) * 4;
  if (entries[last] !== (rows - 1) * width || entries[last + 2] !== width) return undefined;
  if (pattern.width !== width || pattern.rows < rows) pattern = newPattern(width, rows);
  if (Buffer.compare(bytesOf(entries, rows), bytesOf(pattern.entries, rows)) !== 0) return undefined;
  return { offsets: pattern.offsets.subarray(0, rows + 1), present: rows, width, dense: true };
}

function newPattern(width: number, rows: number): typeof pattern {
  const entries = new Uint32Array(rows * 4);
  for (let row = 0; row < rows; row++) {
    entries[row * 4] = row * width;
    entries[row * 4 + 2] = width;
  }
  return { width, rows, entries, offsets: Int32Array.from({ length: rows + 1 }, (_, row) => row * width) };
}

function bytesOf(entries: Uint32Array, rows: number): Uint8Array {
  return new Uint8Array(entries.buffer, entries.byteOffset, rows * 16);
}

/** Rows to be written: their elements one behind the other. */
export interface ListLayout {
  /** rows + 1 entries; a NULL row has no elements. */
  readonly offsets: Int32Array;
  /** 1 where the row is NULL; undefined where none is. */
  readonly nulls?: Uint8Array | undefined;
}

/** Writes the rows into a vector whose type is a list of what the values are. */
export function writeLists(
  duckdb: DuckDBBinding,
  vector: Vector,
  layout: ListLayout,
  values: Floats | Uint32Array,
): void {
  const total = layout.offsets[layout.offsets.length - 1];
  writeData(duckdb, beginLists(duckdb, vector, layout), values.subarray(0, total));
}

/** The same for a list of structs: an array for each member, in their order. */
export function writeStructLists(
  duckdb: DuckDBBinding,
  vector: Vector,
  layout: ListLayout,
  members: readonly (Floats | Uint32Array)[],
): void {
  const child = beginLists(duckdb, vector, layout);
  members.forEach((values, i) => {
    writeData(duckdb, duckdb.struct_vector_get_child(child, i), values);
  });
}

/** The same for lists of texts. */
export function writeTextLists(
  duckdb: DuckDBBinding,
  vector: Vector,
  rows: readonly (readonly string[])[],
): void {
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((texts, row) => {
    offsets[row + 1] = offsets[row] + texts.length;
  });
  const child = beginLists(duckdb, vector, { offsets });
  let at = 0;
  for (const texts of rows) for (const text of texts) duckdb.vector_assign_string_element(child, at++, text);
}

/** Writes a value per row into a vector of plain numbers. */
export function writeValues(
  duckdb: DuckDBBinding,
  vector: Vector,
  values: Floats | Uint32Array,
  nulls?: Uint8Array,
): void {
  writeData(duckdb, vector, values);
  writeNulls(duckdb, vector, nulls);
}

/** Writes the entries, and returns the child that is to hold the elements. */
function beginLists(duckdb: DuckDBBinding, vector: Vector, { offsets, nulls }: ListLayout): Vector {
  const rows = offsets.length - 1;
  const total = offsets[rows];
  const entries = new Uint32Array(rows * 4);
  for (let row = 0; row < rows; row++) {
    entries[row * 4] = offsets[row];
    entries[row * 4 + 2] = offsets[row + 1] - offsets[row];
  }
  // The child may move when it grows: it is asked for afterwards.
  duckdb.list_vector_reserve(vector, total);
  duckdb.list_vector_set_size(vector, total);
  writeData(duckdb, vector, entries);
  writeNulls(duckdb, vector, nulls);
  return duckdb.list_vector_get_child(vector);
}

function writeData(duckdb: DuckDBBinding, vector: Vector, values: Floats | Uint32Array): void {
  if (values.length === 0) return;
  duckdb.copy_data_to_vector(vector, 0, values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

/** Makes NULL of the rows that have a 1. */
export function writeNulls(duckdb: DuckDBBinding, vector: Vector, nulls: Uint8Array | undefined): void {
  if (!nulls) return;
  const bits = new Uint8Array(Math.ceil(nulls.length / 64) * 8).fill(0xff);
  for (let row = 0; row < nulls.length; row++) {
    if (nulls[row] === 1) bits[row >> 3] &= ~(1 << (row & 7));
  }
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, bits.length);
}

/** 1 where an entry of a vector is NULL; undefined where none is. */
export function nullsOf(duckdb: DuckDBBinding, vector: Vector, count: number): Uint8Array | undefined {
  if (count === 0) return undefined;
  // Nothing where all are valid, whatever the declaration says.
  const bits = duckdb.vector_get_validity(vector, Math.ceil(count / 64) * 8) as Uint8Array | null;
  if (!bits) return undefined;
  let nulls: Uint8Array | undefined;
  for (let i = 0; i < count; i++) {
    // Mostly there is none: eight at a time.
    if ((i & 7) === 0 && bits[i >> 3] === 0xff) i += 7;
    else if ((bits[i >> 3] & (1 << (i & 7))) === 0) {
      nulls ??= new Uint8Array(count);
      nulls[i] = 1;
    }
  }
  return nulls;
}

/** 1 where either has a 1. */
export function eitherNull(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  return a && b ? a.map((isNull, row) => isNull | b[row]) : (a ?? b);
}

/** The numbers of a vector of FLOAT or DOUBLE, as a copy. */
export function floatsOf(duckdb: DuckDBBinding, vector: Vector, count: number, type: FloatType): Floats {
  if (count === 0) return newFloats(type, 0);
  const bytes = apart(duckdb.vector_get_data(vector, count * (type === 'float64' ? 8 : 4)));
  return type === 'float64'
    ? new Float64Array(bytes.buffer, bytes.byteOffset, count)
    : new Float32Array(bytes.buffer, bytes.byteOffset, count);
}

/** The integers of a vector of INTEGER, as a copy. */
export function int32sOf(duckdb: DuckDBBinding, vector: Vector, count: number): Int32Array {
  const words = wordsOf(duckdb, vector, count);
  return new Int32Array(words.buffer, words.byteOffset, count);
}

/** The integers of a vector of HUGEINT: each of any integer type, hash values included, can be one. */
export function integersOf(duckdb: DuckDBBinding, vector: Vector, count: number): bigint[] {
  const words = wordsOf(duckdb, vector, count * 4);
  const halves = new BigInt64Array(words.buffer, words.byteOffset, count * 2);
  return Array.from({ length: count }, (_, i) => {
    return (halves[i * 2 + 1] << 64n) + BigInt.asUintN(64, halves[i * 2]);
  });
}

const TEXT_ENTRY = 16;
const TEXT_INLINE = 12;

/** The texts of a vector of VARCHAR; null where one is NULL. */
export function textsOf(duckdb: DuckDBBinding, vector: Vector, count: number): (string | null)[] {
  const data = duckdb.vector_get_data(vector, count * TEXT_ENTRY);
  const nulls = nullsOf(duckdb, vector, count);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, row) => {
    if (nulls?.[row] === 1) return null;
    const at = row * TEXT_ENTRY;
    const length = view.getUint32(at, true);
    const bytes =
      length <= TEXT_INLINE
        ? data.subarray(at + 4, at + 4 + length)
        : duckdb.get_data_from_pointer(data.buffer as ArrayBuffer, data.byteOffset + at + 8, length);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  });
}

/** The bytes of a vector whose entries have so many each. */
export function dataOf(duckdb: DuckDBBinding, vector: Vector, count: number, bytes: number): DataView {
  const data = apart(duckdb.vector_get_data(vector, count * bytes));
  return new DataView(data.buffer, data.byteOffset, count * bytes);
}

function wordsOf(duckdb: DuckDBBinding, vector: Vector, count: number): Uint32Array {
  if (count === 0) return new Uint32Array(0);
  const bytes = apart(duckdb.vector_get_data(vector, count * 4));
  return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
}

/** The same in memory of its own, as `release` needs it. */
function apart(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return (bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()) as Uint8Array<ArrayBuffer>;
}

function newFloats(type: FloatType, length: number): Floats {
  return type === 'float64' ? new Float64Array(length) : new Float32Array(length);
}
