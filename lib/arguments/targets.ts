/** The targets of crossEntropy: a class per row, or a distribution over the classes per row. */

import type { Backend, Data } from '../backends/problem.js';
import { type Classes, readClasses } from './classIndices.js';
import { type IntegerList, readIntegers } from './counts.js';
import { arrayKind } from './elements.js';
import { shapeError, typeError } from './errors.js';
import { product } from './layout.js';
import { type Elements, readBeside } from './logits.js';
import { flatten, nestedDims } from './nested.js';
import { readInteger } from './options.js';
import { arrange, type Request } from './rowOptions.js';
import { tensorParts } from './tensors.js';

export interface Targets {
  /** A checked class, or `ignoreIndex`, per row. */
  readonly indices: Int32Array | undefined;
  /** How many rows have a class, or a distribution. */
  readonly counted: number;
  /** A distribution per row, in the layout of the problem. */
  readonly probabilities: Data | undefined;
  /** The caller's memory behind either, which no output may overlap. */
  readonly memory: unknown;
}

export function readTargets(
  value: unknown,
  request: Request,
  ignoreIndex: number,
  backend?: Backend,
): Targets {
  const list = indexList(value, request);
  if (list !== undefined) {
    const { indices, counted } = classPerRow(list, request, ignoreIndex, backend);
    return { indices, counted, probabilities: undefined, memory: list };
  }
  const { data, memory } = readLikeX(
    value,
    'targets',
    request,
    ({ dims }) => `one class per row, or the shape of x, [${dims.join(', ')}],`,
  );
  const { outer, inner } = request.rows;
  return { indices: undefined, counted: outer * inner, probabilities: data, memory };
}

/** Elements in the type and shape of x, whatever their form, in the layout of the problem; and where they come from. */
export function readLikeX(
  value: unknown,
  name: string,
  { x, layout, options }: Request,
  expected: (x: Elements) => string,
): { readonly data: Data; readonly memory: Data } {
  const elements = readBeside(value, name, x, options.dtype);
  const agrees =
    elements.form.kind === 'array'
      ? elements.data.length === x.data.length
      : elements.dims.length === x.dims.length && elements.dims.every((dim, i) => dim === x.dims[i]);
  if (!agrees) throw shapeError(expected(x), name, value);
  const data = sameType(elements, x, name, value);
  return { data: arrange(data, x, layout), memory: data };
}

/** The option `ignoreIndex`: the target of what counts for nothing. */
export function readIgnoreIndex(value: unknown, name: string): number {
  return value === undefined ? -100 : readInteger(value, name, -(2 ** 31), 2 ** 31 - 1);
}

/** Targets that are classes and nothing else: a list of one per row, or a tensor or nested arrays of as many. */
export function readClassTargets(
  value: unknown,
  request: Request,
  ignoreIndex: number,
  backend?: Backend,
): Int32Array {
  const data = arrayKind(value) === undefined ? (tensorParts(value, 'targets')?.data ?? value) : value;
  const dims = Array.isArray(data) ? nestedDims(data, 'targets') : [];
  const count = product(dims);
  if (dims.length > 1 && count !== request.rows.outer * request.rows.inner)
    throw shapeError(
      `one class for each of ${request.rows.outer * request.rows.inner} rows`,
      'targets',
      value,
    );
  const list =
    dims.length > 1
      ? flatten(data as unknown[], dims, new Array<number>(count), 'targets', asClass)
      : readIntegers(data, 'targets');
  return classPerRow(list, request, ignoreIndex, backend).indices;
}

/** Class indices as a flat list; undefined where the targets are distributions. */
function indexList(value: unknown, { x, layout, rows }: Request): IntegerList | undefined {
  const data = arrayKind(value) === undefined ? tensorParts(value, 'targets')?.data : value;
  const kind = arrayKind(data);
  if (kind === 'Int32Array' || kind === 'Uint32Array' || kind === 'BigInt64Array')
    return readIntegers(data, 'targets');
  if (!Array.isArray(value)) return undefined;
  const dims = nestedDims(value, 'targets');
  const count = product(dims);
  // One number per row, and not just because the rows are one class long.
  const isLikeX = dims.length === x.dims.length && dims.every((dim, i) => dim === x.dims[i]);
  if (count !== rows.outer * rows.inner || (isLikeX && layout.kept.length > 0)) return undefined;
  return dims.length === 1 ? value : flatten(value, dims, new Array<number>(count), 'targets', asClass);
}

export function asClass(leaf: unknown, name: string): number {
  if (typeof leaf !== 'number' && typeof leaf !== 'bigint') throw typeError('a class index', name, leaf);
  return Number(leaf);
}

function classPerRow(
  list: IntegerList,
  { rows }: Request,
  ignoreIndex: number,
  backend: Backend | undefined,
): Classes {
  const { outer, inner, length, offsets } = rows;
  const count = outer * inner;
  if (list.length !== count) throw shapeError(`one class for each of ${count} rows`, 'targets', list);
  return readClasses(list, 'targets', length, offsets, ignoreIndex, backend);
}

/** In the type of `x`; plain arrays are rounded to it. */
function sameType(elements: Elements, x: Elements, name: string, value: unknown): Data {
  if (elements.type === x.type) return elements.data;
  if (elements.form.kind === 'nested' && x.type === 'float32') return Float32Array.from(elements.data);
  throw typeError(`${x.type}, the type of x,`, name, value);
}
