/**
 * Columns of Arrow as vectors of the engine: which of its types each becomes, and its values. Most lie alike in memory.
 *
 *     time, timestamp, duration   int64 of micro- or nanoseconds      decimal    2, 4, 8 or 16 bytes, by its digits
 *     interval                    months, days, microseconds          UUID       16 bytes, the first bit flipped, little-endian
 */
import { type Field as ArrowField, type DataType, Type } from '@uwdata/flechette';
import { EXTENSION } from '../../formats/arrow/columns.js';
import { childrenOf, factsOf, plainType } from '../../formats/arrow/layouts.js';
import { nameOf } from '../../formats/arrow/names.js';
import type { Bindings, LogicalType } from '../bindings.js';
import { type Convert, type Fill, fillFixed, fillLists, fillStructs, fillTexts } from './fill.js';

/** What a column of Arrow is in the engine. */
export interface EngineType {
  /** As SQL calls it. */
  readonly sql: string;
  /** What it was, where it is not the same any more: in it, or as it stands. */
  readonly was?: string | undefined;
  make(bindings: Bindings): LogicalType;
  /** @param node a plain one, whose rows go to the first of the vector. */
  readonly fill: Fill;
}

/** Undefined where the engine has no such type: the column becomes JSON, or text. */
export function engineType(field: Pick<ArrowField, 'type' | 'metadata'>): EngineType | undefined {
  const found = typeFor(plainType(field.type), field.metadata);
  const isOther = found?.was !== undefined || field.type.typeId === Type.RunEndEncoded;
  return found && isOther ? { ...found, was: nameOf(field.type) } : found;
}

function typeFor(type: DataType, metadata: ArrowField['metadata']): EngineType | undefined {
  const { typeId, bitWidth = 0, precision = 0, unit = 0, stride = 0 } = factsOf(type);
  const { signed, scale, timezone } = type as unknown as {
    signed: boolean;
    scale: number;
    timezone?: string;
  };
  const was = nameOf(type);
  switch (typeId) {
    case Type.Int:
      return same(`${signed ? '' : 'U'}${INTEGERS[bitWidth]}`, bitWidth / 8);
    case Type.Float:
      if (precision > 0) return same(precision === 1 ? 'FLOAT' : 'DOUBLE', precision * 4);
      return fixed(
        'FLOAT',
        4,
        (from, row, to) => {
          to.setFloat32(row * 4, halfOf(from.getUint16(row * 2, true)), true);
        },
        was,
      );
    case Type.Bool:
      return BOOLEAN;
    case Type.Date:
      // Those of milliseconds may have a time of day, whatever the format says: JavaScript writes them.
      return unit === 0 ? same('DATE', 4) : { ...same('TIMESTAMP_MS', 8), was };
    case Type.Time:
      if (unit >= 2) return same(unit === 2 ? 'TIME' : 'TIME_NS', 8);
      return fixed(
        'TIME',
        8,
        (from, row, to) => {
          to.setBigInt64(row * 8, BigInt(from.getInt32(row * 4, true)) * PER_MICRO[unit], true);
        },
        was,
      );
    case Type.Timestamp: {
      if (!timezone)
        return {
          ...same(['TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP', 'TIMESTAMP_NS'][unit], 8),
          was: unit < 2 ? was : undefined,
        };
      if (unit === 2) return same(ZONED, 8);
      return fixed(
        ZONED,
        8,
        (from, row, to) => {
          const time = from.getBigInt64(row * 8, true);
          to.setBigInt64(row * 8, unit < 2 ? time * PER_MICRO[unit] : floored(time, 1000n), true);
        },
        was,
      );
    }
    case Type.Duration:
      return same('BIGINT', 8);
    case Type.Interval:
      return fixed('INTERVAL', 16, INTERVALS[unit], was);
    case Type.Decimal:
      return precision <= 38 && scale >= 0 && scale <= precision
        ? { ...decimal(precision, scale, bitWidth / 8), was: bitWidth === 128 ? undefined : was }
        : undefined;
    case Type.FixedSizeBinary:
      return stride === 16 && metadata?.get(EXTENSION) === 'arrow.uuid' ? UUID : { ...texts('BLOB'), was };
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return metadata?.get(EXTENSION) === 'arrow.json' ? JSON_TEXT : texts('VARCHAR');
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
      return texts('BLOB');
    case Type.Null:
      return { ...same('INTEGER', 4), was };
    case Type.List:
    case Type.LargeList:
    case Type.FixedSizeList:
    case Type.ListView:
    case Type.LargeListView: {
      const child = engineType(childrenOf(type)[0]);
      if (!child) return undefined;
      const lists = list(`${child.sql}[]`, child, (bindings) =>
        bindings.create_list_type(child.make(bindings)),
      );
      return typeId === Type.FixedSizeList ? { ...lists, was } : lists;
    }
    case Type.Map: {
      const [entries] = childrenOf(type);
      const [key, value] = childrenOf(entries.type).map(engineType);
      const pair = struct(childrenOf(entries.type));
      if (!key || !value || !pair) return undefined;
      return list(`MAP(${key.sql}, ${value.sql})`, pair, (bindings) =>
        bindings.create_map_type(key.make(bindings), value.make(bindings)),
      );
    }
    case Type.Struct:
      return struct(childrenOf(type));
    default:
      return undefined;
  }
}

export const ZONED = 'TIMESTAMP WITH TIME ZONE';
const INTEGERS: Readonly<Record<number, string>> = {
  8: 'TINYINT',
  16: 'SMALLINT',
  32: 'INTEGER',
  64: 'BIGINT',
};
/** Microseconds in a second, in a millisecond. */
const PER_MICRO = [1_000_000n, 1000n];

function floored(value: bigint, by: bigint): bigint {
  return value / by - (value % by < 0n ? 1n : 0n);
}

/** Sign, 5 bits of exponent, 10 of the fraction. */
function halfOf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** What lies alike. */
function same(sql: string, bytes: number): EngineType {
  return fixed(sql, bytes, undefined);
}

function fixed(sql: string, bytes: number, convert: Convert | undefined, was?: string): EngineType {
  return {
    sql,
    was,
    make: (bindings) => bindings.create_logical_type(typeIdOf(bindings, sql)),
    fill: (engine, vector, node) => fillFixed(engine, vector, node, bytes, convert),
  };
}

function typeIdOf({ Type: types }: Bindings, sql: string): number {
  return sql === ZONED ? types.TIMESTAMP_TZ : types[sql as keyof typeof types];
}

const BOOLEAN = fixed('BOOLEAN', 1, (from, row, to) => {
  to.setUint8(row, (from.getUint8(row >> 3) >> (row & 7)) & 1);
});

const UUID = fixed('UUID', 16, (from, row, to) => {
  for (let i = 0; i < 16; i++) {
    to.setUint8(row * 16 + 15 - i, from.getUint8(row * 16 + i) ^ (i === 0 ? 0x80 : 0));
  }
});

/** Months; days and milliseconds; months, days and nanoseconds. */
const INTERVALS: readonly Convert[] = [
  (from, row, to) => to.setInt32(row * 16, from.getInt32(row * 4, true), true),
  (from, row, to) => {
    to.setInt32(row * 16 + 4, from.getInt32(row * 8, true), true);
    to.setBigInt64(row * 16 + 8, BigInt(from.getInt32(row * 8 + 4, true)) * 1000n, true);
  },
  (from, row, to) => {
    to.setInt32(row * 16, from.getInt32(row * 16, true), true);
    to.setInt32(row * 16 + 4, from.getInt32(row * 16 + 4, true), true);
    to.setBigInt64(row * 16 + 8, floored(from.getBigInt64(row * 16 + 8, true), 1000n), true);
  },
];

/** How many bytes a decimal of so many digits has. */
export function decimalBytes(precision: number): number {
  return precision <= 4 ? 2 : precision <= 9 ? 4 : precision <= 18 ? 8 : 16;
}

function decimal(precision: number, scale: number, own: number): EngineType {
  const bytes = decimalBytes(precision);
  const convert: Convert | undefined =
    own === bytes
      ? undefined
      : (from, row, to) => {
          const sign = from.getInt8(row * own + own - 1) < 0 ? 0xff : 0;
          for (let i = 0; i < bytes; i++)
            to.setUint8(row * bytes + i, i < own ? from.getUint8(row * own + i) : sign);
        };
  return {
    ...fixed('', bytes, convert),
    sql: `DECIMAL(${precision},${scale})`,
    make: (bindings) => bindings.create_decimal_type(precision, scale),
  };
}

function texts(sql: 'VARCHAR' | 'BLOB'): EngineType {
  return {
    ...fixed(sql, 0, undefined),
    fill: fillTexts,
  };
}

const JSON_TEXT: EngineType = {
  ...texts('VARCHAR'),
  sql: 'JSON',
  make(bindings) {
    const type = bindings.create_logical_type(bindings.Type.VARCHAR);
    bindings.logical_type_set_alias(type, 'JSON');
    return type;
  },
};

function list(sql: string, child: EngineType, make: (bindings: Bindings) => LogicalType): EngineType {
  return {
    sql,
    was: child.was,
    make,
    fill: (engine, vector, node) => fillLists(engine, vector, node, child.fill),
  };
}

/** Undefined where a member has no type, or names are not those of different members in SQL. */
function struct(fields: readonly ArrowField[]): EngineType | undefined {
  const members = fields.map(engineType);
  const names = new Set(fields.map(({ name }) => name.toLowerCase()));
  if (names.size < fields.length || names.has('') || fields.length === 0) return undefined;
  if (!members.every((member) => member !== undefined)) return undefined;
  const quoted = fields.map(({ name }, i) => `"${name.replaceAll('"', '""')}" ${members[i].sql}`);
  return {
    sql: `STRUCT(${quoted.join(', ')})`,
    was: members.find(({ was }) => was !== undefined)?.was,
    make: (bindings) =>
      bindings.create_struct_type(
        members.map((member) => member.make(bindings)),
        fields.map(({ name }) => name),
      ),
    fill: (engine, vector, node) =>
      fillStructs(
        engine,
        vector,
        node,
        members.map(({ fill }) => fill),
      ),
  };
}
