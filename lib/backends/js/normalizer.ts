import type { Rows } from '../problem.js';
import { add, addFours, BLOCK, block, exponentials, LONG_ROW_BLOCK, type Running } from './block.js';
import { type Origin, originOf, type Reduction, reduction } from './reduction.js';
import { RowReader } from './rows.js';
import { originOfNormalizer } from './shard.js';
import { turns } from './steps.js';

/**
 * What a row is. Only an 'ordinary' row, whose maximum is finite, has probabilities; in the others a class
 * that takes part has none ('nothing' is a row where no class takes part).
 */
export type Kind = 'ordinary' | 'NaN' | '+Infinity' | '-Infinity' | 'nothing';

/**
 * Adds the first `count` terms of the block but the one at `place`, which may lie elsewhere: the largest is left out, so that
 * what it would drown is there for the logarithms.
 */
export function addOthers(place: number, count: number, isDouble: boolean, sum: Running): void {
  const isHere = place >= 0 && place < count;
  const term = isHere ? block[place] : 0;
  if (isHere) block[place] = 0;
  if (isDouble) add(0, count, sum);
  else addFours(count, sum);
  if (isHere) block[place] = term;
}

/** The sum of all terms: the largest, and those that were added without it. */
export function totalOf(top: number, { high, low }: Running): number {
  const total = top + high;
  const lost = top > high ? high - (total - top) : top - (total - high);
  return total + (lost + low);
}

/** Logits, with the cut or whatever was cut, or what was made of them. */
type Held = 'cut' | 'uncut' | 'terms' | 'weights' | 'other';

/**
 * One row after another: its maximum, its terms e^(x/T) (over a common power of two) and their sum. A row is
 * worked on block by block; a row of one block is read once. What takes a whole row is taken a block at a time, by
 * functions that return true while there is more: a step may end between two of them.
 */
export class Normalizer {
  readonly reader: RowReader;
  readonly by: Reduction;
  kind: Kind = 'nothing';
  /** The first of the largest logits, and its class. */
  max = 0;
  argmax = 0;
  /** The term of that logit, the sum of all other terms, and the sum of all. */
  top = 0;
  rest = 0;
  total = 0;
  private origin: Origin = { shift: 0, exponent: 0, floor: 0 };
  private readonly running: Running = { high: 0, low: 0 };
  /** What the block holds, of classes from `heldFrom` on. */
  private held: Held = 'other';
  private heldFrom = 0;
  private heldTurn = 0;
  /** Classes in a block. */
  readonly size: number;
  /** The first class that `openBlock`, or `sumBlock`, has yet to see. */
  private unseen = 0;
  private unsummed = 0;

  constructor(problem: Rows) {
    this.reader = new RowReader(problem);
    this.size = problem.length > BLOCK ? LONG_ROW_BLOCK : BLOCK;
    this.by = reduction(problem.temperature);
  }

  get length(): number {
    return this.reader.length;
  }

  /** Turns to row `row`; `openBlock` reads it. */
  open(row: number): void {
    this.reader.open(row);
    this.held = 'other';
    this.max = -Infinity;
    this.argmax = 0;
    this.kind = 'nothing';
    this.unseen = 0;
  }

  /** Reads the next block of the row for its maximum; true while there is another to read. */
  openBlock(): boolean {
    const from = this.unseen;
    const count = Math.min(this.length - from, this.size);
    this.unseen += count;
    if (count > 0) {
      const place = this.load(from, count);
      const largest = block[place];
      if (Number.isNaN(largest)) this.unseen = this.length;
      if (!(largest <= this.max)) {
        this.max = largest;
        this.argmax = from + place;
      } else if (this.kind === 'nothing' && this.reader.participants(from, count) > 0)
        this.kind = '-Infinity';
    }
    if (this.unseen < this.length) return true;
    if (Number.isNaN(this.max)) this.kind = 'NaN';
    else if (this.max === Infinity) this.kind = '+Infinity';
    else if (this.max !== -Infinity) this.kind = 'ordinary';
    return false;
  }

  /** Fills the block with the logits of the classes from `from` on, and says how many. */
  logits(from: number): number {
    const count = Math.min(this.length - from, this.size);
    if (!this.holds(this.reader.isCut ? 'cut' : 'uncut', from)) this.load(from, count);
    return count;
  }

  /** The same, whatever was cut. */
  uncut(from: number): number {
    const count = Math.min(this.length - from, this.size);
    if (!this.holds('uncut', from)) {
      this.reader.loadUncut(from, count);
      this.hold('uncut', from);
    }
    return count;
  }

  /** From here on, classes of the open row below this one have no part in it. */
  cut(least: number, last?: number): void {
    this.reader.cut(least, last);
    if (this.held !== 'uncut') this.held = 'other';
  }

  /** Whether the block holds the terms of the whole row. */
  get holdsTerms(): boolean {
    return this.length <= this.size && this.holds('terms', 0);
  }

  /** Whether the block still holds that, of classes from `from` on. */
  holds(what: Held, from: number): boolean {
    return this.held === what && this.heldFrom === from && this.heldTurn === turns.count;
  }

  /** To be told what has been made of the logits of classes from `from` on. */
  hold(what: Held, from: number): void {
    this.held = what;
    this.heldFrom = from;
    this.heldTurn = turns.count;
  }

  private load(from: number, count: number): number {
    this.hold(this.reader.isCut ? 'cut' : 'uncut', from);
    return this.reader.load(from, count);
  }

  /** Fills the block with terms, once `normalize` has chosen where they are counted from. */
  terms(from: number): number {
    if (this.holds('terms', from)) return Math.min(this.length - from, this.size);
    const count = this.logits(from);
    exponentials(count, this.by, this.origin);
    this.held = 'terms';
    return count;
  }

  /**
   * Chooses where terms are counted from and what `total` they are divided by: their sum, which `sumBlock` adds up, or
   * e^normalizer for a row that is a shard of the one normalised. False where the classes that take part have no
   * probability.
   */
  normalize(normalizer?: number): boolean {
    this.unsummed = Infinity;
    if (normalizer !== undefined) return this.normalizeBy(normalizer);
    if (this.kind !== 'ordinary') return false;
    this.countFrom(originOf(this.max, this.by));
    this.running.high = 0;
    this.running.low = 0;
    this.unsummed = 0;
    return true;
  }

  /** Adds up the next block of terms, where their sum is wanted; true while there is another. */
  sumBlock(): boolean {
    const { running, unsummed: from } = this;
    const { valid } = this.reader;
    if (from === Infinity) return false;
    // Padding would be zeros, but with it the sum would be grouped otherwise than that of the row alone.
    const count = Math.min(this.terms(from), valid - from);
    const place = this.argmax - from;
    if (place >= 0 && place < count) this.top = block[place];
    addOthers(place, count, this.reader.isDouble, running);
    this.unsummed += count;
    if (this.unsummed < valid) return true;
    this.unsummed = Infinity;
    this.rest = running.high + running.low;
    this.total = totalOf(this.top, running);
    return false;
  }

  private normalizeBy(normalizer: number): boolean {
    if (this.kind === 'NaN' || this.kind === '+Infinity' || !Number.isFinite(normalizer)) return false;
    if (this.kind !== 'ordinary') {
      // All terms vanish, whatever they are divided by.
      this.countFrom(originOf(0, this.by));
      this.total = Infinity;
      return true;
    }
    const normalized = originOfNormalizer(normalizer, this.max, this.by);
    if (!normalized) return false;
    this.countFrom(normalized.origin);
    this.total = normalized.total;
    return true;
  }

  /** To be told when the block has been used for something else. */
  changed(): void {
    this.held = 'other';
  }

  private countFrom(origin: Origin): void {
    this.origin = origin;
    if (this.held === 'terms') this.held = 'other';
  }

  /** Replaces the first `count` numbers of the block, any logits of the row, by their terms. */
  termsOfBlock(count: number): void {
    exponentials(count, this.by, this.origin);
    this.changed();
  }

  /** ln Σ e^((x - max)/T), which is 0 or more, without the cancellation of ln(1 + small). */
  logSum(): number {
    return Math.log1p(this.rest / this.top);
  }

  /** Fills the block for classes of a row without probabilities. */
  blanks(from: number, participant: number, other: number): number {
    const count = Math.min(this.length - from, this.size);
    this.held = 'other';
    if (!this.reader.masked) block.fill(participant, 0, count);
    else for (let i = 0; i < count; i++) block[i] = this.reader.takesPart(from + i) ? participant : other;
    return count;
  }
}
