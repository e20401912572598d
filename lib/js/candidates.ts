import type { SampleProblem } from '../problem.js';
import { BLOCK, block } from './block.js';
import { HIGH } from './half.js';
import type { Normalizer } from './normalizer.js';
import { room } from './scratch.js';
import { Selection } from './selection.js';
import { select } from './topK.js';

/**
 * The classes of an ordinary row that a draw may give, in index order, with their terms: all that take part
 * with a logit above -Infinity, then those that each filter leaves.
 *
 * Every filter keeps the first so many of the classes ordered by logit, descending, and by index among equals,
 * so a filter is a *cut*: the last class kept. Nothing is sorted but the `topK` classes.
 */
export class Candidates {
  count = 0;
  readonly logits: Float64Array;
  readonly terms: Float64Array;
  readonly classes: Uint32Array;
  private readonly selection: Selection | undefined;

  constructor(private readonly problem: SampleProblem) {
    this.logits = room('candidates', problem.length);
    this.terms = room('candidate terms', problem.length);
    this.classes = new Uint32Array(problem.length);
    const { topK, length } = problem;
    if (topK > 0 && topK < length) this.selection = new Selection(topK);
  }

  /** Of the open row, filtered by top-k, top-p and min-p, in that order. */
  collect(row: Normalizer): void {
    const { topP, minP } = this.problem;
    let least = -Infinity;
    let last = -1;
    if (this.selection) {
      select(this.selection, row);
      const worst = this.selection.count - 1;
      least = this.selection.logits[worst];
      last = this.selection.classes[worst];
    }
    this.read(row, least, last);
    row.countFromMaximum();
    row.termsOf(this.terms, this.count);
    if (topP < 1) {
      const place = lastOfNucleus(this.logits, this.terms, this.count, topP * sum(this.terms, this.count));
      this.keep(this.logits[place], place);
    }
    if (minP > 0) this.keepTerms(minP * row.top);
  }

  /** Logits above `least`, and those equal to it up to class `last`. */
  private read(row: Normalizer, least: number, last: number): void {
    let kept = 0;
    for (let from = 0; from < row.length; from += BLOCK) {
      const count = row.logits(from);
      for (let i = 0; i < count; i++) {
        const x = block[i];
        if (!(x > least || (x === least && from + i <= last)) || x === -Infinity) continue;
        this.logits[kept] = x + 0; // -0 becomes 0: they are equal, and are to have equal bits
        this.terms[kept] = x;
        this.classes[kept++] = from + i;
      }
    }
    this.count = kept;
  }

  private keep(least: number, last: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.logits[i] > least || (this.logits[i] === least && i <= last)) this.move(i, kept++);
    }
    this.count = kept;
  }

  private keepTerms(least: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) if (this.terms[i] >= least) this.move(i, kept++);
    this.count = kept;
  }

  private move(from: number, to: number): void {
    this.logits[to] = this.logits[from];
    this.terms[to] = this.terms[from];
    this.classes[to] = this.classes[from];
  }
}

/** One term after another, in index order. */
function sum(terms: Float64Array, count: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += terms[i];
  return total;
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
const binSums = new Float64Array(BINS);
const binCounts = new Uint32Array(BINS);

/**
 * The place of the last candidate of the nucleus: the fewest of the best whose terms add up to the target.
 *
 * A radix search for the cut instead of a sort. Each round bins, by the next bits of their logits, the
 * candidates that share the bits found so far, adds up each bin in index order, and goes down the bins from
 * the largest logits, adding whole bins, to the one where the target is reached. What shares all 64 bits is
 * equal, and is added in index order.
 */
function lastOfNucleus(logits: Float64Array, terms: Float64Array, count: number, target: number): number {
  const words = new Int32Array(logits.buffer, logits.byteOffset, 2 * count);
  let reached = 0;
  let highMask = 0;
  let highBits = 0;
  let lowMask = 0;
  let lowBits = 0;
  for (const { low, shift } of DIGITS) {
    binSums.fill(0);
    binCounts.fill(0);
    for (let i = 0; i < count; i++) {
      const high = words[2 * i + HIGH];
      // Ordered as unsigned numbers: a negative number's bits are turned over, a positive one's sign is set.
      const flip = high >> 31;
      const orderedHigh = high ^ (flip | 0x80000000);
      const orderedLow = words[2 * i + 1 - HIGH] ^ flip;
      if ((orderedHigh & highMask) !== highBits || (orderedLow & lowMask) !== lowBits) continue;
      const bin = ((low ? orderedLow : orderedHigh) >>> shift) & (BINS - 1) & (shift === 0 ? 0x3ff : 0x7ff);
      binSums[bin] += terms[i];
      binCounts[bin]++;
    }
    let boundary = -1;
    for (let bin = BINS - 1; bin >= 0; bin--) {
      if (binCounts[bin] === 0) continue;
      if (boundary >= 0) reached += binSums[boundary];
      boundary = bin;
      if (reached + binSums[bin] >= target) break;
    }
    const mask = (shift === 0 ? 0x3ff : 0x7ff) << shift;
    if (low) {
      lowMask |= mask;
      lowBits |= boundary << shift;
    } else {
      highMask |= mask;
      highBits |= boundary << shift;
    }
    if (binCounts[boundary] === 1) break;
  }
  let last = 0;
  for (let i = 0; i < count; i++) {
    const high = words[2 * i + HIGH];
    const flip = high >> 31;
    const orderedHigh = high ^ (flip | 0x80000000);
    const orderedLow = words[2 * i + 1 - HIGH] ^ flip;
    if ((orderedHigh & highMask) !== highBits || (orderedLow & lowMask) !== lowBits) continue;
    reached += terms[i];
    last = i;
    if (reached >= target) break;
  }
  return last;
}
