/** Weights of elements, broadcast as NumPy does: dimensions are matched from the last one on, and 1 repeats. */
import { arrayKind } from './elements.js';
import { shapeError, typeError, words } from './errors.js';
import { permute, product, rowMajor } from './layout.js';
import { readElements } from './logits.js';
import type { Request } from './rowOptions.js';

export interface Weights {
  /** One for each class of a row. */
  readonly classes?: Float64Array | undefined;
  /** One for each element, in the layout of the problem. */
  readonly elements?: Float64Array | undefined;
  /** The caller's memory, which no output may overlap. */
  readonly memory: unknown;
}

/** In float64, by class where all rows share them. */
export function readWeights(
  value: unknown,
  name: string,
  { x, layout, options }: Request,
): Weights | undefined {
  if (value === undefined) return undefined;
  const kind = arrayKind(value);
  if (kind !== undefined && kind !== 'Float32Array' && kind !== 'Float64Array')
    throw typeError('a Float32Array, Float64Array, tensor or array of numbers', name, value);
  const weights = readElements(value, name, undefined, undefined);
  const { data } = weights;
  if (weights.type !== 'float32' && weights.type !== 'float64')
    throw typeError('float32 or float64', name, value);
  const flat = weights.form.kind === 'array';
  const dims = flat ? trailing(data.length, x.dims) : weights.dims;
  const missing = x.dims.length - (dims?.length ?? 0);
  const sizes = x.dims.map((_, i) => (i < missing ? 1 : (dims?.[i - missing] ?? 1)));
  if (dims === undefined || missing < 0 || sizes.some((size, i) => size !== 1 && size !== x.dims[i]))
    throw shapeError(
      `dimensions that broadcast to [${x.dims.join(', ')}]`,
      name,
      flat ? value : words(`[${weights.dims.join(', ')}]`),
    );
  if (options.offsets !== undefined) {
    if (data.length !== x.data.length) throw shapeError(`${x.data.length} entries, as x has,`, name, value);
    return { elements: Float64Array.from(data), memory: data };
  }
  const steps = rowMajor(sizes).map((step, i) => (sizes[i] === 1 ? 0 : step));
  const isShared =
    sizes.every((size, i) => size === 1 || layout.axes.includes(i)) && product(layout.kept) !== 1;
  const order = isShared ? layout.axes : (layout.order ?? x.dims.map((_, i) => i));
  const count = product(order.map((i) => x.dims[i]));
  const inOrder = data.length === count && order.every((dim, i) => i === 0 || dim > order[i - 1]);
  const spread = inOrder
    ? Float64Array.from(data)
    : permute(data, new Float64Array(count), x.dims, order, steps);
  return { [isShared ? 'classes' : 'elements']: spread, memory: data };
}

/** Flat weights have the trailing dimensions of x whose product is their number. */
function trailing(count: number, dims: readonly number[]): readonly number[] | undefined {
  for (let from = 0; from <= dims.length; from++) {
    if (product(dims.slice(from)) === count) return dims.slice(from);
  }
  return undefined;
}
