import type { Rows } from '../problem.js';
import { exponentials, type Origin, originOf, originOfNormalizer, type Reduction, reduction } from './exp.js';
import { RowReader } from './rows.js';
import { BLOCK, scratch } from './scratch.js';

/**
 * What a row is. Only an 'ordinary' row, whose maximum is finite, has probabilities; in the others a class
 * that takes part has none ('nothing' is a row where no class takes part).
 */
export type Kind = 'ordinary' | 'NaN' | '+Infinity' | '-Infinity' | 'nothing';

const one = new Float64Array(1);

/**
 * One row after another: its maximum, its terms e^(x/T) (over a common power of two) and their sum. A row is
 * worked on block by block; a row of one block is read once.
 */
export class Normalizer {
  readonly reader: RowReader;
  readonly by: Reduction;
  readonly block: Float64Array;
  kind: Kind = 'nothing';
  /** The first of the largest logits, and its class. */
  max = 0;
  argmax = 0;
  /** The term of that logit, the sum of all other terms, and the sum of all. */
  top = 0;
  rest = 0;
  total = 0;
  private origin: Origin = { shift: 0, exponent: 0, floor: 0 };
  /** The running sum, to about twice the precision of float64. */
  private high = 0;
  private low = 0;
  /** What the block holds: classes from `heldFrom` on, as logits or as terms. */
  private held: 'logits' | 'terms' | 'other' = 'other';
  private heldFrom = 0;

  constructor(problem: Rows) {
    this.reader = new RowReader(problem);
    this.by = reduction(problem.temperature);
    this.block = scratch('logits', problem.length);
  }

  get length(): number {
    return this.reader.length;
  }

  /** Reads row `row` as far as its maximum. */
  open(row: number): void {
    this.reader.open(row);
    this.held = 'other';
    this.max = -Infinity;
    this.argmax = 0;
    let nan = false;
    for (let from = 0; from < this.length && !nan; from += BLOCK) {
      const count = this.logits(from);
      nan = this.findLargest(from, count);
    }
    if (nan) this.kind = 'NaN';
    else if (this.max === Infinity) this.kind = '+Infinity';
    else if (this.max !== -Infinity) this.kind = 'ordinary';
    else this.kind = this.reader.classes() > 0 ? '-Infinity' : 'nothing';
  }

  /** Fills the block with the logits of the classes from `from` on, and says how many. */
  logits(from: number): number {
    const count = Math.min(this.length - from, BLOCK);
    if (this.held !== 'logits' || this.heldFrom !== from) {
      this.reader.load(from, count, this.block);
      this.held = 'logits';
      this.heldFrom = from;
    }
    return count;
  }

  /** Fills the block with terms, once `normalize` has chosen where they are counted from. */
  terms(from: number): number {
    if (this.held === 'terms' && this.heldFrom === from) return Math.min(this.length - from, BLOCK);
    const count = this.logits(from);
    exponentials(this.block, count, this.by, this.origin);
    this.held = 'terms';
    return count;
  }

  /**
   * Chooses where terms are counted from and what `total` they are divided by: their sum, or e^normalizer for
   * a row that is a shard of the one normalised. False where the classes that take part have no probability.
   */
  normalize(normalizer?: number): boolean {
    if (normalizer !== undefined) return this.normalizeBy(normalizer);
    if (this.kind !== 'ordinary') return false;
    this.sum();
    return true;
  }

  private sum(): void {
    this.countFromMaximum();
    this.high = 0;
    this.low = 0;
    const { valid } = this.reader;
    for (let from = 0; from < valid; from += BLOCK) {
      // Padding would be zeros, but with it the sum would be grouped otherwise than that of the row alone.
      const count = Math.min(this.terms(from), valid - from);
      const place = this.argmax - from;
      if (place >= 0 && place < count) {
        // The largest term is left out, so that what it would drown is there for the logarithms.
        this.block[place] = 0;
        this.add(count);
        this.block[place] = this.top;
      } else this.add(count);
    }
    this.rest = this.high + this.low;
    const total = this.top + this.high;
    const lost = this.top > this.high ? this.high - (total - this.top) : this.top - (total - this.high);
    this.total = total + (lost + this.low);
  }

  private normalizeBy(normalizer: number): boolean {
    if (this.kind === 'NaN' || this.kind === '+Infinity' || !Number.isFinite(normalizer)) return false;
    const max = this.kind === 'ordinary' ? this.max : 0;
    const normalized = originOfNormalizer(normalizer, max, this.by);
    if (!normalized) return false;
    this.countFrom(normalized.origin);
    this.total = normalized.total;
    return true;
  }

  /** To be told when the caller has used the block for something else. */
  changed(): void {
    this.held = 'other';
  }

  /** Has terms counted from the maximum of an ordinary row, without their sum. */
  countFromMaximum(): void {
    this.countFrom(originOf(this.max, this.by));
    one[0] = this.max;
    this.termsOf(one, 1);
    this.top = one[0];
  }

  private countFrom(origin: Origin): void {
    this.origin = origin;
    if (this.held === 'terms') this.held = 'other';
  }

  /** The term of any logits, with the same bits as in the row. */
  termsOf(logits: Float64Array, count: number): void {
    exponentials(logits, count, this.by, this.origin);
  }

  /** ln Σ e^((x - max)/T), which is 0 or more, without the cancellation of ln(1 + small). */
  logSum(): number {
    return Math.log1p(this.rest / this.top);
  }

  /** Fills the block for classes of a row without probabilities. */
  blanks(from: number, participant: number, other: number): number {
    const count = Math.min(this.length - from, BLOCK);
    this.held = 'other';
    if (!this.reader.masked) this.block.fill(participant, 0, count);
    else
      for (let i = 0; i < count; i++) this.block[i] = this.reader.takesPart(from + i) ? participant : other;
    return count;
  }

  /** Updates the maximum from the block; true where it holds a NaN. */
  private findLargest(from: number, count: number): boolean {
    const block = this.block;
    let max = this.max;
    let argmax = this.argmax;
    for (let i = 0; i < count; i++) {
      const x = block[i];
      if (!(x <= max)) {
        if (Number.isNaN(x)) return true;
        max = x;
        argmax = from + i;
      }
    }
    this.max = max;
    this.argmax = argmax;
    return false;
  }

  /**
   * Adds the block to the running sum, keeping what each addition rounds off (Knuth's two-sum): no length of
   * row makes the sum worse. Results coarser than float64 do with one such addition for every four terms.
   */
  private add(count: number): void {
    const block = this.block;
    let high = this.high;
    let low = this.low;
    let i = 0;
    for (const whole = this.reader.isDouble ? 0 : count - 3; i < whole; i += 4) {
      const t = block[i] + block[i + 1] + (block[i + 2] + block[i + 3]);
      const sum = high + t;
      const part = sum - high;
      low += high - (sum - part) + (t - part);
      high = sum;
    }
    for (; i < count; i++) {
      const t = block[i];
      const sum = high + t;
      const part = sum - high;
      low += high - (sum - part) + (t - part);
      high = sum;
    }
    this.high = high;
    this.low = low;
  }
}
