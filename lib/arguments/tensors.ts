/** Tensors: objects with `data` and either `dims` (onnxruntime, transformers.js) or `shape`. */
import { arrayKind } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';

/** What is read of a tensor, each property once. */
export interface TensorParts {
  readonly tensor: object;
  readonly key: 'dims' | 'shape';
  readonly dims: readonly number[];
  readonly data: unknown;
  /** The element type by name, where the tensor has one. */
  readonly type: string | undefined;
}

type Constructor = new (type: string, data: object, dims: readonly number[]) => object;

/** The parts of a tensor, or undefined for anything else. */
export function tensorParts(value: unknown, name: string): TensorParts | undefined {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  const key = 'dims' in value ? 'dims' : 'shape' in value ? 'shape' : undefined;
  if (key === undefined) return undefined;
  const { location, type } = value as { location?: unknown; type?: unknown };
  // Asking a tensor on a GPU for its data throws.
  if (typeof location === 'string' && !location.startsWith('cpu'))
    throw rangeError("a tensor in the CPU's memory (await its getData() first)", name, words(location));
  if (!('data' in value)) return undefined;
  const dims = dimsOf((value as Record<string, unknown>)[key], `${name}.${key}`);
  refuseStrides(value, dims, name);
  return { tensor: value, key, dims, data: value.data, type: typeof type === 'string' ? type : undefined };
}

/** A tensor of the same kind as `model`, as its own API wants it. */
export function tensorLike(
  model: object,
  key: 'dims' | 'shape',
  type: string,
  data: object,
  dims: readonly number[],
): object {
  const Tensor = model.constructor as Constructor | undefined;
  if (key === 'dims' && Tensor !== undefined && Tensor !== Object && 'type' in model)
    return new Tensor(type, data, [...dims]);
  const plain = { data, [key]: [...dims] };
  return 'type' in model ? { type, ...plain } : plain;
}

function dimsOf(value: unknown, name: string): number[] {
  if (!Array.isArray(value)) throw typeError('an array of dimensions', name, value);
  for (const dim of value) {
    if (!Number.isSafeInteger(dim) || dim < 0) throw rangeError('integers of at least 0', name, value);
  }
  return [...value];
}

/**
 * Refuses data that does not lie row-major from its start on. The views of ndarray (`stride`), of @stdlib/ndarray and of
 * vectorious (`strides`, and `order`) step through their data; NumPy's files say `fortran_order`.
 */
function refuseStrides(tensor: object, dims: readonly number[], name: string): void {
  const { stride, strides, offset, order, fortranOrder, fortran_order } = tensor as Steps;
  // Of one dimension, or of others of 1 and 0, both orders are the same.
  const isLine = dims.filter((dim) => dim !== 1).length <= 1 || dims.includes(0);
  for (const [key, steps] of Object.entries({ stride, strides })) {
    if (isList(steps) && !isRowMajor(steps, dims))
      throw shapeError('contiguous data', `${name}.${key}`, [...steps]);
  }
  for (const [key, flag] of Object.entries({ fortranOrder, fortran_order })) {
    if (flag === true && !isLine) throw shapeError('row-major data', `${name}.${key}`, flag);
  }
  if (typeof order === 'string' && !isLine && !['row-major', 'c'].includes(order.toLowerCase()))
    throw shapeError('row-major data', `${name}.order`, order);
  if (typeof offset === 'number' && offset !== 0)
    throw shapeError('contiguous data', `${name}.offset`, offset);
}

interface Steps {
  readonly stride?: unknown;
  readonly strides?: unknown;
  readonly offset?: unknown;
  readonly order?: unknown;
  readonly fortranOrder?: unknown;
  readonly fortran_order?: unknown;
}

function isList(value: unknown): value is ArrayLike<unknown> & Iterable<unknown> {
  return Array.isArray(value) || arrayKind(value) !== undefined;
}

function isRowMajor(steps: ArrayLike<unknown>, dims: readonly number[]): boolean {
  if (dims.includes(0)) return true;
  let step = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    if (dims[i] !== 1 && Number(steps[i]) !== step) return false;
    step *= dims[i];
  }
  return true;
}
