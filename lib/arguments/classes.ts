/** The classes that logProb is asked for: integers, [rows, n] with n in the place of the axis, or n for all rows. */
import type { Backend } from '../backends/problem.js';
import { readClasses } from './classIndices.js';
import { type IntegerList, readIntegers } from './counts.js';
import { arrayKind } from './elements.js';
import { shapeError, words } from './errors.js';
import { dimsWith, entriesOrder, inverse, permute, product } from './layout.js';
import { flatten, nestedDims } from './nested.js';
import { readFlag } from './options.js';
import type { Request } from './rowOptions.js';
import { asClass, readIgnoreIndex } from './targets.js';
import { tensorParts } from './tensors.js';

export interface Given {
  /** Checked classes, or `ignoreIndex`, in the layout of the problem: [outer, n, inner], or n. */
  readonly indices: Int32Array;
  /** How many there are per row. */
  readonly n: number;
  /** The caller's memory, which no output may overlap. */
  readonly memory: unknown;
}

export function readGiven(
  value: unknown,
  name: string,
  request: Request,
  shared: boolean,
  ignoreIndex: number,
  backend?: Backend,
): Given {
  const { layout, rows } = request;
  const { list, dims } = readList(value, name);
  const count = rows.outer * rows.inner;
  const n = shared ? list.length : perRowOf(dims, list.length, count, layout.before);
  const wanted = shared ? [n] : dimsWith(layout, n);
  const areDims = (own: readonly number[]) =>
    dims.length === own.length && dims.every((dim, i) => dim === own[i]);
  // A lone row may be given as the only one of many.
  const isLone = layout.kept.length === 0 && !shared;
  const fits = dims.length === 1 || areDims(wanted) || (isLone && areDims([1, n]));
  if (!fits || (!shared && n * count !== list.length))
    throw shapeError(
      shared
        ? 'one list of classes'
        : `as many classes for each of ${count} rows, flat or with n in the place of the axis,`,
      name,
      words(`dimensions [${dims.join(', ')}]`),
    );
  const { indices } = readClasses(list, name, rows.length, undefined, ignoreIndex, backend);
  const { order } = layout;
  if (order === undefined || shared || list.length === 0) return { indices, n, memory: list };
  const bits = new Uint32Array(indices.buffer, indices.byteOffset, indices.length);
  const arranged = permute(bits, new Uint32Array(bits.length), wanted, inverse(entriesOrder(layout)));
  return { indices: new Int32Array(arranged.buffer), n, memory: list };
}

/** What a prepared call starts with: the classes that it is given, else one class per row, 0. */
export function firstClasses(
  value: unknown,
  request: Request,
  newMemory: (type: 'int32', count: number) => object,
): Int32Array {
  const { rows, options } = request;
  const ignoreIndex = readIgnoreIndex(options.ignoreIndex, 'ignoreIndex');
  const shared = readFlag(options.shared, 'shared');
  if (value !== undefined) {
    readGiven(value, 'classes', request, shared, ignoreIndex);
    const { list } = readList(value, 'classes');
    const live = newMemory('int32', list.length) as Int32Array;
    for (let i = 0; i < live.length; i++) live[i] = Number(list[i]);
    return live;
  }
  const live = newMemory('int32', shared ? 1 : rows.outer * rows.inner) as Int32Array;
  // Rows without classes have no class 0.
  return rows.length === 0 ? live.fill(ignoreIndex) : live;
}

function perRowOf(dims: readonly number[], length: number, rows: number, before: number): number {
  if (rows > 0) return Math.floor(length / rows);
  return dims.length > 1 ? (dims[before] ?? 0) : 0;
}

/** Integers as a flat list, with their dimensions. */
function readList(value: unknown, name: string): { list: IntegerList; dims: readonly number[] } {
  if (Array.isArray(value)) {
    const dims = nestedDims(value, name);
    if (dims.length === 1) return { list: value, dims };
    return { list: flatten(value, dims, new Array<number>(product(dims)), name, asClass), dims };
  }
  const parts = arrayKind(value) === undefined ? tensorParts(value, name) : undefined;
  if (parts === undefined) {
    const list = readIntegers(value, name);
    return { list, dims: [list.length] };
  }
  const list = readIntegers(parts.data, `${name}.data`);
  if (product(parts.dims) !== list.length)
    throw shapeError(`dimensions of ${list.length} elements`, `${name}.${parts.key}`, parts.dims);
  return { list, dims: parts.dims };
}
