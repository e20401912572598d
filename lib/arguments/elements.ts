/** Element types and the typed arrays that hold them. */
import type { Data, ElementType } from '../backends/problem.js';
import { rangeError, typeError, words } from './errors.js';

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
const getter = (name: PropertyKey, prototype: object = typedArray) =>
  (Object.getOwnPropertyDescriptor(prototype, name)?.get ?? (() => undefined)) as () => unknown;

/**
 * A method that takes its `this` as first argument. V8 knows a bound function by the call that is made of it and compiles
 * what it stands for into the code around; of `method.call`, where the method comes from another module, it makes a call.
 */
function uncurried<F>(method: () => unknown): F {
  return Function.prototype.call.bind(method) as F;
}

/** Compiled into the code around it in 1 ns; the property itself is called for (14 ns). */
export const byteOffsetOf = uncurried<(view: ArrayBufferView) => number>(getter('byteOffset'));

/** The length, whatever an own property of that name says. */
export const lengthOf = uncurried<(view: ArrayBufferView) => number>(getter('length'));

export const bufferOf = uncurried<(view: ArrayBufferView) => ArrayBufferLike>(getter('buffer'));

const bytesOfPrivate = uncurried<(buffer: ArrayBufferLike) => number>(
  getter('byteLength', ArrayBuffer.prototype),
);
const immutableOf = uncurried<(buffer: ArrayBufferLike) => boolean>(
  getter('immutable', ArrayBuffer.prototype),
);
const keysOf = uncurried<(view: ArrayBufferView) => unknown>(typedArray.keys);

/** `to.set(from)`, whatever a subclass or the arrays themselves make of the name. */
export const setElements = uncurried<(to: Data, from: Data) => void>(typedArray.set);

/**
 * `'Float32Array'` and so on, or undefined for anything that is not a typed array. Unlike `instanceof` it knows
 * arrays of other realms, and is not fooled by `Object.create(Float32Array.prototype)`.
 */
export const arrayKind = uncurried<(value: unknown) => string | undefined>(getter(Symbol.toStringTag));

type View = Data | Uint32Array | Int32Array | Uint8Array | BigInt64Array | BigUint64Array;
type ViewConstructor = new (buffer: ArrayBufferLike, byteOffset?: number, length?: number) => View;

const constructors: { readonly [kind: string]: ViewConstructor } = {
  Float32Array,
  Float64Array,
  Uint16Array,
  Uint32Array,
  Int32Array,
  Uint8Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array: Uint16Array,
};

/**
 * A view of ours of the memory that a caller's array is a view of; of a Float16Array, its bits. What the engine keeps of an
 * array cannot lie, but its properties can: own ones, those of a subclass, another prototype's. It keeps its length where
 * the array's own follows a resizable buffer. A name of an option is given for the error where the memory is gone.
 */
export function viewOf<V extends View>(array: unknown, kind: string, name: string, expected?: string): V {
  const view = array as ArrayBufferView;
  const length = lengthOf(view);
  if (length === 0 && isDetached(view))
    throw typeError(
      expected ?? 'an array that is not detached',
      name,
      words(`a detached ${kind}`),
      'ERR_DETACHED',
    );
  return new constructors[kind](bufferOf(view), byteOffsetOf(view), length) as V;
}

/** A copy that nobody else has; what no option may be is left as it is, to be refused where it is read. */
export function copyOf(array: unknown, kind: string): unknown {
  if (constructors[kind] === undefined || kind === 'Float16Array' || isDetached(array as View)) return array;
  const view = viewOf<View>(array, kind, '');
  const copy = new constructors[kind](new ArrayBuffer(view.byteLength));
  setElements(copy as Data, view as Data);
  return copy;
}

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
  return allocate(count, () => {
    if (type === 'float32') return new Float32Array(count);
    return type === 'float64' ? new Float64Array(count) : new Uint16Array(count);
  });
}

export function newIndices(count: number): Uint32Array {
  return allocate(count, () => new Uint32Array(count));
}

/** What `make` makes for results of `count` entries, unless no memory holds so many. */
export function allocate<Memory>(count: number, make: () => Memory): Memory {
  try {
    return make();
  } catch {
    throw rangeError('as many entries as memory holds', 'the result', count);
  }
}

/** The same memory as a `Float16Array`, where the runtime has one. */
export function float16Of(bits: Uint16Array): Float16ArrayLike | Uint16Array {
  const Float16 = (globalThis as { Float16Array?: Float16Constructor }).Float16Array;
  return Float16 ? new Float16(bits.buffer, bits.byteOffset, bits.length) : bits;
}

/** True where the memory is gone: transferred, or a resizable buffer that shrank below the view. */
export function isDetached(array: ArrayBufferView): boolean {
  if (lengthOf(array) > 0) return false;
  try {
    keysOf(array); // validates its receiver, does nothing else
    return false;
  } catch {
    return true;
  }
}

/** True where other threads can write to it, and nobody can take its memory away. */
export function isShared(view: ArrayBufferView): boolean {
  try {
    bytesOfPrivate(bufferOf(view)); // validates its receiver: no shared buffer
    return false;
  } catch {
    return true;
  }
}

/** Whether the engine knows of buffers that cannot be written to: a proposal, behind a flag in Node 26. */
export const knowsImmutable = 'immutable' in ArrayBuffer.prototype;

export function isImmutable(view: ArrayBufferView): boolean {
  return knowsImmutable && !isShared(view) && immutableOf(bufferOf(view));
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
