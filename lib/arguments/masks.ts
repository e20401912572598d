/** The option `where`, broadcast as NumPy does: dimensions are matched from the last one on, and 1 repeats. */
import { arrayKind, viewOf } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';
import { type Layout, permute, product, rowMajor } from './layout.js';
import { flatten, nestedDims } from './nested.js';
import { tensorParts } from './tensors.js';

export interface Mask {
  readonly where: Uint8Array | undefined;
  /** One row of bytes for every row, rather than a byte for every element. */
  readonly whereShared: boolean;
}

const noMask: Mask = { where: undefined, whereShared: false };
const wanted = 'a Uint8Array, tensor or array of booleans';

/** Reads `where` for data of `dims`; in the layout that the backend sees. */
export function readMask(value: unknown, dims: readonly number[], layout: Layout): Mask {
  if (value === undefined) return noMask;
  const mask = readBytes(value, dims);
  const missing = dims.length - mask.dims.length;
  const sizes = dims.map((_, i) => (i < missing ? 1 : mask.dims[i - missing]));
  if (missing < 0 || sizes.some((size, i) => size !== 1 && size !== dims[i]))
    throw shapeError(
      `dimensions that broadcast to [${dims.join(', ')}]`,
      'where',
      words(`[${mask.dims.join(', ')}]`),
    );
  const steps = rowMajor(sizes).map((step, i) => (sizes[i] === 1 ? 0 : step));
  if (sizes.every((size, i) => size === 1 || layout.axes.includes(i)) && product(layout.kept) !== 1) {
    const row = layout.axes;
    return { where: spread(mask.bytes, dims, steps, row, sizes), whereShared: true };
  }
  const order = layout.order ?? dims.map((_, i) => i);
  return { where: spread(mask.bytes, dims, steps, order, sizes), whereShared: false };
}

/** Reads `where` for `count` elements of ragged rows. */
export function readFlatMask(value: unknown, count: number): Mask {
  if (value === undefined) return noMask;
  const mask = readBytes(value, [count]);
  if (mask.dims.length !== 1 || mask.bytes.length !== count)
    throw shapeError(`${count} entries, as x has,`, 'where', value);
  return { where: mask.bytes, whereShared: false };
}

/** Words of a bitmask for a row of so many classes. */
function wordsOf(length: number): number {
  return Math.ceil(length / 32);
}

/** Reads `bitmask` for so many rows: words for each, or for every row. */
export function readBitmask(value: unknown, rows: number, length: number): Bitmask {
  if (value === undefined) return noBitmask;
  const kind = arrayKind(value);
  if (kind !== 'Uint32Array' && kind !== 'Int32Array')
    throw typeError('a Uint32Array or Int32Array', 'bitmask', value);
  const given = viewOf<Uint32Array | Int32Array>(value, kind, 'bitmask');
  const words = wordsOf(length);
  const bitmaskShared = given.length === words && rows !== 1;
  if (!bitmaskShared && given.length !== rows * words)
    throw shapeError(`${words} words for each of ${rows} rows, or for all,`, 'bitmask', value);
  const { buffer, byteOffset, length: count } = given;
  return { bitmask: new Uint32Array(buffer, byteOffset, count), bitmaskShared };
}

export interface Bitmask {
  readonly bitmask: Uint32Array | undefined;
  readonly bitmaskShared: boolean;
}

const noBitmask: Bitmask = { bitmask: undefined, bitmaskShared: false };

/** Repeats and reorders the mask into the dimensions `order` of `dims`; no copy where it has them already. */
function spread(
  bytes: Uint8Array,
  dims: readonly number[],
  steps: readonly number[],
  order: readonly number[],
  sizes: readonly number[],
): Uint8Array {
  const count = product(order.map((i) => dims[i]));
  const inOrder = order.every((dim, i) => i === 0 || dim > order[i - 1]);
  if (inOrder && order.every((i) => sizes[i] === dims[i]) && bytes.length === count) return bytes;
  const source = bytes.length === 0 ? new Uint8Array(1) : bytes;
  return order.length === 0 ? bytes.slice(0, 1) : permute(source, new Uint8Array(count), dims, order, steps);
}

function readBytes(value: unknown, dims: readonly number[]): { bytes: Uint8Array; dims: readonly number[] } {
  if (Array.isArray(value)) {
    const own = nestedDims(value, 'where');
    return { bytes: flatten(value, own, new Uint8Array(product(own)), 'where', asBit), dims: own };
  }
  if (arrayKind(value) !== undefined) {
    const bytes = readByteArray(value, 'where');
    return { bytes, dims: trailing(bytes.length, dims, value) };
  }
  const parts = tensorParts(value, 'where');
  if (parts === undefined) throw typeError(wanted, 'where', value);
  const bytes = readByteArray(parts.data, 'where.data');
  if (product(parts.dims) !== bytes.length)
    throw shapeError(`dimensions of ${bytes.length} elements`, `where.${parts.key}`, parts.dims);
  return { bytes, dims: parts.dims };
}

/** A flat mask has the trailing dimensions of x whose product is its length. */
function trailing(count: number, dims: readonly number[], value: unknown): readonly number[] {
  for (let from = 0; from <= dims.length; from++) {
    if (product(dims.slice(from)) === count) return dims.slice(from);
  }
  throw shapeError(`as many entries as x, or one row, of dimensions [${dims.join(', ')}]`, 'where', value);
}

/** Bytes as they are; the int64 of an attention mask, and int32, are narrowed. */
function readByteArray(value: unknown, name: string): Uint8Array {
  const kind = arrayKind(value);
  if (kind !== 'Uint8Array' && kind !== 'Int32Array' && kind !== 'BigInt64Array')
    throw typeError(wanted, name, value);
  if (kind === 'Uint8Array') return viewOf<Uint8Array>(value, kind, name);
  const integers = viewOf<Int32Array | BigInt64Array>(value, kind, name);
  const bytes = new Uint8Array(integers.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = integers[i] ? 1 : 0;
  return bytes;
}

function asBit(leaf: unknown, name: string): number {
  if (typeof leaf === 'boolean') return leaf ? 1 : 0;
  if (typeof leaf !== 'number') throw typeError('true or false', name, leaf);
  if (leaf !== 0 && leaf !== 1) throw rangeError('0 or 1', name, leaf);
  return leaf;
}
