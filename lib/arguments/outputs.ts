/** Where results are written: memory of the caller's, checked, or new. */

import type { Data, ElementType } from '../backends/problem.js';
import { arrayKind, isImmutable, isSameMemory, newData, newIndices, overlaps, viewOf } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';
import { product } from './layout.js';
import { type Form, handBack } from './logits.js';
import { tensorParts } from './tensors.js';

export interface Output<Memory extends Data | Uint32Array = Data> {
  readonly data: Memory;
  /** The same, where it is the caller's: only that can overlap anything. */
  readonly given: Memory | undefined;
  /** The result in the caller's form; to be asked for after `data` is written. */
  result(): unknown;
}

const kinds: { readonly [type in ElementType | 'uint32']: readonly string[] } = {
  float32: ['Float32Array'],
  float64: ['Float64Array'],
  float16: ['Float16Array', 'Uint16Array'],
  bfloat16: ['Uint16Array'],
  uint32: ['Uint32Array'],
};

/** Takes the caller's `out`, or makes one of the dimensions `dims`. */
export function takeOutput(
  out: unknown,
  name: string,
  type: ElementType,
  dims: readonly number[],
  form: Form,
): Output {
  if (out !== undefined) {
    const data = readOutput(out, name, type, dims) as Data;
    return { data, given: data, result: () => out };
  }
  const data = newData(type, product(dims));
  return { data, given: undefined, result: () => handBack(form, data, type, dims) };
}

/** Class indices: the caller's `out`, or a new one. */
export function takeIndices(
  out: unknown,
  name: string,
  dims: readonly number[],
  form: Form,
): Output<Uint32Array> {
  if (out !== undefined) {
    const data = readOutput(out, name, 'uint32', dims) as Uint32Array;
    return { data, given: data, result: () => out };
  }
  const data = newIndices(product(dims));
  return { data, given: undefined, result: () => handBack(form, data, 'uint32', dims) };
}

/** An output of the caller's: a typed array, or a tensor of the same dimensions. */
export function readOutput(
  out: unknown,
  name: string,
  type: ElementType | 'uint32',
  dims: readonly number[],
): Data | Uint32Array {
  const parts = tensorParts(out, name);
  if (parts && (parts.dims.length !== dims.length || parts.dims.some((dim, i) => dim !== dims[i])))
    throw shapeError(`[${dims.join(', ')}]`, `${name}.${parts.key}`, parts.dims);
  const array = parts ? parts.data : out;
  const at = parts ? `${name}.data` : name;
  const count = product(dims);
  return viewToWrite(array, kinds[type], count, at);
}

/** An array of the caller's of one of these kinds and `count` elements, as a view of ours to write to. */
export function viewToWrite<V extends Data | Uint32Array>(
  array: unknown,
  allowed: readonly string[],
  count: number,
  name: string,
): V {
  const expected = `a ${allowed.join(' or ')} of length ${count}`;
  const kind = arrayKind(array);
  if (kind === undefined || !allowed.includes(kind)) throw typeError(expected, name, array);
  const view = viewOf<V>(array, kind, name, expected);
  if (isImmutable(view)) throw typeError(expected, name, words('one over an immutable ArrayBuffer'));
  if (view.length !== count) throw shapeError(expected, name, array);
  return view;
}

/** Refuses an output that shares memory with anything else that the call reads or writes. */
export function refuseOverlap(
  out: ArrayBufferView | undefined,
  name: string,
  others: { readonly [name: string]: unknown },
): void {
  if (out === undefined) return;
  for (const other in others) {
    const view = others[other];
    if (ArrayBuffer.isView(view) && overlaps(out, view))
      throw rangeError(`memory apart from ${other}`, name, words('a view that overlaps it'), 'ERR_OVERLAP');
  }
}

/** As `refuseOverlap`, but `out` may be `x` itself, element for element. */
export function refusePartialOverlap(out: Data | undefined, name: string, x: Data): void {
  if (out !== undefined && !isSameMemory(out, x) && overlaps(out, x))
    throw rangeError(
      'x itself, or memory apart from x',
      name,
      words('a view that overlaps part of it'),
      'ERR_OVERLAP',
    );
}
