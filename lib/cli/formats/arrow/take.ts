/** Some rows of a column as buffers of their own. */
import { Type } from '@uwdata/flechette';
import { factsOf, layoutOf } from './layouts.js';
import { isValid, type Node, offsetsOf, type Range, runEnds, viewOf, viewsOf } from './nodes.js';
import { isText, refuseOddText, refuseOddTexts } from './texts.js';

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
      const bytes = bytesOf(buffers[2], parts, 1);
      if (isText(type)) refuseOddTexts(bytes, offsets, layout.offsetBytes);
      return done([offsets, bytes]);
    }
    case 'list': {
      const { offsets, parts } = rebase(buffers[1], layout.offsetBytes, ranges, children[0].length);
      return done([offsets], [take(children[0], parts)]);
    }
    case 'views':
      return done(takeViews(node, ranges, own));
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
function takeViews({ type, buffers }: Node, ranges: readonly Range[], own: Validity): Uint8Array[] {
  const moved = Uint8Array.from(bytesOf(buffers[1], ranges, 16));
  const data = buffers.slice(2);
  const text = isText(type);
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
    if (length <= 12) {
      moved.fill(0, at + 4 + length, at + 16);
      if (text) refuseOddText(moved.subarray(at + 4, at + 4 + length));
      continue;
    }
    const start = view.getInt32(at + 12, true);
    const part = data[view.getInt32(at + 8, true)]?.subarray(start, start + length);
    if (start < 0 || part?.length !== length) throw new RangeError('a view outside of its buffers');
    if (viewOf(part).getInt32(0) !== view.getInt32(at + 4)) throw new RangeError('a view of another text');
    if (text) refuseOddText(part);
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
    if (kinds.some((kind) => !ids.includes((kind << 24) >> 24)))
      throw new RangeError('a union of no such value');
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
