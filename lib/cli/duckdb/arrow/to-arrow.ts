/** Vectors of the engine as columns of Arrow: the other way round than ./from-arrow.ts, and lying as there. */
import {
  type Field as ArrowField,
  binary,
  bool,
  type DataType,
  dateDay,
  decimal,
  field,
  fixedSizeBinary,
  fixedSizeList,
  float32,
  float64,
  IntervalUnit,
  int8,
  int16,
  int32,
  int64,
  interval,
  list,
  map,
  nullType,
  struct,
  TimeUnit,
  Type,
  timeMicrosecond,
  timeNanosecond,
  timestamp,
  uint8,
  uint16,
  uint32,
  uint64,
  utf8,
} from '@uwdata/flechette';
import { EXTENSION } from '../../formats/arrow/columns.js';
import { childrenOf, factsOf, layoutOf } from '../../formats/arrow/layouts.js';
import { addRange, isValid, type Node, type Range, viewOf } from '../../formats/arrow/nodes.js';
import { take } from '../../formats/arrow/take.js';
import type { Bindings, LogicalType, Vector } from '../bindings.js';
import type { Engine } from '../engine.js';
import { decimalBytes } from './from-arrow.js';

/** What a column of the engine is in Arrow. */
export interface ArrowColumn {
  readonly type: DataType;
  /** What the field says of itself: its extension. */
  readonly metadata: ReadonlyMap<string, string> | undefined;
  /** @param rows of the vector, from its first on. */
  read(engine: Engine, vector: Vector, rows: number): Node;
}

const NONE = new Uint8Array(0);

/**
 * Undefined where Arrow has no such type: the column becomes text.
 *
 * @param said what the column was in Arrow before, as far as a file says it: taken over where it lies alike.
 */
export function arrowColumn(
  bindings: Bindings,
  logical: LogicalType,
  said?: Pick<ArrowField, 'type' | 'metadata'>,
): ArrowColumn | undefined {
  const { Type: types } = bindings;
  const id = bindings.get_type_id(logical);
  const inner = said && childrenOf(said.type);
  switch (id) {
    case types.BOOLEAN:
      return { ...fixed(bool(), 1), read: readBooleans };
    case types.TINYINT:
      return fixed(int8(), 1);
    case types.SMALLINT:
      return fixed(int16(), 2);
    case types.INTEGER:
      return fixed(int32(), 4);
    case types.BIGINT:
      return fixed(said?.type.typeId === Type.Duration ? said.type : int64(), 8);
    case types.UTINYINT:
      return fixed(uint8(), 1);
    case types.USMALLINT:
      return fixed(uint16(), 2);
    case types.UINTEGER:
      return fixed(uint32(), 4);
    case types.UBIGINT:
      return fixed(uint64(), 8);
    case types.FLOAT:
      return fixed(float32(), 4);
    case types.DOUBLE:
      return fixed(float64(), 8);
    case types.DATE:
      return fixed(dateDay(), 4);
    case types.TIME:
      return fixed(timeMicrosecond(), 8);
    case types.TIME_NS:
      return fixed(timeNanosecond(), 8);
    case types.TIME_TZ:
      // The zone stands in the last 24 bits; of Parquet it is always UTC.
      return fixed(timeMicrosecond(), 8, 8, (from, row, to) =>
        to.setBigInt64(row * 8, from.getBigUint64(row * 8, true) >> 24n, true),
      );
    case types.TIMESTAMP_S:
      return fixed(timestamp(TimeUnit.SECOND, null), 8);
    case types.TIMESTAMP_MS:
      return fixed(timestamp(TimeUnit.MILLISECOND, null), 8);
    case types.TIMESTAMP:
      return fixed(timestamp(TimeUnit.MICROSECOND, null), 8);
    case types.TIMESTAMP_NS:
      return fixed(timestamp(TimeUnit.NANOSECOND, null), 8);
    case types.TIMESTAMP_TZ:
      return fixed(timestamp(TimeUnit.MICROSECOND, zoneOf(said?.type) ?? 'UTC'), 8);
    case types.INTERVAL:
      return fixed(interval(IntervalUnit.MONTH_DAY_NANO), 16, 16, (from, row, to) => {
        to.setBigInt64(row * 16, from.getBigInt64(row * 16, true), true);
        to.setBigInt64(row * 16 + 8, from.getBigInt64(row * 16 + 8, true) * 1000n, true);
      });
    case types.UUID:
      return {
        ...fixed(fixedSizeBinary(16), 16, 16, flipUuid),
        metadata: new Map([[EXTENSION, 'arrow.uuid']]),
      };
    case types.DECIMAL: {
      const width = bindings.decimal_width(logical);
      const bytes = decimalBytes(width);
      return fixed(decimal(width, bindings.decimal_scale(logical), 128), bytes, 16, (from, row, to) => {
        const sign = from.getInt8(row * bytes + bytes - 1) < 0 ? 0xff : 0;
        for (let i = 0; i < 16; i++)
          to.setUint8(row * 16 + i, i < bytes ? from.getUint8(row * bytes + i) : sign);
      });
    }
    case types.VARCHAR: {
      const isJson = bindings.logical_type_get_alias(logical) === 'JSON';
      const type = said?.type.typeId === Type.LargeUtf8 ? said.type : utf8();
      return { ...texts(type), metadata: isJson ? new Map([[EXTENSION, 'arrow.json']]) : undefined };
    }
    case types.BLOB:
      return texts(said?.type.typeId === Type.LargeBinary ? said.type : binary());
    case types.SQLNULL:
      return {
        type: nullType(),
        metadata: undefined,
        read: (_, __, rows) => ({
          type: nullType(),
          length: rows,
          nullCount: rows,
          buffers: [],
          children: [],
        }),
      };
    case types.LIST: {
      const item = arrowColumn(bindings, bindings.list_type_child_type(logical), inner?.[0]);
      return item && lists(list(fieldOf('item', item)), item);
    }
    case types.ARRAY: {
      const item = arrowColumn(bindings, bindings.array_type_child_type(logical), inner?.[0]);
      return (
        item && arrays(fixedSizeList(fieldOf('item', item), bindings.array_type_array_size(logical)), item)
      );
    }
    case types.MAP: {
      const pair = inner?.[0] && childrenOf(inner[0].type);
      const key = arrowColumn(bindings, bindings.map_type_key_type(logical), pair?.[0]);
      const value = arrowColumn(bindings, bindings.map_type_value_type(logical), pair?.[1]);
      if (!key || !value) return undefined;
      const type = map(fieldOf('key', key, false), fieldOf('value', value));
      return lists(type, structs(childrenOf(type)[0].type, [key, value]));
    }
    case types.STRUCT: {
      const count = bindings.struct_type_child_count(logical);
      const names = Array.from({ length: count }, (_, i) => bindings.struct_type_child_name(logical, i));
      const members = names.map((name, i) =>
        arrowColumn(
          bindings,
          bindings.struct_type_child_type(logical, i),
          inner?.find((one) => one.name === name),
        ),
      );
      if (!members.every((member) => member !== undefined)) return undefined;
      return structs(struct(members.map((member, i) => fieldOf(names[i], member))), members);
    }
    default:
      return undefined;
  }
}

export function fieldOf(name: string, { type, metadata }: ArrowColumn, nullable = true): ArrowField {
  return field(name, type, nullable, metadata ? new Map(metadata) : null);
}

function zoneOf(type: DataType | undefined): string | undefined {
  if (type?.typeId !== Type.Timestamp) return undefined;
  return (type as unknown as { timezone?: string }).timezone || undefined;
}

type Convert = (from: DataView, row: number, to: DataView) => void;

/** @param bytes of a value in the engine, @param own in Arrow. */
export function fixed(type: DataType, bytes: number, own = bytes, convert?: Convert): ArrowColumn {
  return {
    type,
    metadata: undefined,
    read(engine, vector, rows) {
      const data = bytesOf(engine, vector, rows * bytes);
      const target = convert ? new Uint8Array(rows * own) : data;
      const [from, to] = [viewOf(data), viewOf(target)];
      for (let row = 0; convert && row < rows; row++) convert(from, row, to);
      return nodeOf(engine, vector, type, rows, [target]);
    },
  };
}

function bytesOf({ bindings }: Engine, vector: Vector, bytes: number): Uint8Array {
  return bytes === 0 ? NONE : bindings.vector_get_data(vector, bytes);
}

function nodeOf(
  { bindings }: Engine,
  vector: Vector,
  type: DataType,
  rows: number,
  buffers: readonly Uint8Array[],
  children: readonly Node[] = [],
): Node {
  const none = { type, length: rows, nullCount: 0, buffers: [NONE, ...buffers], children };
  if (rows === 0) return none;
  // Nothing where all are valid, whatever the declaration says.
  const bits = bindings.vector_get_validity(vector, Math.ceil(rows / 64) * 8) as Uint8Array | null;
  if (!bits) return none;
  let nullCount = 0;
  for (let row = 0; row < rows; row++) if ((bits[row >> 3] & (1 << (row & 7))) === 0) nullCount++;
  if (nullCount === 0) return none;
  return { ...none, nullCount, buffers: [bits.subarray(0, Math.ceil(rows / 8)), ...buffers] };
}

function readBooleans(engine: Engine, vector: Vector, rows: number): Node {
  const data = bytesOf(engine, vector, rows);
  const bits = new Uint8Array(Math.ceil(rows / 8));
  for (let row = 0; row < rows; row++) if (data[row] !== 0) bits[row >> 3] |= 1 << (row & 7);
  return nodeOf(engine, vector, bool(), rows, [bits]);
}

const flipUuid: Convert = (from, row, to) => {
  for (let i = 0; i < 16; i++) {
    to.setUint8(row * 16 + i, from.getUint8(row * 16 + 15 - i) ^ (i === 0 ? 0x80 : 0));
  }
};

const TEXT_ENTRY = 16;
const TEXT_INLINE = 12;

function texts(type: DataType): ArrowColumn {
  return {
    type,
    metadata: undefined,
    read(engine, vector, rows) {
      const { bindings } = engine;
      const data = bytesOf(engine, vector, rows * TEXT_ENTRY);
      const view = viewOf(data);
      const node = nodeOf(engine, vector, type, rows, []);
      const [validity] = node.buffers;
      const ends = new Float64Array(rows + 1);
      const pieces: Uint8Array[] = [];
      for (let row = 0; row < rows; row++) {
        const at = row * TEXT_ENTRY;
        const length = isValid(node, row) ? view.getUint32(at, true) : 0;
        ends[row + 1] = ends[row] + length;
        if (length === 0) continue;
        pieces.push(
          length <= TEXT_INLINE
            ? data.subarray(at + 4, at + 4 + length)
            : bindings.get_data_from_pointer(data.buffer as ArrayBuffer, data.byteOffset + at + 8, length),
        );
      }
      return { ...node, buffers: [validity, offsetsFor(type, ends), Buffer.concat(pieces)] };
    },
  };
}

export function offsetsFor(type: DataType, ends: Float64Array): Uint8Array {
  const layout = layoutOf(type);
  const isLarge = layout.kind === 'bytes' && layout.offsetBytes === 8;
  return new Uint8Array((isLarge ? BigInt64Array.from(ends, BigInt) : Int32Array.from(ends)).buffer);
}

function lists(type: DataType, item: ArrowColumn): ArrowColumn {
  return {
    type,
    metadata: undefined,
    read(engine, vector, rows) {
      const { bindings } = engine;
      const entries = viewOf(bytesOf(engine, vector, rows * 16));
      const node = nodeOf(engine, vector, type, rows, []);
      const [validity] = node.buffers;
      const ends = new Float64Array(rows + 1);
      const ranges: Range[] = [];
      for (let row = 0; row < rows; row++) {
        const length = isValid(node, row) ? entries.getUint32(row * 16 + 8, true) : 0;
        ends[row + 1] = ends[row] + length;
        const start = entries.getUint32(row * 16, true);
        if (length > 0) addRange(ranges, start, start + length);
      }
      const all = item.read(
        engine,
        bindings.list_vector_get_child(vector),
        bindings.list_vector_get_size(vector),
      );
      return { ...node, buffers: [validity, offsetsFor(type, ends)], children: [take(all, ranges)] };
    },
  };
}

function arrays(type: DataType, item: ArrowColumn): ArrowColumn {
  const { stride = 0 } = factsOf(type);
  return {
    type,
    metadata: undefined,
    read(engine, vector, rows) {
      const child = item.read(engine, engine.bindings.array_vector_get_child(vector), rows * stride);
      return nodeOf(engine, vector, type, rows, [], [child]);
    },
  };
}

function structs(type: DataType, members: readonly ArrowColumn[]): ArrowColumn {
  return {
    type,
    metadata: undefined,
    read(engine, vector, rows) {
      const children = members.map((member, i) =>
        member.read(engine, engine.bindings.struct_vector_get_child(vector, i), rows),
      );
      return nodeOf(engine, vector, type, rows, [], children);
    },
  };
}
