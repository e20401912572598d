/**
 * Whether the metadata at the end of a Parquet file is whole. DuckDB 1.5.6 takes memory for as many items as a list names
 * before it reads the first of them: one damaged byte costs gigabytes.
 *
 *     file     PAR1   pages …   metadata, a struct   uint32 its size   PAR1
 *     struct   fields, then a byte of 0
 *     field    type (4 bits)   how far on its number is (4 bits; 0: the number follows, zigzag)   value
 *     list     type (4 bits)   count (4 bits; 15: a varint follows)   items
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { expected } from '../failure.js';

const [TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT] = Array.from(
  { length: 12 },
  (_, i) => i + 1,
);
const MOST_DEPTH = 64;

/** The fields of a struct that are lists, or lead to some; of a list the type of its items. */
interface Known {
  readonly items?: number;
  readonly fields: Fields;
}

type Fields = { readonly [number: number]: Known };

const listOf = (items: number, fields: Fields = {}): Known => ({ items, fields });

/** The lists of FileMetaData: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift. */
const COLUMN_METADATA: Fields = {
  ...{ 2: listOf(I32), 3: listOf(BINARY), 8: listOf(STRUCT), 13: listOf(STRUCT) },
  ...{ 16: { fields: { 2: listOf(I64), 3: listOf(I64) } }, 17: { fields: { 2: listOf(I32) } } },
};
const COLUMN_CHUNK: Fields = {
  3: { fields: COLUMN_METADATA },
  8: { fields: { 2: { fields: { 1: listOf(BINARY) } } } },
};
const FILE_METADATA: Fields = {
  ...{ 2: listOf(STRUCT), 5: listOf(STRUCT), 7: listOf(STRUCT) },
  4: listOf(STRUCT, { 1: listOf(STRUCT, COLUMN_CHUNK), 4: listOf(STRUCT) }),
};

const MAGIC = 'PAR1';
const END_BYTES = 8;

/** @throws Failure where the metadata is damaged. What is no Parquet file at all the engine tells. */
export function refuseDamagedFooter(path: string, name: string): void {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const end = Buffer.alloc(END_BYTES);
    if (size < END_BYTES || readSync(file, end, 0, END_BYTES, size - END_BYTES) < END_BYTES) return;
    const length = end.readUInt32LE(0);
    if (end.toString('latin1', 4) !== MAGIC || length > size - END_BYTES) return;
    const metadata = Buffer.alloc(length);
    readSync(file, metadata, 0, length, size - END_BYTES - length);
    if (!isWhole(metadata)) throw expected('a Parquet file', name, 'one whose metadata is damaged');
  } finally {
    closeSync(file);
  }
}

function isWhole(bytes: Uint8Array): boolean {
  let at = 0;

  function byte(): number {
    if (at >= bytes.length) throw new RangeError('a part');
    return bytes[at++];
  }

  function varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const next = byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
      if (factor > 2 ** 63) throw new RangeError('a number of too many bytes');
    }
  }

  function skip(count: number): void {
    at += count;
    if (at > bytes.length) throw new RangeError('a part');
  }

  function struct(depth: number, known: Known | undefined): void {
    for (let number = 0, header = byte(); header !== 0; header = byte()) {
      const type = header & 15;
      const zigzag = header >> 4 === 0 ? varint() : 0;
      number =
        header >> 4 === 0 ? (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2) : number + (header >> 4);
      // The header of a truth value holds it.
      if (type !== TRUE && type !== FALSE) value(type, depth + 1, known?.fields[number]);
    }
  }

  function list(depth: number, known: Known | undefined): void {
    const header = byte();
    const count = header >> 4 === 15 ? varint() : header >> 4;
    const type = header & 15;
    // The engine takes the items for what they should be.
    if (known?.items !== undefined && type !== known.items && count > 0)
      throw new RangeError('a list of something else');
    for (let i = 0; i < count; i++) value(type, depth + 1, known);
  }

  function map(depth: number): void {
    const count = varint();
    const types = count === 0 ? 0 : byte();
    for (let i = 0; i < count; i++) {
      value(types >> 4, depth + 1, undefined);
      value(types & 15, depth + 1, undefined);
    }
  }

  function value(type: number, depth: number, known: Known | undefined): void {
    if (depth > MOST_DEPTH) throw new RangeError('values in too many values');
    if (type === TRUE || type === FALSE || type === BYTE) skip(1);
    else if (type === I16 || type === I32 || type === I64) varint();
    else if (type === DOUBLE) skip(8);
    else if (type === BINARY) skip(varint());
    else if (type === LIST || type === SET) list(depth, known);
    else if (type === MAP) map(depth);
    else if (type === STRUCT) struct(depth, known);
    else throw new RangeError(`a value of type ${type}`);
  }

  try {
    struct(0, { fields: FILE_METADATA });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
