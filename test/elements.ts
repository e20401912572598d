/** The element types as the tests see them: from numbers to typed arrays and back. */
import type { ElementType } from '../lib/backends/problem.js';

export const elementTypes: readonly ElementType[] = ['float32', 'float64', 'float16', 'bfloat16'];

export type Elements = Float32Array | Float64Array | Uint16Array;

/** Of 16-bit types: every value that is not negative, infinity included; its place is its bits. */
const ladders = {
  float16: ladder(10, -14, 0x7c00),
  bfloat16: ladder(7, -126, 0x7f80),
};

function ladder(bits: number, leastExponent: number, infinity: number): Float64Array {
  const values = new Float64Array(infinity + 1);
  for (let i = 0; i < infinity; i++) {
    const exponent = Math.max(i >> bits, 1) - 1 + leastExponent;
    const lead = i >> bits === 0 ? 0 : 1;
    values[i] = (lead + (i % 2 ** bits) / 2 ** bits) * 2 ** exponent;
  }
  values[infinity] = Infinity;
  return values;
}

/** Rounds each number once to the type. */
export function elements(numbers: ArrayLike<number>, type: ElementType): Elements {
  if (type === 'float32') return new Float32Array(numbers);
  if (type === 'float64') return new Float64Array(numbers);
  // `from` with a function goes through an iterator: tests round numbers by the million.
  const rounded = new Uint16Array(numbers.length);
  for (let i = 0; i < rounded.length; i++) rounded[i] = bitsOf(numbers[i], type);
  return rounded;
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** Where the last value should be that is not above a number: the bits of its float64 cut off. */
function guess(magnitude: number, type: 'float16' | 'bfloat16'): number {
  double[0] = magnitude;
  const [bits, bias] = type === 'float16' ? [10, 15] : [7, 127];
  return (words[1] >> (20 - bits)) - ((1023 - bias) << bits);
}

/** By search among all values: the nearest, of two equally near the one with even bits. */
export function bitsOf(x: number, type: 'float16' | 'bfloat16'): number {
  const values = ladders[type];
  const infinity = values.length - 1;
  if (Number.isNaN(x)) return type === 'float16' ? 0x7e00 : 0x7fc0;
  const sign = Object.is(x, -0) || x < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  const near = guess(magnitude, type);
  const found = near >= 0 && near < infinity && values[near] <= magnitude && magnitude < values[near + 1];
  let low = found ? near : 0;
  let high = found ? near + 1 : infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] <= magnitude) low = middle;
    else high = middle;
  }
  // What rounds to infinity is what would round to the number after the largest.
  const above = high === infinity ? 2 * values[low] - values[low - 1] : values[high];
  const toHigh = magnitude - values[low] - (above - magnitude);
  return sign | (toHigh > 0 || (toHigh === 0 && high % 2 === 0) ? high : low);
}

/** The numbers in a typed array (the results of functions called by name are less than that to TypeScript). */
export function numbers(array: object, type: ElementType): Float64Array {
  if (type === 'float32' || type === 'float64') return new Float64Array(array as Elements);
  const values = ladders[type];
  const all = array as Uint16Array;
  const result = new Float64Array(all.length);
  for (let i = 0; i < all.length; i++) {
    const magnitude = all[i] & 0x7fff;
    const value = magnitude < values.length ? values[magnitude] : NaN;
    result[i] = all[i] & 0x8000 ? -value : value;
  }
  return result;
}

/** The bytes, for comparing bit for bit. */
export function bits(result: object): string {
  const array = result as Elements;
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');
}
