/**
 * Columns as their buffers, and some of their rows as new buffers: a column travels from file to file as it is, whatever
 * its type. https://arrow.apache.org/docs/format/Columnar.html#physical-memory-layout
 *
 *     null                                -
 *     fixed, bits, dictionary (indices)   validity   values
 *     bytes                               validity   offsets   bytes
 *     views                               validity   views     bytes…
 *     list, map                           validity   offsets             child
 *     list view                           validity   offsets   sizes     child
 *     fixed-size list                     validity                       child
 *     struct                              validity                       children
 *     union                               ids        (offsets)           children
 *     run ends                                                           ends, values
 */
import { type DataType, type Field, Type } from '@uwdata/flechette';
import type { BatchHeader } from './messages.js';

/** One column, or a part of it. */
export interface Node {
  readonly type: DataType;
  readonly length: number;
  readonly nullCount: number;
  /** In the order above; of no bytes where there are no nulls. */
  readonly buffers: readonly Uint8Array[];
  readonly children: readonly Node[];
}

/** A node whose buffers are not read yet: their numbers in the message. */
export interface Unread {
  readonly type: DataType;
  readonly length: number;
  readonly nullCount: number;
  readonly buffers: readonly number[];
  readonly children: readonly Unread[];
}

/** Rows from the first up to, not including, the second. */
export type Range = readonly [from: number, to: number];

type Layout =
  | { readonly kind: 'null' | 'bits' | 'views' | 'struct' | 'run ends' }
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'bytes' | 'list' | 'list view'; readonly offsetBytes: 4 | 8 }
  | { readonly kind: 'fixed-size list'; readonly size: number }
  | { readonly kind: 'union'; readonly dense: boolean; readonly ids: readonly number[] };

/** What the types of the library have, some of them. */
interface Facts {
  readonly typeId: number;
  readonly bitWidth?: number;
  readonly precision?: number;
  readonly unit?: number;
  readonly stride?: number;
  readonly mode?: number;
  readonly typeIds?: readonly number[];
  readonly indices?: DataType;
  readonly dictionary?: DataType;
  readonly id?: number;
  readonly children?: readonly Field[];
}

export function factsOf(type: DataType): Facts {
  return type as unknown as Facts;
}

export function childrenOf(type: DataType): readonly Field[] {
  return factsOf(type).children ?? [];
}

export function isDictionary(type: DataType): boolean {
  return type.typeId === Type.Dictionary;
}

function layoutOf(type: DataType): Layout {
  const { typeId, bitWidth = 0, precision = 0, unit = 0, stride = 0, mode, typeIds, indices } = factsOf(type);
  switch (typeId) {
    case Type.Dictionary:
      return layoutOf(indices as DataType);
    case Type.Null:
      return { kind: 'null' };
    case Type.Bool:
      return { kind: 'bits' };
    case Type.Int:
    case Type.Time:
    case Type.Decimal:
      return { kind: 'fixed', bytes: bitWidth / 8 };
    case Type.Float:
      return { kind: 'fixed', bytes: 2 << precision };
    case Type.Date:
      return { kind: 'fixed', bytes: unit === 0 ? 4 : 8 };
    case Type.Timestamp:
    case Type.Duration:
      return { kind: 'fixed', bytes: 8 };
    case Type.Interval:
      return { kind: 'fixed', bytes: [4, 8, 16][unit] ?? 16 };
    case Type.FixedSizeBinary:
      return { kind: 'fixed', bytes: stride };
    case Type.Utf8:
    case Type.Binary:
      return { kind: 'bytes', offsetBytes: 4 };
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return { kind: 'bytes', offsetBytes: 8 };
    case Type.Utf8View:
    case Type.BinaryView:
      return { kind: 'views' };
    case Type.List:
    case Type.Map:
      return { kind: 'list', offsetBytes: 4 };
    case Type.LargeList:
      return { kind: 'list', offsetBytes: 8 };
    case Type.ListView:
      return { kind: 'list view', offsetBytes: 4 };
    case Type.LargeListView:
      return { kind: 'list view', offsetBytes: 8 };
    case Type.FixedSizeList:
      return { kind: 'fixed-size list', size: stride };
    case Type.Struct:
      return { kind: 'struct' };
    case Type.RunEndEncoded:
      return { kind: 'run ends' };
    case Type.Union: {
      const members = childrenOf(type).map((_, i) => i);
      return { kind: 'union', dense: mode === 1, ids: typeIds?.length ? Array.from(typeIds) : members };
    }
    default:
      throw new RangeError(`a column of type ${typeId}`);
  }
}

const BUFFERS: Readonly<Record<Layout['kind'], number>> = {
  null: 0,
  bits: 2,
  fixed: 2,
  bytes: 3,
  views: 2,
  list: 2,
  'list view': 3,
  'fixed-size list': 1,
  struct: 1,
  union: 1,
  'run ends': 0,
};

/** Which nodes and buffers of a message belong to which column. */
export function nodesOf(types: readonly DataType[], { nodes, buffers, variadic }: BatchHeader): Unread[] {
  let node = 0;
  let buffer = 0;
  let views = 0;
  function visit(type: DataType): Unread {
    const { length, nullCount } = nodes[node++] ?? missing();
    const layout = layoutOf(type);
    let count = BUFFERS[layout.kind];
    if (layout.kind === 'union' && layout.dense) count++;
    if (layout.kind === 'views') count += variadic[views++] ?? missing();
    if (buffer + count > buffers.length) missing();
    const own = Array.from({ length: count }, () => buffer++);
    const children = isDictionary(type) ? [] : childrenOf(type).map((field) => visit(field.type));
    return { type, length, nullCount, buffers: own, children };
  }
  return types.map(visit);
}

/** Nodes as the body of a message: what its header says of them, and the bytes. */
export interface Body {
  readonly header: Omit<BatchHeader, 'codec' | 'rows'>;
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

/** Where in a body a buffer may begin: what is mapped into memory can be read by vectors there. */
export const ALIGNMENT = 64;

export function bodyOf(columns: readonly Node[]): Body {
  const nodes: { length: number; nullCount: number }[] = [];
  const buffers: { offset: number; length: number }[] = [];
  const variadic: number[] = [];
  const pieces: Uint8Array[] = [];
  let length = 0;
  function visit(node: Node): void {
    nodes.push({ length: node.length, nullCount: node.nullCount });
    if (layoutOf(node.type).kind === 'views') variadic.push(node.buffers.length - 2);
    for (const bytes of node.buffers) {
      buffers.push({ offset: length, length: bytes.length });
      const padding = -bytes.length & (ALIGNMENT - 1);
      pieces.push(bytes);
      if (padding > 0) pieces.push(ZEROS.subarray(0, padding));
      length += bytes.length + padding;
    }
    for (const child of node.children) visit(child);
  }
  for (const node of columns) visit(node);
  return { header: { nodes, buffers, variadic }, pieces, length };
}

const ZEROS = new Uint8Array(ALIGNMENT);

function missing(): never {
  throw new RangeError('a record batch with too few buffers');
}

/** All buffers of a node, each by its number in the message. */
export async function load(node: Unread, read: (buffer: number) => Promise<Uint8Array>): Promise<Node> {
  const buffers: Uint8Array[] = [];
  for (const buffer of node.buffers) buffers.push(await read(buffer));
  const children: Node[] = [];
  for (const child of node.children) children.push(await load(child, read));
  const loaded = { ...node, buffers, children };
  check(loaded);
  return loaded;
}

/** What is asked of a node before any of its rows are: its buffers and children hold them all. */
function check(node: Node): void {
  const { type, length, nullCount, buffers } = node;
  const hasValidity = !['null', 'union', 'run ends'].includes(layoutOf(type).kind);
  const validityBytes = hasValidity && nullCount > 0 ? Math.ceil(length / 8) : 0;
  if (nullCount > length || (validityBytes > 0 && buffers[0].length < validityBytes) || !holds(node)) {
    throw new RangeError('a column with fewer values than rows');
  }
}

function holds({ type, length, buffers, children }: Node): boolean {
  const layout = layoutOf(type);
  const has = (buffer: number, bytes: number) => buffers[buffer].length >= bytes;
  switch (layout.kind) {
    case 'null':
      return true;
    case 'fixed':
      return Number.isInteger(layout.bytes) && layout.bytes >= 0 && has(1, length * layout.bytes);
    case 'bits':
      return has(1, Math.ceil(length / 8));
    case 'bytes':
    case 'list':
      // Without rows there may be no offsets either.
      return length === 0 || has(1, (length + 1) * layout.offsetBytes);
    case 'views':
      return has(1, length * 16);
    case 'list view':
      return has(1, length * layout.offsetBytes) && has(2, length * layout.offsetBytes);
    case 'fixed-size list':
      return layout.size >= 0 && children[0].length >= length * layout.size;
    case 'struct':
      return children.every((child) => child.length >= length);
    case 'union':
      if (!has(0, length)) return false;
      return layout.dense ? has(1, length * 4) : children.every((child) => child.length >= length);
    case 'run ends': {
      const [ends, values] = children;
      const held = ends.nullCount === 0 && values.length >= ends.length;
      return held && (length === 0 || (runEnds(ends).at(-1) ?? 0) >= length);
    }
  }
}

/** Whether a row is there. */
export function isValid({ nullCount, buffers: [validity] }: Node, row: number): boolean {
  return nullCount === 0 || validity.length === 0 || (validity[row >> 3] & (1 << (row & 7))) !== 0;
}

/** The offsets of some rows and the end of the last: ascending, and none past `most`. */
export function offsetsOf(
  buffer: Uint8Array,
  offsetBytes: 4 | 8,
  [from, to]: Range,
  most: number,
): Float64Array {
  const offsets = new Float64Array(to - from + 1);
  if (to === from) return offsets;
  const view = viewOf(buffer);
  let last = 0;
  for (let i = 0; i < offsets.length; i++) {
    const at = (from + i) * offsetBytes;
    const offset = offsetBytes === 4 ? view.getInt32(at, true) : Number(view.getBigInt64(at, true));
    if (offset < last || offset > most) throw new RangeError(`an offset of ${offset} after ${last}`);
    offsets[i] = offset;
    last = offset;
  }
  return offsets;
}

/** Where the lists of some rows of views start, and how long they are: none past `most`. */
export function viewsOf(
  { buffers }: Node,
  offsetBytes: 4 | 8,
  [from, to]: Range,
  most: number,
): { readonly starts: Float64Array; readonly sizes: Float64Array } {
  const [offsets, lengths] = [viewOf(buffers[1]), viewOf(buffers[2])];
  const at = (view: DataView, row: number) =>
    offsetBytes === 4 ? view.getInt32(row * 4, true) : Number(view.getBigInt64(row * 8, true));
  const starts = new Float64Array(to - from);
  const sizes = new Float64Array(to - from);
  for (let row = from; row < to; row++) {
    const [start, size] = [at(offsets, row), at(lengths, row)];
    // Of a null row both may be anything.
    if (!isValid({ buffers, nullCount: 1 } as Node, row)) continue;
    if (start < 0 || size < 0 || start + size > most)
      throw new RangeError(`a list from ${start} on, of ${size}`);
    starts[row - from] = start;
    sizes[row - from] = size;
  }
  return { starts, sizes };
}

/** The rows of a node in these ranges, one behind the other. */
export function take(node: Node, ranges: readonly Range[]): Node {
  const { type, buffers, children } = node;
  const layout = layoutOf(type);
  const length = lengthOf(ranges);
  const own = validityOf(node, ranges, length);
  const done = (others: readonly Uint8Array[], members: readonly Node[] = []): Node => ({
    ...{ type, length, nullCount: own.nullCount },
    buffers: [own.validity, ...others],
    children: members,
  });
  switch (layout.kind) {
    case 'null':
      return { type, length, nullCount: length, buffers: [], children: [] };
    case 'fixed':
      return done([bytesOf(buffers[1], ranges, layout.bytes)]);
    case 'bits':
      return done([bitsOf(buffers[1], ranges, length)]);
    case 'bytes': {
      const { offsets, parts } = rebase(buffers[1], layout.offsetBytes, ranges, buffers[2].length);
      return done([offsets, bytesOf(buffers[2], parts, 1)]);
    }
    case 'list': {
      const { offsets, parts } = rebase(buffers[1], layout.offsetBytes, ranges, children[0].length);
      return done([offsets], [take(children[0], parts)]);
    }
    case 'views':
      return done(takeViews(bytesOf(buffers[1], ranges, 16), buffers.slice(2), own));
    case 'list view':
      return takeListViews(node, layout.offsetBytes, ranges, done);
    case 'fixed-size list': {
      const parts = ranges.map(([from, to]): Range => [from * layout.size, to * layout.size]);
      return done([], [take(children[0], parts)]);
    }
    case 'struct':
      return done(
        [],
        children.map((child) => take(child, ranges)),
      );
    case 'union':
      return takeUnion(node, layout, ranges, length);
    case 'run ends':
      return takeRuns(node, ranges, length);
  }
}

function lengthOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function bytesOf(buffer: Uint8Array, ranges: readonly Range[], bytes: number): Uint8Array {
  const parts = ranges.map(([from, to]) => buffer.subarray(from * bytes, to * bytes));
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

function bitsOf(buffer: Uint8Array, ranges: readonly Range[], length: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(length / 8));
  let at = 0;
  for (const [from, to] of ranges) {
    for (let row = from; row < to; row++, at++) {
      bits[at >> 3] |= ((buffer[row >> 3] >> (row & 7)) & 1) << (at & 7);
    }
  }
  return bits;
}

interface Validity {
  readonly validity: Uint8Array;
  readonly nullCount: number;
}

function validityOf({ nullCount, buffers, type }: Node, ranges: readonly Range[], length: number): Validity {
  const none = { validity: new Uint8Array(0), nullCount: 0 };
  if (nullCount === 0 || type.typeId === Type.Union || !buffers[0]?.length) return none;
  const validity = bitsOf(buffers[0], ranges, length);
  let nulls = length;
  for (let byte of validity) for (; byte > 0; byte &= byte - 1) nulls--;
  return nulls === 0 ? none : { validity, nullCount: nulls };
}

/** Offsets from 0 on, and the parts that they are of. */
function rebase(
  buffer: Uint8Array,
  offsetBytes: 4 | 8,
  ranges: readonly Range[],
  most: number,
): { readonly offsets: Uint8Array; readonly parts: readonly Range[] } {
  const length = lengthOf(ranges);
  const offsets = offsetBytes === 4 ? new Int32Array(length + 1) : new BigInt64Array(length + 1);
  let row = 0;
  let end = 0;
  const parts = ranges.map((range): Range => {
    const own = offsetsOf(buffer, offsetBytes, range, most);
    const shift = end - own[0];
    for (let i = 1; i < own.length; i++) {
      end = own[i] + shift;
      row++;
      if (offsets instanceof Int32Array) offsets[row] = end;
      else offsets[row] = BigInt(end);
    }
    return [own[0], own[own.length - 1]];
  });
  return { offsets: new Uint8Array(offsets.buffer), parts };
}

/** Views of up to 12 bytes hold them; of others what they point to is moved into one buffer. */
function takeViews(views: Uint8Array, data: readonly Uint8Array[], own: Validity): Uint8Array[] {
  const moved = Uint8Array.from(views);
  const view = viewOf(moved);
  const parts: Uint8Array[] = [];
  let end = 0;
  for (let at = 0, row = 0; at < moved.length; at += 16, row++) {
    const length = view.getInt32(at, true);
    if (!isValid({ buffers: [own.validity], nullCount: own.nullCount } as unknown as Node, row)) {
      moved.fill(0, at, at + 16);
      continue;
    }
    if (length < 0) throw new RangeError(`a text of ${length} bytes`);
    if (length <= 12) continue;
    const start = view.getInt32(at + 12, true);
    const part = data[view.getInt32(at + 8, true)]?.subarray(start, start + length);
    if (start < 0 || part?.length !== length) throw new RangeError('a view outside of its buffers');
    view.setInt32(at + 8, 0, true);
    view.setInt32(at + 12, end, true);
    parts.push(part);
    end += length;
  }
  if (end >= 2 ** 31) throw new RangeError('texts of more than 2 GB in one batch');
  return parts.length === 0 ? [moved] : [moved, Buffer.concat(parts)];
}

function takeListViews(
  node: Node,
  offsetBytes: 4 | 8,
  ranges: readonly Range[],
  done: (others: readonly Uint8Array[], children: readonly Node[]) => Node,
): Node {
  const [child] = node.children;
  const starts: number[] = [];
  const sizes: number[] = [];
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const range of ranges) {
    const views = viewsOf(node, offsetBytes, range, child.length);
    for (let i = 0; i < views.starts.length; i++) {
      starts.push(views.starts[i]);
      sizes.push(views.sizes[i]);
      if (views.sizes[i] === 0) continue;
      first = Math.min(first, views.starts[i]);
      last = Math.max(last, views.starts[i] + views.sizes[i]);
    }
  }
  if (last === 0) first = 0;
  const from = sizes.map((size, i) => (size === 0 ? 0 : starts[i] - first));
  const encode = (values: readonly number[]) =>
    new Uint8Array(
      offsetBytes === 4 ? Int32Array.from(values).buffer : BigInt64Array.from(values, BigInt).buffer,
    );
  return done([encode(from), encode(sizes)], [take(child, [[first, last]])]);
}

function takeUnion(
  { type, buffers, children }: Node,
  { dense, ids }: { readonly dense: boolean; readonly ids: readonly number[] },
  ranges: readonly Range[],
  length: number,
): Node {
  const kinds = bytesOf(buffers[0], ranges, 1);
  const node = { type, length, nullCount: 0 };
  if (!dense) {
    return { ...node, buffers: [kinds], children: children.map((child) => take(child, ranges)) };
  }
  const offsets = viewOf(bytesOf(buffers[1], ranges, 4));
  const moved = new Int32Array(length);
  const parts: Range[][] = children.map(() => []);
  const counts = children.map(() => 0);
  for (let row = 0; row < length; row++) {
    const member = ids.indexOf((kinds[row] << 24) >> 24);
    const at = offsets.getInt32(row * 4, true);
    if (member < 0 || at < 0 || at >= children[member].length)
      throw new RangeError('a union of no such value');
    moved[row] = counts[member]++;
    parts[member].push([at, at + 1]);
  }
  return {
    ...node,
    buffers: [kinds, new Uint8Array(moved.buffer)],
    children: children.map((child, i) => take(child, parts[i])),
  };
}

/** Where each run ends: ascending. */
function runEnds({ type, length, buffers }: Node): Float64Array {
  const view = viewOf(buffers[1]);
  const bytes = (factsOf(type).bitWidth ?? 0) / 8;
  let last = 0;
  return Float64Array.from({ length }, (_, i) => {
    const end =
      bytes === 8
        ? Number(view.getBigInt64(i * 8, true))
        : bytes === 4
          ? view.getInt32(i * 4, true)
          : view.getInt16(i * 2, true);
    if (end <= last) throw new RangeError(`a run that ends at ${end} after ${last}`);
    last = end;
    return end;
  });
}

function takeRuns({ type, children }: Node, ranges: readonly Range[], length: number): Node {
  const ends = runEnds(children[0]);
  const newEnds: number[] = [];
  const values: Range[] = [];
  let done = 0;
  for (const [from, to] of ranges) {
    const first = firstAfter(ends, from);
    let run = first;
    for (let row = from; row < to; run++) {
      const end = Math.min(to, ends[run]);
      done += end - row;
      newEnds.push(done);
      row = end;
    }
    values.push([first, run]);
  }
  const { bitWidth } = factsOf(children[0].type);
  const encoded =
    bitWidth === 64
      ? BigInt64Array.from(newEnds, BigInt)
      : bitWidth === 32
        ? Int32Array.from(newEnds)
        : Int16Array.from(newEnds);
  const endsNode: Node = {
    ...{ type: children[0].type, length: newEnds.length, nullCount: 0, children: [] },
    buffers: [new Uint8Array(0), new Uint8Array(encoded.buffer)],
  };
  return { type, length, nullCount: 0, buffers: [], children: [endsNode, take(children[1], values)] };
}

/** The first run that ends after a row. */
function firstAfter(ends: Float64Array, row: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle] > row) high = middle;
    else low = middle + 1;
  }
  return low;
}
