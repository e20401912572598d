/** What `x` may be, and how results are handed back in the same form. */

import type { Data, ElementType } from '../backends/problem.js';
import { arrayKind, float16Of, isHalf, typeOfKind, viewOf } from './elements.js';
import { rangeError, shapeError, typeError } from './errors.js';
import { product } from './layout.js';
import { asNumber, flatten, nest, nestedDims } from './nested.js';
import { tensorLike, tensorParts } from './tensors.js';

/** Row-major elements with dimensions, whatever the caller gave. */
export interface Elements {
  readonly data: Data;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly form: Form;
}

/** The form results take: that of `x`. */
export type Form =
  | { readonly kind: 'array'; readonly float16: boolean }
  | {
      readonly kind: 'tensor';
      readonly float16: boolean;
      readonly model: object;
      readonly key: 'dims' | 'shape';
    }
  | { readonly kind: 'nested' };

const wanted =
  'a Float32Array, Float64Array, Float16Array, Uint16Array with a dtype, tensor or array of numbers';
const names: readonly unknown[] = ['float32', 'float64', 'float16', 'bfloat16'] satisfies ElementType[];

/** Reads logits, or probabilities, of any kind; `dtype` is the caller's option. */
export function readElements(value: unknown, name: string, dtype: unknown, shape: unknown): Elements {
  const asked = readType(dtype, 'dtype');
  const kind = arrayKind(value);
  if (kind !== undefined) {
    const { data, type } = readArray(value, kind, name, asked);
    const dims = readShape(shape, data.length);
    return { data, type, dims, form: { kind: 'array', float16: kind === 'Float16Array' } };
  }
  const elements = Array.isArray(value) ? readNested(value, name) : readTensor(value, name, asked);
  if (asked !== undefined && asked !== elements.type)
    throw rangeError(`${elements.type}, the type of ${name},`, 'dtype', asked);
  if (shape !== undefined) {
    const given = readShape(shape, elements.data.length);
    if (given.length !== elements.dims.length || given.some((dim, i) => dim !== elements.dims[i]))
      throw shapeError(`[${elements.dims.join(', ')}], the dimensions of ${name},`, 'shape', shape);
  }
  return elements;
}

/** Reads what is to be in the type of `x`: `dtype` says what bits are, in either, but not what plain numbers are. */
export function readBeside(value: unknown, name: string, x: Elements, dtype: unknown): Elements {
  const isPlain = x.form.kind === 'nested' || Array.isArray(value);
  return readElements(value, name, isPlain ? undefined : dtype, undefined);
}

/** One of the four element types by name, or undefined where the option is absent. */
export function readType(value: unknown, name: string): ElementType | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw typeError('a string', name, value);
  if (!names.includes(value)) throw rangeError(`one of ${names.join(', ')}`, name, value);
  return value as ElementType;
}

/** A typed array as data, 16-bit ones as bits. */
export function readArray(
  value: unknown,
  kind: string,
  name: string,
  dtype: ElementType | undefined,
): { data: Data; type: ElementType } {
  const isBits = kind === 'Uint16Array';
  const type = isBits ? dtype : typeOfKind[kind];
  if (isBits && type === undefined)
    throw typeError("dtype 'float16' or 'bfloat16' with a Uint16Array", name, value);
  if (type === undefined) throw typeError(wanted, name, value);
  if ((isBits && !isHalf(type)) || (dtype !== undefined && dtype !== type))
    throw rangeError(isBits ? 'float16 or bfloat16' : `${type}, the type of ${name},`, 'dtype', dtype);
  return { data: viewOf<Data>(value, kind, name), type };
}

function readTensor(value: unknown, name: string, dtype: ElementType | undefined): Elements {
  const parts = tensorParts(value, name);
  if (parts === undefined) throw typeError(wanted, name, value);
  const kind = arrayKind(parts.data);
  if (kind === undefined) throw typeError('a typed array', `${name}.data`, parts.data);
  // A tensor of plain integers is a Uint16Array too: only its own type, or dtype, makes it 16-bit floats.
  const own = kind === 'Uint16Array' ? readHalf(parts.type, `${name}.type`) : undefined;
  const { data, type } = readArray(parts.data, kind, `${name}.data`, own ?? dtype);
  const count = product(parts.dims);
  if (count !== data.length)
    throw shapeError(`dimensions of ${data.length} elements`, `${name}.${parts.key}`, parts.dims);
  const { tensor: model, key } = parts;
  return {
    data,
    type,
    dims: parts.dims,
    form: { kind: 'tensor', float16: kind === 'Float16Array', model, key },
  };
}

function readHalf(type: string | undefined, name: string): ElementType | undefined {
  if (type === undefined || type === 'float16' || type === 'bfloat16') return type;
  throw typeError('float16 or bfloat16', name, type);
}

function readNested(value: readonly unknown[], name: string): Elements {
  const dims = nestedDims(value, name);
  const flat = new Float64Array(product(dims));
  return {
    data: flatten(value, dims, flat, name, asNumber),
    type: 'float64',
    dims,
    form: { kind: 'nested' },
  };
}

/** The option `shape`, its one -1 filled in. */
function readShape(shape: unknown, count: number): number[] {
  if (shape === undefined) return [count];
  if (!Array.isArray(shape)) throw typeError('an array of integers', 'shape', shape);
  let fixed = 1;
  let open = -1;
  for (let i = 0; i < shape.length; i++) {
    const dim: unknown = shape[i];
    if (typeof dim !== 'number') throw typeError('an integer', `shape[${i}]`, dim);
    if (!Number.isSafeInteger(dim) || dim < -1)
      throw rangeError('an integer of at least -1', `shape[${i}]`, dim);
    if (dim !== -1) fixed *= dim;
    else if (open === -1) open = i;
    else throw rangeError('at most one -1', 'shape', shape);
  }
  const dims = shape.slice() as number[];
  if (open !== -1) dims[open] = count / fixed;
  if (open === -1 ? fixed !== count : !Number.isInteger(dims[open]))
    throw shapeError(`dimensions of ${count} elements`, 'shape', shape);
  return dims;
}

/** Results in the form of `x`: a view of the same memory wherever there can be one. */
export function handBack(
  form: Form,
  data: Data | Uint32Array,
  type: ElementType | 'uint32',
  dims: readonly number[],
): unknown {
  if (form.kind === 'nested') return nest(data, dims);
  const array = form.float16 && type === 'float16' ? float16Of(data as Uint16Array) : data;
  return form.kind === 'array' ? array : tensorLike(form.model, form.key, type, array, dims);
}
