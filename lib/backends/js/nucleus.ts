import { block } from './block.js';
import { HIGH } from './half.js';
import type { Normalizer } from './normalizer.js';
import type { Steps } from './steps.js';
import type { Weigher } from './weights.js';

/** Of so many candidates, each is compared with each: sooner done than the first digit of the search. */
const mostCompared = 64;

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
  private readonly before = new Float64Array(mostCompared);
  private readonly found = { reached: 0, highMask: 0, highBits: 0, lowMask: 0, lowBits: 0 };
  private readonly binSums = new Float64Array(BINS);
  private readonly binCounts = new Uint32Array(BINS);

  /** For blocks of `room` classes. */
  constructor(readonly room: number) {
    this.logits = new Float64Array(room);
    this.words = new Int32Array(this.logits.buffer);
    this.weights = new Float64Array(room);
    this.classes = new Uint32Array(room);
  }

  *keep(row: Normalizer, weigher: Weigher, topP: number): Steps {
    const { valid } = row.reader;
    if (valid <= row.size) {
      this.keepOfBlock(row, weigher, topP);
      return;
    }
    let total = 0;
    for (let from = 0; from < valid; from += row.size) {
      if (from > 0) yield;
      total += this.sumOf(this.read(row, weigher, from));
    }
    const last = yield* this.search(row, weigher, topP * total);
    row.cut(this.logits[last], this.classes[last]);
  }

  /** The same for a row of one block. */
  keepOfBlock(row: Normalizer, weigher: Weigher, topP: number): void {
    const all = this.read(row, weigher, 0);
    const total = this.sumOf(all);
    const target = topP * total;
    const count = this.withoutLight(all, weigher.logitOf((total - target) / (2 * all)));
    const last = count <= mostCompared ? this.compareAll(count, target) : this.searchHeld(count, target);
    row.cut(this.logits[last], this.classes[last]);
  }

  private sumOf(count: number): number {
    let total = 0;
    for (let i = 0; i < count; i++) total += this.weights[i];
    return total;
  }

  /** Reads what the cut leaves of the block from class `from` on, and weighs it; returns how many classes. */
  private read(row: Normalizer, weigher: Weigher, from: number): number {
    const { logits, weights, classes } = this;
    const { reader } = row;
    const magic = roundingOf(reader.valid);
    const count = reader.keep(from, row.uncut(from), classes);
    for (let i = 0; i < count; i++) logits[i] = block[i] + 0; // -0 becomes 0: they are equal, and are to have equal bits
    if (from > 0) for (let i = 0; i < count; i++) classes[i] += from;
    weigher.weigh(count);
    row.changed();
    for (let i = 0; i < count; i++) weights[i] = block[i] + magic - magic;
    return count;
  }

  /**
   * Leaves out the candidates below `least`, whose weights are less than half of what is beyond the target, shared out among
   * all: as rounded, they are less than twice that, or 0, and so the target is reached without them. Returns how many are left.
   */
  private withoutLight(count: number, least: number): number {
    const { logits, weights, classes } = this;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const logit = logits[i];
      logits[kept] = logit;
      weights[kept] = weights[i];
      classes[kept] = classes[i];
      kept += Number(logit >= least);
    }
    return kept;
  }

  /** The place of the last of the fewest of the best, classes ascending, whose weights add up to the target. */
  private compareAll(count: number, target: number): number {
    const { logits, weights, before } = this;
    for (let i = 0; i < count; i++) {
      const logit = logits[i];
      const weight = weights[i];
      let sum = 0;
      for (let j = 0; j < i; j++) {
        const isBefore = Number(logits[j] >= logit);
        sum += isBefore * weights[j];
        before[j] += (1 - isBefore) * weight;
      }
      before[i] = sum;
    }
    // Where those before it do not add up to the target, a class is needed; the best one always is.
    let last = 0;
    for (let i = 1; i < count; i++) if (logits[i] > logits[last]) last = i;
    for (let i = 0; i < count; i++) if (before[i] < target && logits[i] <= logits[last]) last = i;
    return last;
  }

  /** The same by a search, of the candidates that are held. */
  private searchHeld(count: number, target: number): number {
    this.begin();
    for (const digit of DIGITS) {
      this.clearBins();
      this.addToBins(count, digit);
      if (this.narrow(target, digit)) break;
    }
    return this.addEqual(count, target, 0);
  }

  /** The same of a row of several blocks, each of which is read anew for every digit; the place in the block read last. */
  private *search(
    row: Normalizer,
    weigher: Weigher,
    target: number,
  ): Generator<undefined, number, undefined> {
    const { found } = this;
    const { valid } = row.reader;
    this.begin();
    for (const digit of DIGITS) {
      this.clearBins();
      for (let from = 0; from < valid; from += row.size) {
        yield;
        this.addToBins(this.read(row, weigher, from), digit);
      }
      if (this.narrow(target, digit)) break;
    }
    let best: { logit: number; index: number } | undefined;
    for (let from = 0; from < valid && (best === undefined || found.reached < target); from += row.size) {
      yield;
      const count = this.read(row, weigher, from);
      const last = this.addEqual(count, target, -1);
      if (last >= 0) best = { logit: this.logits[last], index: this.classes[last] };
    }
    this.logits[0] = best?.logit ?? row.max;
    this.classes[0] = best?.index ?? row.argmax;
    return 0;
  }

  /**
   * A radix search for the cut instead of a sort. Each round bins, by the next bits of their logits, the
   * candidates that share the bits found so far, adds up each bin, and goes down the bins from the largest
   * logits, adding whole bins, to the one where the target is reached. What shares all 64 bits is equal, and is
   * added in index order.
   */
  private begin(): void {
    const { found } = this;
    found.reached = 0;
    found.highMask = found.highBits = found.lowMask = found.lowBits = 0;
  }

  private clearBins(): void {
    this.binSums.fill(0);
    this.binCounts.fill(0);
  }

  /** Adds the weights of candidates that share the bits found so far to the bins of their next digit. */
  private addToBins(count: number, { low, shift }: Digit): void {
    const { words, weights, binSums, binCounts } = this;
    const { highMask, highBits, lowMask, lowBits } = this.found;
    const mask = maskOf(shift);
    for (let i = 0; i < count; i++) {
      const high = words[2 * i + HIGH];
      // Ordered as unsigned numbers: a negative number's bits are turned over, a positive one's sign is set.
      const flip = high >> 31;
      const orderedHigh = high ^ (flip | 0x80000000);
      const orderedLow = words[2 * i + 1 - HIGH] ^ flip;
      if ((orderedHigh & highMask) !== highBits || (orderedLow & lowMask) !== lowBits) continue;
      const bin = ((low ? orderedLow : orderedHigh) >>> shift) & mask;
      binSums[bin] += weights[i];
      binCounts[bin]++;
    }
  }

  /** Goes down to the bin in which the target is reached; true where it has one candidate. */
  private narrow(target: number, { low, shift }: Digit): boolean {
    const { binSums, binCounts, found } = this;
    let boundary = -1;
    for (let bin = BINS - 1; bin >= 0; bin--) {
      if (binCounts[bin] === 0) continue;
      if (boundary >= 0) found.reached += binSums[boundary];
      boundary = bin;
      if (found.reached + binSums[bin] >= target) break;
    }
    if (low) {
      found.lowMask |= maskOf(shift) << shift;
      found.lowBits |= boundary << shift;
    } else {
      found.highMask |= maskOf(shift) << shift;
      found.highBits |= boundary << shift;
    }
    return binCounts[boundary] === 1;
  }

  /** Adds up those candidates that have all the bits found, up to the target; the place of the last, `none` where there is none. */
  private addEqual(count: number, target: number, none: number): number {
    const { words, weights, found } = this;
    const { highMask, highBits, lowMask, lowBits } = found;
    let last = none;
    for (let i = 0; i < count; i++) {
      const high = words[2 * i + HIGH];
      const flip = high >> 31;
      const orderedHigh = high ^ (flip | 0x80000000);
      const orderedLow = words[2 * i + 1 - HIGH] ^ flip;
      if ((orderedHigh & highMask) !== highBits || (orderedLow & lowMask) !== lowBits) continue;
      found.reached += weights[i];
      last = i;
      if (found.reached >= target) break;
    }
    return last;
  }
}

/** Added to the weights of so many classes and taken away, it leaves multiples of 2^-52 times a power of two. */
export function roundingOf(classes: number): number {
  let bound = 1;
  while (bound < classes) bound *= 2;
  return 1.5 * bound;
}

type Digit = (typeof DIGITS)[number];

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

function maskOf(shift: number): number {
  return shift === 0 ? 0x3ff : 0x7ff;
}

/** The memory of a call that is over, for the next one. */
let spare: Nucleus | undefined;

/** For rows that are worked on in blocks of `size`. */
export function takeNucleus(size: number): Nucleus {
  const nucleus = spare !== undefined && spare.room >= size ? spare : undefined;
  if (nucleus !== undefined) spare = undefined;
  return nucleus ?? new Nucleus(2 ** Math.ceil(Math.log2(Math.max(size, 64))));
}

export function keepNucleus(nucleus: Nucleus): void {
  if (spare === undefined || spare.room < nucleus.room) spare = nucleus;
}
