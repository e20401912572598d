/**
 * The memory that rows are worked on in, and the loops over it. It is one array for all rows and calls, so
 * that a call with `out` allocates nothing that grows with its data, and it lives in one closure with the
 * loops, because V8 then knows its address and length: each access costs 0.4 ns less. (At the top level of a
 * module it would not: bundlers turn constants there into variables.) It is only ever used between two turns
 * of the event loop, so no call finds another's numbers in it.
 */
import { type DoubleDouble, multiply, squareRoot } from './doubleDouble.js';
import { type Encoding, encode } from './half.js';
import {
  type Origin,
  POWERS_ABOVE,
  POWERS_BELOW,
  type Reduction,
  STEP_BITS,
  STEPS,
  TOP_EXPONENT,
} from './reduction.js';

/** The longest row that is worked on as a whole; the terms of longer ones are computed twice. 2 MiB. */
export const BLOCK = 2 ** 18;

/**
 * Longer rows are worked on in blocks of this many classes: a millisecond, between which an asynchronous call lets other
 * events have their turn. (A multiple of 64, so that sums are grouped as they are in a row that is worked on as a whole.)
 */
export const LONG_ROW_BLOCK = 2 ** 16;

/** The sum of `add`, to twice the precision of float64. */
export interface Running {
  high: number;
  low: number;
}

/** How logits become the weights that classes are drawn by. */
export interface Weighing {
  readonly max: number;
  readonly perTemperature: number;
  readonly down: number;
  readonly up: number;
}

export const {
  block,
  copyFloat32,
  copyFloat64,
  copyDecoded,
  placeOfLargest,
  maskByBytes,
  maskByBits,
  compact,
  exponentials,
  exponential,
  add,
  addFours,
  weigh,
  sumOfLanes,
  storeFloat32,
  storeFloat64,
  storeHalf,
} = (() => {
  const block = new Float64Array(BLOCK);
  const powers = new Float64Array(POWERS_BELOW + POWERS_ABOVE + 1);
  for (let i = 0; i < powers.length; i++) powers[i] = 2 ** (TOP_EXPONENT - POWERS_BELOW + i);
  const { table, tableLow } = rootsOfTwo();
  /** Added to a finite logit, they leave -Infinity, or the logit: a branch on a mask would often be predicted wrongly. */
  const shares = Float64Array.of(-Infinity, -0);
  const powersBelowOne = Float64Array.from({ length: 1024 }, (_, i) => (i === 0 ? 0 : 2 ** (i - 1023)));

  return {
    block,

    /** Fills the block from x[at], x[at + stride], …; returns the place of a NaN, or else of the first largest. */
    copyFloat32(x: Float32Array, at: number, stride: number, count: number): number {
      let place = 0;
      let largest = -Infinity;
      for (let i = 0, from = at; i < count; i++, from += stride) {
        const value = x[from];
        block[i] = value;
        if (!(value <= largest)) {
          place = i;
          largest = Number.isNaN(value) ? Infinity : value;
        }
      }
      return place;
    },

    copyFloat64(x: Float64Array, at: number, stride: number, count: number): number {
      let place = 0;
      let largest = -Infinity;
      for (let i = 0, from = at; i < count; i++, from += stride) {
        const value = x[from];
        block[i] = value;
        if (!(value <= largest)) {
          place = i;
          largest = Number.isNaN(value) ? Infinity : value;
        }
      }
      return place;
    },

    copyDecoded(x: Uint16Array, values: Float64Array, at: number, stride: number, count: number): number {
      let place = 0;
      let largest = -Infinity;
      for (let i = 0, from = at; i < count; i++, from += stride) {
        const value = values[x[from]];
        block[i] = value;
        if (!(value <= largest)) {
          place = i;
          largest = Number.isNaN(value) ? Infinity : value;
        }
      }
      return place;
    },

    placeOfLargest(count: number): number {
      return copyFloat64(block, 0, 1, count);
    },

    /**
     * Makes -Infinity of those that have no part, by where[at], where[at + stride], …; returns the place of the first of the
     * largest. None is NaN or Infinity.
     */
    maskByBytes(where: Uint8Array, at: number, stride: number, count: number): number {
      let place = 0;
      let largest = -Infinity;
      for (let i = 0, from = at; i < count; i++, from += stride) {
        const value = block[i] + shares[Number(where[from] !== 0)];
        block[i] = value;
        if (value > largest) {
          place = i;
          largest = value;
        }
      }
      return place;
    },

    /** The same by the bits of words[at], words[at + 1], …, from bit `first` on. */
    maskByBits(words: Uint32Array, at: number, first: number, count: number): number {
      let place = 0;
      let largest = -Infinity;
      for (let i = 0, bit = first; i < count; i++, bit++) {
        const value = block[i] + shares[(words[at + (bit >> 5)] >>> (bit & 31)) & 1];
        block[i] = value;
        if (value > largest) {
          place = i;
          largest = value;
        }
      }
      return place;
    },

    /** Moves the logits that are not below `least` to the front, and writes their places; returns how many there are. */
    compact(count: number, least: number, places: Uint32Array): number {
      let kept = 0;
      for (let i = 0; i < count; i++) {
        const logit = block[i];
        block[kept] = logit;
        places[kept] = i;
        kept += Number(logit >= least);
      }
      return kept;
    },

    /**
     * Replaces the first `count` logits by their terms: e^(x/T) times the power of two that makes the origin's
     * exponent 120, each good to 0.51 ULP of float64. A term less than e^-780 of the largest need not be
     * right, only too small to matter.
     */
    exponentials(count: number, by: Reduction, origin: Origin): void {
      const { perStep, step, stepLow, inverse, down, up } = by;
      const { shift, floor, exponent } = origin;
      if (shift !== 0 || down !== up) {
        // Exact for every logit that has a term; -1.7e308 - 1.7e308 is -Infinity, as good as its term.
        for (let i = 0; i < count; i++) block[i] = (block[i] * down - shift) * up;
      }
      const bias = POWERS_BELOW - exponent;
      for (let i = 0; i < count; i++) {
        const logit = block[i];
        // biome-ignore lint/complexity/useMathMinMax: Math.max also tells -0 from 0, and takes half as long again.
        const x = logit < floor ? floor : logit;
        // Adding and taking away 1.5·2^52 rounds to an integer, as in reduction.ts.
        const n = x * perStep + 6755399441055744 - 6755399441055744;
        const r = (x - n * step - n * stepLow) * inverse;
        // e^r - 1 for |r| <= ln2/256: the next Taylor term, r^6/720, is less than 2^-60.
        const r2 = r * r;
        const p = r + r2 * (1 / 2 + r * (1 / 6) + r2 * (1 / 24 + r * (1 / 120)));
        const k = n | 0;
        const j = k & 127;
        const t = table[j];
        block[i] = powers[(k >> 7) + bias] * (t + (tableLow[j] + t * p));
      }
    },

    /** One term, without a trace in the block. */
    exponential(x: number, by: Reduction, origin: Origin): number {
      const kept = block[0];
      block[0] = x;
      exponentials(1, by, origin);
      const term = block[0];
      block[0] = kept;
      return term;
    },

    /** Adds the terms to the sum, keeping what each addition rounds off (Knuth's two-sum). */
    add(from: number, count: number, sum: Running): void {
      let { high, low } = sum;
      for (let i = from; i < count; i++) {
        const t = block[i];
        const next = high + t;
        const part = next - high;
        low += high - (next - part) + (t - part);
        high = next;
      }
      sum.high = high;
      sum.low = low;
    },

    /** The same with one such addition for every four terms; they are good to 1 ULP. */
    addFours(count: number, sum: Running): void {
      let { high, low } = sum;
      const whole = count - (count % 4);
      for (let i = 0; i < whole; i += 4) {
        const t = block[i] + block[i + 1] + (block[i + 2] + block[i + 3]);
        const next = high + t;
        const part = next - high;
        low += high - (next - part) + (t - part);
        high = next;
      }
      sum.high = high;
      sum.low = low;
      add(whole, count, sum);
    },

    /**
     * Replaces the first `count` logits by their weights: 2^p with p = ((x·down - max)·up)·perTemperature, good
     * to 1e-10, and 0 from 2^-1023 down. native/kernels/ops/weights.h does the same operations in the same order;
     * the coefficients are those of its polynomial.
     */
    weigh(count: number, { max, perTemperature, down, up }: Weighing): void {
      const moved = down !== up;
      if (moved) for (let i = 0; i < count; i++) block[i] = (block[i] * down - max) * up;
      const origin = moved ? 0 : max;
      for (let i = 0; i < count; i++) {
        const exact = (block[i] - origin) * perTemperature;
        // biome-ignore lint/complexity/useMathMinMax: as in exponentials.
        const p = exact < -1023 ? -1023 : exact;
        const n = p + 6755399441056767 - 6755399441056767; // 1.5·2^52 + 1023: rounds to an integer
        const r = p - n;
        let q = 0.00001525271980201326 * r + 0.00015461329895925243;
        q = q * r + 0.0013333669451569086;
        q = q * r + 0.009618057037008082;
        q = q * r + 0.05550410727597084;
        q = q * r + 0.2402265092005167;
        q = q * r + 0.6931471805815692;
        block[i] = (q * r + 1) * powersBelowOne[(n | 0) + 1023];
      }
    },

    /**
     * The sum of weights [from, to) of the block and of what `lanes` hold, the first added to the first of eight lanes. What
     * follows the last, up to a multiple of eight, becomes 0.
     */
    sumOfLanes(from: number, to: number, lanes: Float64Array | undefined): number {
      let end = to;
      for (; (end - from) % 8 !== 0; end++) block[end] = 0;
      let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
      if (lanes !== undefined) [a, b, c, d, e, f, g, h] = lanes;
      for (let i = from; i < end; i += 8) {
        a += block[i];
        b += block[i + 1];
        c += block[i + 2];
        d += block[i + 3];
        e += block[i + 4];
        f += block[i + 5];
        g += block[i + 6];
        h += block[i + 7];
      }
      lanes?.set([a, b, c, d, e, f, g, h]);
      return a + e + (c + g) + (b + f + (d + h));
    },

    // The quotient by way of the reciprocal: one rounding more in float64 is nothing to a type of 24 bits.

    storeFloat32(divisor: number, count: number, out: Float32Array, at: number, stride: number): void {
      const inverse = 1 / divisor;
      for (let i = 0, to = at; i < count; i++, to += stride) out[to] = block[i] * inverse;
    },

    storeHalf(
      divisor: number,
      count: number,
      out: Uint16Array,
      encoding: Encoding,
      at: number,
      stride: number,
    ): void {
      const inverse = 1 / divisor;
      for (let i = 0, to = at; i < count; i++, to += stride) out[to] = encode(block[i] * inverse, encoding);
    },

    storeFloat64(divisor: number, count: number, out: Float64Array, at: number, stride: number): void {
      for (let i = 0, to = at; i < count; i++, to += stride) out[to] = block[i] / divisor;
    },
  };
})();

/**
 * 2^(j/128) as a high and a low part: the repeated square roots of 2 multiplied together, in double-double.
 * The low part keeps the table's own rounding out of the result.
 */
function rootsOfTwo(): { readonly table: Float64Array; readonly tableLow: Float64Array } {
  const roots: DoubleDouble[] = [];
  let root: DoubleDouble = { high: 2, low: 0 };
  for (let bit = STEP_BITS - 1; bit >= 0; bit--) {
    root = squareRoot(root);
    roots[bit] = root;
  }
  const table = new Float64Array(STEPS);
  const tableLow = new Float64Array(STEPS);
  for (let j = 0; j < STEPS; j++) {
    let power: DoubleDouble = { high: 1, low: 0 };
    for (let bit = 0; bit < STEP_BITS; bit++) if ((j >> bit) & 1) power = multiply(power, roots[bit]);
    table[j] = power.high;
    tableLow[j] = power.low;
  }
  return { table, tableLow };
}
