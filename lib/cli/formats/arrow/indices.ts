/** Indices into dictionaries, and what they stand for. */
import type { DataType } from '@uwdata/flechette';
import type { Dictionary } from './columns.js';
import { factsOf, isDictionary } from './layouts.js';
import { isValid, type Node, viewOf } from './nodes.js';

/** What the indices of a node stand for: the last dictionary of its id, and what was added to it. */
export function partsOf({ type }: Node, dictionaries: readonly Dictionary[]): Node[] {
  const own = dictionaries.filter(({ id }) => id === factsOf(type).id);
  const start = own.findLastIndex(({ isDelta }) => !isDelta);
  return own.slice(Math.max(0, start)).map(({ node }) => node);
}

/** Of a row without a value it is 0. */
export function indicesOf(node: Node, most: number): Float64Array {
  const { indices } = factsOf(node.type);
  const { bitWidth = 32 } = factsOf(indices as DataType);
  const { signed } = indices as unknown as { signed: boolean };
  const view = viewOf(node.buffers[1]);
  const at = (row: number): number => {
    if (bitWidth === 64) return Number(view.getBigInt64(row * 8, true));
    if (bitWidth === 32) return signed ? view.getInt32(row * 4, true) : view.getUint32(row * 4, true);
    if (bitWidth === 16) return signed ? view.getInt16(row * 2, true) : view.getUint16(row * 2, true);
    return signed ? view.getInt8(row) : view.getUint8(row);
  };
  return Float64Array.from({ length: node.length }, (_, row) => {
    if (!isValid(node, row)) return 0;
    const index = at(row);
    if (index < 0 || index >= most) throw new RangeError(`an index of ${index} into ${most} values`);
    return index;
  });
}

/**
 * Looks at every index of a column, and of the dictionaries that it uses.
 * @param seen dictionaries that need not be looked at again.
 * @returns whether there is a dictionary wherever a row needs one.
 */
export function hasDictionaries(
  node: Node,
  dictionaries: readonly Dictionary[],
  seen: WeakSet<Node>,
): boolean {
  const hasAll = (nodes: readonly Node[]) => nodes.every((one) => hasDictionaries(one, dictionaries, seen));
  if (!isDictionary(node.type)) return hasAll(node.children);
  const parts = partsOf(node, dictionaries);
  // Without any value there may be none.
  if (parts.length === 0) return node.nullCount === node.length;
  indicesOf(
    node,
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  const unseen = parts.filter((part) => !seen.has(part));
  for (const part of unseen) seen.add(part);
  return hasAll(unseen);
}
