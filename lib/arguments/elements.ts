/** Element types and the typed arrays that hold them. */
import type { Data, ElementType } from '../backends/problem.js';

/** `Float16Array`, by its shape: no TypeScript library this package can ask for declares it. */
export interface Float16ArrayLike {
  /** What tells it from other typed arrays. */
  readonly [Symbol.toStringTag]: 'Float16Array';
  /** 2. */
  readonly BYTES_PER_ELEMENT: number;
  /** The memory that it is a view of. */
  readonly buffer: ArrayBufferLike;
  /** Where in that memory it starts, in bytes. */
  readonly byteOffset: number;
  /** Its length in bytes. */
  readonly byteLength: number;
  /** How many elements it has. */
  readonly length: number;
  [index: number]: number;
}

type Float16Constructor = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => Float16ArrayLike;

const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
const getter = (name: PropertyKey) => Object.getOwnPropertyDescriptor(typedArray, name)?.get as () => unknown;

/**
 * A method that takes its `this` as first argument. V8 knows a bound function by the call that is made of it and compiles
 * what it stands for into the code around; of `method.call`, where the method comes from another module, it makes a call.
 */
function uncurried<F>(method: () => unknown): F {
  return Function.prototype.call.bind(method) as F;
}

/** Compiled into the code around it in 1 ns; the property itself is called for (14 ns). */
export const byteOffsetOf = uncurried<(view: ArrayBufferView) => number>(getter('byteOffset'));

/** `to.set(from)`, whatever a subclass or the arrays themselves make of the name. */
export const setElements = uncurried<(to: Data, from: Data) => void>(typedArray.set);

/**
 * `'Float32Array'` and so on, or undefined for anything that is not a typed array. Unlike `instanceof` it knows
 * arrays of other realms, and is not fooled by `Object.create(Float32Array.prototype)`.
 */
export const arrayKind = uncurried<(value: unknown) => string | undefined>(getter(Symbol.toStringTag));

/** What the elements of a typed array are, as far as its kind can tell. */
export const typeOfKind: { readonly [kind: string]: ElementType | undefined } = {
  Float32Array: 'float32',
  Float64Array: 'float64',
  Float16Array: 'float16',
};

export function isHalf(type: ElementType): type is 'float16' | 'bfloat16' {
  return type === 'float16' || type === 'bfloat16';
}

/** What a reduction of such elements gives: float32 for 16-bit ones. */
export function reducedType(type: ElementType): 'float32' | 'float64' {
  return type === 'float64' ? 'float64' : 'float32';
}

export function newData(type: ElementType, count: number): Data {
  if (type === 'float32') return new Float32Array(count);
  if (type === 'float64') return new Float64Array(count);
  return new Uint16Array(count);
}

/** The same memory as `Uint16Array` bits. */
export function bitsOf(half: Float16ArrayLike): Uint16Array {
  return new Uint16Array(half.buffer, half.byteOffset, half.length);
}

/** The same memory as a `Float16Array`, where the runtime has one. */
export function float16Of(bits: Uint16Array): Float16ArrayLike | Uint16Array {
  const Float16 = (globalThis as { Float16Array?: Float16Constructor }).Float16Array;
  return Float16 ? new Float16(bits.buffer, bits.byteOffset, bits.length) : bits;
}

/** True where the memory is gone: transferred, or a resizable buffer that shrank below the view. */
export function isDetached(array: { readonly length: number }): boolean {
  if (array.length > 0) return false;
  try {
    Uint8Array.prototype.keys.call(array as Uint8Array); // validates its receiver, does nothing else
    return false;
  } catch {
    return true;
  }
}

/** True where two views share at least one byte. */
export function overlaps(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return (
    a.byteLength > 0 &&
    b.byteLength > 0 &&
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}

/** True where writing one view element by element is writing the other. */
export function isSameMemory(a: Data, b: Data): boolean {
  return (
    a === b ||
    (a.byteOffset === b.byteOffset &&
      a.length === b.length &&
      arrayKind(a) === arrayKind(b) &&
      a.buffer === b.buffer)
  );
}
