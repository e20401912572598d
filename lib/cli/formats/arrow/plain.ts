/** Columns without dictionaries and runs: each row has its own value. */
import { type DataType, Type } from '@uwdata/flechette';
import type { Dictionary, NativeColumn } from './columns.js';
import { indicesOf, partsOf } from './indices.js';
import { joined } from './joined.js';
import { factsOf, isDictionary, layoutOf, plainType } from './layouts.js';
import { isValid, type Node, offsetsOf, type Range, runEnds, viewsOf } from './nodes.js';
import { take } from './take.js';

export function plainNode({ node, dictionaries }: NativeColumn): Node {
  return resolved(node, dictionaries);
}

function resolved(node: Node, dictionaries: readonly Dictionary[]): Node {
  const { type, length, children } = node;
  if (isDictionary(type)) {
    const parts = partsOf(node, dictionaries);
    const plain = parts.length > 0 ? resolved(joined(parts), dictionaries) : undefined;
    if (!plain || plain.length === 0) return nulls(factsOf(type).dictionary as DataType, length);
    const indices = indicesOf(node, plain.length);
    return withNulls(
      take(
        plain,
        Array.from(indices, (i): Range => [i, i + 1]),
      ),
      node,
    );
  }
  if (type.typeId === Type.RunEndEncoded) {
    const ends = runEnds(children[0]);
    const ranges: Range[] = [];
    for (let row = 0, run = 0; row < length; row++) {
      while (ends[run] <= row) run++;
      ranges.push([run, run + 1]);
    }
    return take(resolved(children[1], dictionaries), ranges);
  }
  if (children.length === 0) return node;
  return { ...node, children: children.map((child) => resolved(child, dictionaries)) };
}

/** The same, with no value where another node has none either. */
export function withNulls(node: Node, other: Node): Node {
  if (other.nullCount === 0 || !other.buffers[0]?.length || layoutOf(node.type).kind === 'null') return node;
  const validity = new Uint8Array(Math.ceil(node.length / 8));
  let nullCount = 0;
  for (let row = 0; row < node.length; row++) {
    if (isValid(node, row) && isValid(other, row)) validity[row >> 3] |= 1 << (row & 7);
    else nullCount++;
  }
  return { ...node, nullCount, buffers: [validity, ...node.buffers.slice(1)] };
}

/** So many rows without a value. */
function nulls(type: DataType, length: number): Node {
  const plain = plainType(type);
  const layout = layoutOf(plain);
  const zeros = (bytes: number) => new Uint8Array(bytes);
  const done = (buffers: Uint8Array[], children: Node[] = []): Node => ({
    ...{ type: plain, length, nullCount: length, children },
    buffers: [zeros(Math.ceil(length / 8)), ...buffers],
  });
  switch (layout.kind) {
    case 'fixed':
      return done([zeros(length * layout.bytes)]);
    case 'bits':
      return done([zeros(Math.ceil(length / 8))]);
    case 'bytes':
      return done([zeros((length + 1) * layout.offsetBytes), zeros(0)]);
    case 'views':
      return done([zeros(length * 16)]);
    case 'null':
      return { type: plain, length, nullCount: length, buffers: [], children: [] };
    default:
      throw new RangeError('a dictionary without values, of lists');
  }
}

/** Where the lists of a node start and how long they are: those of no row have no length. */
export function listPlaces(node: Node): { readonly starts: Float64Array; readonly sizes: Float64Array } {
  const { type, length, children, buffers } = node;
  const layout = layoutOf(type);
  const [child] = children;
  if (layout.kind === 'list view')
    return viewsOf(nullable(node), layout.offsetBytes, [0, length], child.length);
  const starts = new Float64Array(length);
  const sizes = new Float64Array(length);
  const offsets =
    layout.kind === 'list'
      ? offsetsOf(buffers[1], layout.offsetBytes, [0, length], child.length)
      : Float64Array.from(
          { length: length + 1 },
          (_, row) => row * (layout.kind === 'fixed-size list' ? layout.size : 0),
        );
  for (let row = 0; row < length; row++) {
    if (!isValid(node, row)) continue;
    starts[row] = offsets[row];
    sizes[row] = offsets[row + 1] - offsets[row];
  }
  return { starts, sizes };
}

/** Where no row is null there may be no bits. */
function nullable(node: Node): Node {
  if (node.nullCount > 0 && node.buffers[0].length > 0) return node;
  const all = new Uint8Array(Math.ceil(node.length / 8)).fill(0xff);
  return { ...node, buffers: [all, ...node.buffers.slice(1)] };
}
