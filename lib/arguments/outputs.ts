/** Where results are written: memory of the caller's, checked, or new. */

import type { Data, ElementType } from '../backends/problem.js';
import { arrayKind, isImmutable, isSameMemory, overlaps, viewOf } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';
import { product } from './layout.js';
import { tensorParts } from './tensors.js';

const kinds: { readonly [type in ElementType | 'uint32']: readonly string[] } = {
  float32: ['Float32Array'],
  float64: ['Float64Array'],
  float16: ['Float16Array', 'Uint16Array'],
  bfloat16: ['Uint16Array'],
  uint32: ['Uint32Array'],
};

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
  return viewToWrite(array, kinds[type], product(dims), at);
}

/** A typed array of one of these types; no tensor. */
export function readPlainOutput(
  out: unknown,
  name: string,
  types: readonly ElementType[],
  count: number,
): Data {
  return viewToWrite(
    out,
    types.flatMap((type) => kinds[type]),
    count,
    name,
  );
}

/** An array of the caller's of one of these kinds and `count` elements, as a view of ours to write to. */
function viewToWrite<V extends Data | Uint32Array>(
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

/** Refuses an output that shares memory with something else that the call reads or writes. */
export function refuseOverlap(
  out: ArrayBufferView | undefined,
  name: string,
  other: string,
  view: unknown,
): void {
  if (out !== undefined && ArrayBuffer.isView(view) && overlaps(out, view))
    throw rangeError(
      `memory that does not overlap ${other}`,
      name,
      words('a view that overlaps it'),
      'ERR_OVERLAP',
    );
}

/** As `refuseOverlap`, but `out` may be `x` itself, element for element. */
export function refusePartialOverlap(out: Data | Uint32Array | undefined, name: string, x: Data): void {
  if (out !== undefined && !isSameMemory(out as Data, x) && overlaps(out, x))
    throw rangeError(
      'x itself, or memory that does not overlap x',
      name,
      words('a view that overlaps part of it'),
      'ERR_OVERLAP',
    );
}
