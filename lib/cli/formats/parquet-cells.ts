/**
 * The cells beside the logits: as they lie in a Parquet file, from which another such file gets them unchanged, and as
 * JavaScript values, from which all other formats do. (A `Date` has no microseconds and a number not the digits of a
 * decimal.)
 */
import type { ConvertedType, ParquetParsers, SchemaElement } from 'hyparquet';
import type { ColumnType } from '../batch.js';

/** A column of one cell per row. */
export interface Cells {
  readonly type: ColumnType;
  /** As which the column is read. */
  readonly read: SchemaElement;
  /** As which it is written; undefined where the library cannot. */
  readonly written?: SchemaElement | undefined;
  value(cell: unknown): unknown;
  /** What is written for it. */
  stored(cell: unknown): unknown;
}

const same = (cell: unknown) => cell;
/** The nanoseconds of dates. */
const instants = new WeakMap<object, bigint>();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Nothing that a file may hold gets lost when it is read. */
export const parsers: Partial<ParquetParsers> = {
  /** What is not UTF-8 stays bytes. */
  stringFromBytes(bytes: Uint8Array) {
    try {
      return bytes && strict.decode(bytes);
    } catch {
      return bytes;
    }
  },
  timestampFromNanoseconds(nanoseconds: bigint) {
    const date = new Date(Number(nanoseconds / 1_000_000n));
    instants.set(date, nanoseconds);
    return date;
  },
};

export function cellsOf(element: SchemaElement): Cells {
  const { converted_type: converted, logical_type: logical, ...read } = element;
  const kind = logical?.type ?? converted;
  if (kind === 'DECIMAL') {
    const one = 10 ** (element.scale ?? 0);
    const value = (cell: unknown) => Number(unscaled(cell)) / one;
    return { type: 'float64', read, written: element, value: present(value), stored: present(unscaled) };
  }
  if (logical?.type === 'TIMESTAMP' || converted?.startsWith('TIMESTAMP')) {
    const unit = logical?.type === 'TIMESTAMP' ? logical.unit : converted?.slice('TIMESTAMP_'.length);
    const ticks = unit === 'NANOS' ? 1_000_000n : unit === 'MICROS' ? 1000n : 1n;
    const value = (cell: unknown) => new Date(Number((cell as bigint) / ticks));
    return { type: 'date', read, written: element, value: present(value), stored: same };
  }
  if (read.type === 'INT96') {
    const written = { ...read, type: 'INT64', converted_type: 'TIMESTAMP_MICROS' } as const;
    const stored = (cell: unknown) => (instants.get(cell as Date) ?? 0n) / 1000n;
    return { type: 'date', read: element, written, value: same, stored: present(stored) };
  }
  if (kind === 'JSON') {
    // As text: parsed and written again, large numbers would be others.
    const text = { ...read, converted_type: 'UTF8' } as const;
    const value = (cell: unknown) => JSON.parse(cell as string);
    return { type: 'json', read: text, written: text, value: present(value), stored: same };
  }
  if (kind === 'BSON' || kind === 'INTERVAL') {
    return { type: 'json', read, written: element, value: same, stored: same };
  }
  if (kind === 'GEOMETRY' || kind === 'GEOGRAPHY' || kind === 'VARIANT') {
    return { type: 'json', read: element, value: same, stored: same };
  }
  // By its older name, which hyparquet-writer 0.17 writes as others read it.
  const sign = logical?.type === 'INTEGER' && !logical.isSigned ? 'U' : '';
  const written: SchemaElement =
    logical?.type === 'INTEGER'
      ? { ...read, converted_type: `${sign}INT_${logical.bitWidth}` as ConvertedType }
      : element;
  return { type: typeOf(element), read: element, written, value: same, stored: same };
}

function typeOf({ type, converted_type: converted, logical_type: logical }: SchemaElement): ColumnType {
  const unsigned = logical?.type === 'INTEGER' && !logical.isSigned;
  if (logical?.type === 'DATE' || converted === 'DATE') return 'day';
  if (type === 'DOUBLE') return 'float64';
  if (type === 'FLOAT' || logical?.type === 'FLOAT16') return 'float32';
  if (type === 'BOOLEAN') return 'boolean';
  if (type === 'INT64') return unsigned || converted === 'UINT_64' ? 'uint64' : 'int64';
  if (type === 'INT32') return unsigned || converted === 'UINT_32' ? 'int64' : 'int32';
  return 'string';
}

function present(convert: (cell: unknown) => unknown): (cell: unknown) => unknown {
  return (cell) => (cell === null || cell === undefined ? null : convert(cell));
}

/** The integer that a decimal is a power of ten of. Of bytes: two's complement, the highest first. */
function unscaled(cell: unknown): bigint {
  if (typeof cell === 'number' || typeof cell === 'bigint') return BigInt(cell);
  const bytes = typeof cell === 'string' ? Buffer.from(cell) : (cell as Uint8Array);
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}
