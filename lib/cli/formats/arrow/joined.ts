/** Columns one behind the other, as one. */
import { layoutOf } from './layouts.js';
import { isValid, type Node, offsetsOf } from './nodes.js';

/** Nodes of one type, one at least, as `take` gives them: without gaps. */
export function joined(nodes: readonly Node[]): Node {
  if (nodes.length === 1) return nodes[0];
  const { type } = nodes[0];
  const layout = layoutOf(type);
  const length = nodes.reduce((sum, node) => sum + node.length, 0);
  const nullCount = nodes.reduce((sum, node) => sum + node.nullCount, 0);
  const done = (buffers: readonly Uint8Array[], children: readonly Node[] = []): Node => ({
    ...{ type, length, nullCount, children },
    buffers: [nullCount === 0 ? new Uint8Array(0) : bits(nodes, length, isValid), ...buffers],
  });
  const child = (i: number) => joined(nodes.map(({ children }) => children[i]));
  switch (layout.kind) {
    case 'null':
      return { type, length, nullCount, buffers: [], children: [] };
    case 'fixed':
      return done([
        Buffer.concat(nodes.map((node) => node.buffers[1].subarray(0, node.length * layout.bytes))),
      ]);
    case 'bits':
      return done([bits(nodes, length, (node, row) => (node.buffers[1][row >> 3] & (1 << (row & 7))) !== 0)]);
    case 'bytes': {
      const { offsets, parts } = ends(nodes, length, layout.offsetBytes, ({ buffers }) => buffers[2].length);
      return done([offsets, Buffer.concat(nodes.map(({ buffers }, i) => buffers[2].subarray(0, parts[i])))]);
    }
    case 'list': {
      const { offsets } = ends(nodes, length, layout.offsetBytes, ({ children }) => children[0].length);
      return done([offsets], [child(0)]);
    }
    case 'views': {
      const views = Buffer.concat(nodes.map((node) => node.buffers[1].subarray(0, node.length * 16)));
      const data: Uint8Array[] = [];
      let row = 0;
      for (const node of nodes) {
        for (const end = row + node.length; row < end; row++) {
          // Longer ones say in which buffer they are.
          if (views.readInt32LE(row * 16) > 12)
            views.writeInt32LE(views.readInt32LE(row * 16 + 8) + data.length, row * 16 + 8);
        }
        data.push(...node.buffers.slice(2));
      }
      return done([views, ...data]);
    }
    case 'fixed-size list':
      return done([], [child(0)]);
    case 'struct':
      return done(
        [],
        nodes[0].children.map((_, i) => child(i)),
      );
    default:
      throw new RangeError(`a column of ${layout.kind}s in parts`);
  }
}

function bits(
  nodes: readonly Node[],
  length: number,
  isSet: (node: Node, row: number) => boolean,
): Uint8Array {
  const all = new Uint8Array(Math.ceil(length / 8));
  let at = 0;
  for (const node of nodes) {
    for (let row = 0; row < node.length; row++, at++) if (isSet(node, row)) all[at >> 3] |= 1 << (at & 7);
  }
  return all;
}

/** Offsets of all, where those of a node are followed by `size` of it; each node's own begin at 0. */
function ends(
  nodes: readonly Node[],
  length: number,
  offsetBytes: 4 | 8,
  size: (node: Node) => number,
): { readonly offsets: Uint8Array; readonly parts: readonly number[] } {
  const offsets = offsetBytes === 4 ? new Int32Array(length + 1) : new BigInt64Array(length + 1);
  let row = 0;
  let start = 0;
  const parts = nodes.map((node) => {
    const most = size(node);
    const own = offsetsOf(node.buffers[1], offsetBytes, [0, node.length], most);
    for (let i = 1; i < own.length; i++) {
      row++;
      if (offsets instanceof Int32Array) offsets[row] = start + own[i];
      else offsets[row] = BigInt(start + own[i]);
    }
    start += most;
    return most;
  });
  return { offsets: new Uint8Array(offsets.buffer), parts };
}
