import { block, LONG_ROW_BLOCK } from './block.js';
import { HIGH } from './half.js';
import type { Normalizer } from './normalizer.js';
import type { Steps } from './steps.js';
import type { Weigher } from './weights.js';

/**
 * Narrows the cut of the open row to its nucleus: the fewest of the best classes whose weights add up to `topP`
 * of all.
 *
 * The weights are rounded to multiples of 2^-52 times a power of two that no sum of them exceeds: sums are
 * exact then, and so the same in any order. (They err by at most 2^-53 of the square of the number of classes.)
 */
export class Nucleus {
  private readonly logits: Float64Array;
  private readonly weights: Float64Array;
  private readonly classes: Uint32Array;
  /** The logits' bits. */
  private readonly words: Int32Array;
  private readonly found = { reached: 0, highMask: 0, highBits: 0, lowMask: 0, lowBits: 0 };
  private readonly binSums = new Float64Array(BINS);
  private readonly binCounts = new Uint32Array(BINS);

  constructor(readonly length: number) {
    this.logits = new Float64Array(length);
    this.words = new Int32Array(this.logits.buffer);
    this.weights = new Float64Array(length);
    this.classes = new Uint32Array(length);
  }

  *keep(row: Normalizer, weigher: Weigher, topP: number): Steps {
    const { logits, weights, classes } = this;
    const { reader } = row;
    let bound = 1;
    while (bound < reader.valid) bound *= 2;
    const magic = 1.5 * bound;
    let count = 0;
    let total = 0;
    for (let from = 0; from < reader.valid; from += row.size) {
      if (from > 0) yield;
      const start = count;
      const length = row.logits(from);
      for (let i = 0; i < length; i++) {
        if (block[i] === -Infinity) continue;
        logits[count] = block[i] + 0; // -0 becomes 0: they are equal, and are to have equal bits
        classes[count++] = from + i;
      }
      weigher.weigh(length);
      row.changed();
      for (let i = start; i < count; i++) {
        const weight = block[classes[i] - from] + magic - magic;
        weights[i] = weight;
        total += weight;
      }
    }
    const place = yield* this.lastOf(count, topP * total);
    reader.cut(logits[place], classes[place]);
    row.changed();
  }

  /**
   * The place of the last of the fewest of the best whose weights add up to the target.
   *
   * A radix search for the cut instead of a sort. Each round bins, by the next bits of their logits, the
   * candidates that share the bits found so far, adds up each bin, and goes down the bins from the largest
   * logits, adding whole bins, to the one where the target is reached. What shares all 64 bits is equal, and is
   * added in index order.
   */
  private *lastOf(count: number, target: number): Generator<undefined, number, undefined> {
    const { binSums, binCounts, found } = this;
    found.reached = 0;
    found.highMask = found.highBits = found.lowMask = found.lowBits = 0;
    for (const { low, shift } of DIGITS) {
      binSums.fill(0);
      binCounts.fill(0);
      for (let from = 0; from < count; from += LONG_ROW_BLOCK) {
        if (from > 0) yield;
        this.addToBins(from, Math.min(from + LONG_ROW_BLOCK, count), low, shift);
      }
      let boundary = -1;
      for (let bin = BINS - 1; bin >= 0; bin--) {
        if (binCounts[bin] === 0) continue;
        if (boundary >= 0) found.reached += binSums[boundary];
        boundary = bin;
        if (found.reached + binSums[bin] >= target) break;
      }
      const mask = (shift === 0 ? 0x3ff : 0x7ff) << shift;
      if (low) {
        found.lowMask |= mask;
        found.lowBits |= boundary << shift;
      } else {
        found.highMask |= mask;
        found.highBits |= boundary << shift;
      }
      if (binCounts[boundary] === 1) break;
    }
    let last = 0;
    for (let from = 0; from < count && (from === 0 || found.reached < target); from += LONG_ROW_BLOCK) {
      if (from > 0) yield;
      last = this.addEqual(from, Math.min(from + LONG_ROW_BLOCK, count), target, last);
    }
    return last;
  }

  /** Adds the weights of candidates [from, end) that share the bits found so far to the bins of their next digit. */
  private addToBins(from: number, end: number, low: boolean, shift: number): void {
    const { words, weights, binSums, binCounts } = this;
    const { highMask, highBits, lowMask, lowBits } = this.found;
    for (let i = from; i < end; i++) {
      const high = words[2 * i + HIGH];
      // Ordered as unsigned numbers: a negative number's bits are turned over, a positive one's sign is set.
      const flip = high >> 31;
      const orderedHigh = high ^ (flip | 0x80000000);
      const orderedLow = words[2 * i + 1 - HIGH] ^ flip;
      if ((orderedHigh & highMask) !== highBits || (orderedLow & lowMask) !== lowBits) continue;
      const bin = ((low ? orderedLow : orderedHigh) >>> shift) & (BINS - 1) & (shift === 0 ? 0x3ff : 0x7ff);
      binSums[bin] += weights[i];
      binCounts[bin]++;
    }
  }

  /** Adds up those of candidates [from, end) that have all the bits found, up to the target; the place of the last. */
  private addEqual(from: number, end: number, target: number, before: number): number {
    const { words, weights, found } = this;
    const { highMask, highBits, lowMask, lowBits } = found;
    let { reached } = found;
    let last = before;
    for (let i = from; i < end; i++) {
      const high = words[2 * i + HIGH];
      const flip = high >> 31;
      const orderedHigh = high ^ (flip | 0x80000000);
      const orderedLow = words[2 * i + 1 - HIGH] ^ flip;
      if ((orderedHigh & highMask) !== highBits || (orderedLow & lowMask) !== lowBits) continue;
      reached += weights[i];
      last = i;
      if (reached >= target) break;
    }
    found.reached = reached;
    return last;
  }
}

/** The digits of a float64's ordered bits, most significant first: which word, and how far down in it. */
const DIGITS = [
  { low: false, shift: 21 },
  { low: false, shift: 10 },
  { low: false, shift: 0 },
  { low: true, shift: 21 },
  { low: true, shift: 10 },
  { low: true, shift: 0 },
] as const;
const BINS = 2 ** 11;

/** The memory of a call that is over, for the next one: a nucleus takes as much as its longest row, however long. */
let spare: Nucleus | undefined;

export function takeNucleus(length: number): Nucleus {
  const nucleus = spare !== undefined && spare.length >= length ? spare : undefined;
  if (nucleus !== undefined) spare = undefined;
  return nucleus ?? new Nucleus(2 ** Math.ceil(Math.log2(Math.max(length, 64))));
}

export function keepNucleus(nucleus: Nucleus): void {
  if (spare === undefined || spare.length < nucleus.length) spare = nucleus;
}
