/** Columns of Arrow as arrays of NumPy: what both have. */
import { type DataType, Type } from '@uwdata/flechette';
import { factsOf, plainType } from './arrow/layouts.js';
import { isValid, type Node, viewOf } from './arrow/nodes.js';

export interface ArrayType {
  /** As a header has it, with its quotes. */
  readonly dtype: string;
  /** The elements; undefined where a row is null and the type has no value for that. */
  bytesOf(node: Node): Uint8Array | undefined;
}

const UNITS = ['s', 'ms', 'us', 'ns'];
const NO_TIME = -(2n ** 63n);
const NAN_16 = 0x7e00;

/** Undefined for what arrays do not hold. @see plainNode for the nodes. */
export function arrayType(own: DataType): ArrayType | undefined {
  const type = plainType(own);
  const { bitWidth = 0, precision = 0, unit = 0 } = factsOf(type);
  switch (type.typeId) {
    case Type.Int: {
      const { signed } = type as unknown as { signed: boolean };
      const bytes = bitWidth / 8;
      return { dtype: `'<${signed ? 'i' : 'u'}${bytes}'`, bytesOf: (node) => elements(node, bytes) };
    }
    case Type.Float: {
      const bytes = 2 << precision;
      return { dtype: `'<f${bytes}'`, bytesOf: (node) => elements(node, bytes, notANumber[precision]) };
    }
    case Type.Bool:
      return { dtype: `'|b1'`, bytesOf: truthValues };
    case Type.Date:
      return unit === 0 ? { dtype: `'<M8[D]'`, bytesOf: days } : times('M8', 'ms');
    case Type.Timestamp:
      return times('M8', UNITS[unit]);
    case Type.Duration:
      return times('m8', UNITS[unit]);
    default:
      return undefined;
  }
}

type Put = (view: DataView, row: number) => void;

const notANumber: readonly Put[] = [
  (view, row) => view.setUint16(row * 2, NAN_16, true),
  (view, row) => view.setFloat32(row * 4, Number.NaN, true),
  (view, row) => view.setFloat64(row * 8, Number.NaN, true),
];
const noTime: Put = (view, row) => view.setBigInt64(row * 8, NO_TIME, true);

function times(kind: 'M8' | 'm8', unit: string): ArrayType {
  return { dtype: `'<${kind}[${unit}]'`, bytesOf: (node) => elements(node, 8, noTime) };
}

function elements(node: Node, bytes: number, putNull?: Put): Uint8Array | undefined {
  const own = node.buffers[1].subarray(0, node.length * bytes);
  if (node.nullCount === 0) return own;
  if (!putNull) return undefined;
  const copy = Uint8Array.from(own);
  const view = viewOf(copy);
  for (let row = 0; row < node.length; row++) if (!isValid(node, row)) putNull(view, row);
  return copy;
}

function truthValues({ nullCount, length, buffers }: Node): Uint8Array | undefined {
  if (nullCount > 0) return undefined;
  return Uint8Array.from({ length }, (_, row) => (buffers[1][row >> 3] >> (row & 7)) & 1);
}

/** NumPy has them in 64 bits. */
function days(node: Node): Uint8Array {
  const view = viewOf(node.buffers[1]);
  const wide = BigInt64Array.from({ length: node.length }, (_, row) =>
    isValid(node, row) ? BigInt(view.getInt32(row * 4, true)) : NO_TIME,
  );
  return new Uint8Array(wide.buffer);
}
