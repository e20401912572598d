/** Any set of axes as [outer, length, inner], the only layout that backends know. */

import type { Data } from '../backends/problem.js';
import { rangeError, typeError } from './errors.js';

export interface Layout {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  /** The axes of `x` that make up a row, ascending. */
  readonly axes: readonly number[];
  /** The dimensions that are left when the axes are removed. */
  readonly kept: readonly number[];
  /** How many of `kept` come before the first axis. */
  readonly before: number;
  /**
   * Where the axes do not lie side by side: the order of the dimensions that brings them to the end. Data must
   * be permuted on the way in and back on the way out.
   */
  readonly order: readonly number[] | undefined;
}

/** Folds `dims` around the option `axis`. */
export function foldAxes(dims: readonly number[], axis: unknown): Layout {
  if (!Array.isArray(axis)) {
    const only = axis === undefined ? Math.max(dims.length, 1) - 1 : readAxis(axis, 'axis', dims.length);
    return foldSpan(dims, only, only, [only]);
  }
  const axes = readAxes(axis, dims.length);
  const first = axes[0];
  const last = axes[axes.length - 1];
  // Dimensions of 1 between two axes part nothing.
  if (dims.every((dim, i) => i <= first || i >= last || axes.includes(i) || dim === 1))
    return foldSpan(dims, first, last, axes);
  const others = dims.map((_, i) => i).filter((i) => !axes.includes(i));
  const kept = others.map((i) => dims[i]);
  const length = product(axes.map((i) => dims[i]));
  return { outer: product(kept), length, inner: 1, axes, kept, before: first, order: [...others, ...axes] };
}

/** The axes from `first` to `last`, and nothing (but perhaps dimensions of 1) between them. */
function foldSpan(dims: readonly number[], first: number, last: number, axes: readonly number[]): Layout {
  let [outer, length, inner] = [1, 1, 1];
  const kept: number[] = [];
  for (let i = 0; i < dims.length; i++) {
    if (i < first) outer *= dims[i];
    else if (i <= last) length *= dims[i];
    else inner *= dims[i];
    if (!axes.includes(i)) kept.push(dims[i]);
  }
  return { outer, length, inner, axes, kept, before: first, order: undefined };
}

/** The dimensions of a result with `entries` in the place of the (first) axis. */
export function dimsWith({ kept, before }: Pick<Layout, 'kept' | 'before'>, entries: number): number[] {
  return [...kept.slice(0, before), entries, ...kept.slice(before)];
}

/** The order that takes [kept..., entries] to `dimsWith`. */
export function entriesOrder({ kept, before }: Layout): number[] {
  return dimsWith({ kept: kept.map((_, i) => i), before }, kept.length);
}

export function product(dims: readonly number[]): number {
  let count = 1;
  for (const dim of dims) count *= dim;
  return count;
}

function readAxes(axis: readonly unknown[], depth: number): number[] {
  if (axis.length === 0) throw rangeError('at least one axis', 'axis', axis);
  const axes = axis.map((entry, i) => readAxis(entry, `axis[${i}]`, depth));
  if (new Set(axes).size !== axes.length) throw rangeError('each axis at most once', 'axis', axis);
  return axes.sort((a, b) => a - b);
}

function readAxis(axis: unknown, name: string, depth: number): number {
  const range = Math.max(depth, 1); // a scalar has the axis of its only element
  if (typeof axis !== 'number') throw typeError('an integer', name, axis);
  if (!Number.isInteger(axis) || axis < -range || axis >= range)
    throw rangeError(`an integer from ${-range} to ${range - 1}`, name, axis);
  return axis < 0 ? axis + range : axis;
}

/** The inverse of an order of dimensions. */
export function inverse(order: readonly number[]): number[] {
  const back = new Array<number>(order.length);
  for (let i = 0; i < order.length; i++) back[order[i]] = i;
  return back;
}

/**
 * Copies `source`, of dimensions `dims`, into `target` with its dimensions in another order (NumPy's
 * `transpose(source, order)`). A `steps` of its own lets `source` repeat along broadcast dimensions.
 */
export function permute<Target extends Data | Uint8Array | Uint32Array>(
  source: Data | Uint8Array | Uint32Array,
  target: Target,
  dims: readonly number[],
  order: readonly number[],
  steps: readonly number[] = rowMajor(dims),
): Target {
  if (target.length === 0) return target;
  const sizes = order.map((i) => dims[i]);
  const strides = order.map((i) => steps[i]);
  const last = sizes.length - 1;
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < target.length; ) {
    for (let i = 0; i < sizes[last]; i++) target[to++] = source[from + i * strides[last]];
    for (let d = last - 1; d >= 0; d--) {
      from += strides[d];
      if (++index[d] < sizes[d]) break;
      from -= index[d] * strides[d];
      index[d] = 0;
    }
  }
  return target;
}

/** How far apart neighbours along each dimension lie. */
export function rowMajor(dims: readonly number[]): number[] {
  const steps = new Array<number>(dims.length);
  for (let i = dims.length - 1, step = 1; i >= 0; i--) {
    steps[i] = step;
    step *= dims[i];
  }
  return steps;
}
