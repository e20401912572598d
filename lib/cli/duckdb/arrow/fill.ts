/** Buffers of Arrow into vectors of the engine. */
import { layoutOf } from '../../formats/arrow/layouts.js';
import { addRange, isValid, type Node, offsetsOf, type Range, viewOf } from '../../formats/arrow/nodes.js';
import { listPlaces, withNulls } from '../../formats/arrow/plain.js';
import { take } from '../../formats/arrow/take.js';
import type { Vector } from '../bindings.js';
import type { Engine } from '../engine.js';

/** What puts plain rows of Arrow into the first of a vector. */
export type Fill = (engine: Engine, vector: Vector, node: Node) => void;

/** Writes a row that lies in another way. */
export type Convert = (from: DataView, row: number, to: DataView) => void;

export function fillFixed(
  engine: Engine,
  vector: Vector,
  node: Node,
  bytes: number,
  convert: Convert | undefined,
): void {
  const { length } = node;
  fillNulls(engine, vector, node);
  if (length === 0 || layoutOf(node.type).kind === 'null') return;
  if (!convert) {
    copy(engine, vector, node.buffers[1].subarray(0, length * bytes));
    return;
  }
  const target = new Uint8Array(length * bytes);
  const [from, to] = [viewOf(node.buffers[1]), viewOf(target)];
  for (let row = 0; row < length; row++) if (isValid(node, row)) convert(from, row, to);
  copy(engine, vector, target);
}

function copy({ bindings }: Engine, vector: Vector, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  bindings.copy_data_to_vector(vector, 0, bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

/** The bits of both lie alike. */
function fillNulls({ bindings }: Engine, vector: Vector, node: Node): void {
  const { length, nullCount, buffers } = node;
  const isNull = layoutOf(node.type).kind === 'null';
  if (length === 0 || (!isNull && (nullCount === 0 || buffers[0].length === 0))) return;
  const bits = new Uint8Array(Math.ceil(length / 64) * 8);
  if (!isNull) bits.set(buffers[0].subarray(0, bits.length));
  bindings.vector_ensure_validity_writable(vector);
  bindings.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, bits.length);
}

export const fillTexts: Fill = (engine, vector, node) => {
  fillNulls(engine, vector, node);
  const textAt = textsIn(node);
  for (let row = 0; row < node.length; row++) {
    if (isValid(node, row)) engine.bindings.vector_assign_string_element_len(vector, row, textAt(row));
  }
};

/** The bytes of a row. */
function textsIn({ type, length, buffers }: Node): (row: number) => Uint8Array {
  const layout = layoutOf(type);
  if (layout.kind === 'fixed')
    return (row) => buffers[1].subarray(row * layout.bytes, (row + 1) * layout.bytes);
  if (layout.kind === 'bytes') {
    const offsets = offsetsOf(buffers[1], layout.offsetBytes, [0, length], buffers[2].length);
    return (row) => buffers[2].subarray(offsets[row], offsets[row + 1]);
  }
  const views = viewOf(buffers[1]);
  return (row) => {
    const at = row * 16;
    const size = views.getInt32(at, true);
    if (size <= 12) return buffers[1].subarray(at + 4, at + 4 + size);
    const start = views.getInt32(at + 12, true);
    return buffers[2 + views.getInt32(at + 8, true)].subarray(start, start + size);
  };
}

export function fillLists(engine: Engine, vector: Vector, node: Node, fillChild: Fill): void {
  const { bindings } = engine;
  const { starts, sizes } = listPlaces(node);
  const entries = new BigUint64Array(node.length * 2);
  const ranges: Range[] = [];
  let end = 0;
  for (let row = 0; row < node.length; row++) {
    entries[row * 2] = BigInt(end);
    entries[row * 2 + 1] = BigInt(sizes[row]);
    end += sizes[row];
    if (sizes[row] > 0) addRange(ranges, starts[row], starts[row] + sizes[row]);
  }
  // The child may move when it grows: it is asked for afterwards.
  bindings.list_vector_reserve(vector, end);
  bindings.list_vector_set_size(vector, end);
  copy(engine, vector, new Uint8Array(entries.buffer));
  fillNulls(engine, vector, node);
  fillChild(engine, bindings.list_vector_get_child(vector), take(node.children[0], ranges));
}

export function fillStructs(engine: Engine, vector: Vector, node: Node, members: readonly Fill[]): void {
  fillNulls(engine, vector, node);
  // Where there is no struct the engine wants no members either.
  members.forEach((member, i) => {
    const own = take(node.children[i], [[0, node.length]]);
    member(engine, engine.bindings.struct_vector_get_child(vector, i), withNulls(own, node));
  });
}
