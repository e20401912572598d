/**
 * Columns as their buffers: a column travels from file to file as it is, whatever its type. https://arrow.apache.org/docs/format/Columnar.html#physical-memory-layout
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
import type { DataType } from '@uwdata/flechette';
import { childrenOf, factsOf, isDictionary, type Layout, layoutOf } from './layouts.js';
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
/** Adds rows to ranges: to the last, where they go on from there. */
export function addRange(ranges: Range[], start: number, end: number): void {
  const last = ranges.at(-1);
  if (last?.[1] === start) ranges[ranges.length - 1] = [last[0], end];
  else ranges.push([start, end]);
}

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

/** Where each run ends: ascending. */
export function runEnds({ type, length, buffers }: Node): Float64Array {
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

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
