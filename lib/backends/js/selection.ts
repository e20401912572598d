import { block } from './block.js';

/** Of so many, all are ranked; and so many are kept in order, rather than in a heap. */
const mostRanked = 16;
const mostInserted = 8;
const ranks = new Int32Array(mostRanked);

/** To put so many in their places takes a few milliseconds. */
const mostSorted = 2 ** 14;

/**
 * The k best of the logits offered: larger before smaller, NaN before all, and of equals the lower class. A
 * binary heap with the worst at its root, so that most logits cost one comparison with it.
 */
export class Selection {
  readonly logits: Float64Array;
  readonly classes: Uint32Array;
  count = 0;
  /** Classes below this one have been offered. */
  offered = 0;
  private unsorted = -1;

  constructor(private k: number) {
    this.logits = new Float64Array(Math.max(k, mostRanked));
    this.classes = new Uint32Array(Math.max(k, mostRanked));
  }

  /** The most that it can hold. */
  get room(): number {
    return this.classes.length;
  }

  /** Begins anew, for the k best of other logits. */
  clear(k = this.k): void {
    this.k = k;
    this.count = 0;
    this.offered = 0;
    this.unsorted = -1;
  }

  /** A logit that is not greater than this, of a class after those offered, has no place; NaN: it may have. */
  get least(): number {
    if (this.count < this.k) return NaN;
    return this.k === 0 ? Infinity : this.logits[0];
  }

  /** The place of the last of the best, if any was selected: at the root, until they are ordered. */
  get worst(): number {
    return this.unsorted === 0 ? this.count - 1 : 0;
  }

  /** Classes are offered in ascending order. */
  offer(logit: number, index: number): void {
    if (this.count < this.k) {
      this.rise(this.count++, logit, index);
    } else if (this.k > 0 && precedes(logit, index, this.logits[0], this.classes[0])) {
      this.sink(logit, index, this.count);
    }
  }

  /** Orders what was selected, best first, a part at a time: true while there is more to do. Nothing more can be offered then. */
  sortSome(): boolean {
    if (this.unsorted < 0) this.unsorted = this.count - 1;
    const end = Math.max(0, this.unsorted - mostSorted);
    for (let size = this.unsorted; size > end; size--) {
      const logit = this.logits[size];
      const index = this.classes[size];
      this.put(size, this.logits[0], this.classes[0]);
      this.sink(logit, index, size);
    }
    this.unsorted = end;
    return end > 0;
  }

  /**
   * Selects from the first `count` logits of the block, none of them NaN, and orders what it selects, where `count` or k is
   * small; `first` is the place of the largest. False, and nothing is done, where neither is.
   */
  takeFew(count: number, first: number): boolean {
    const k = Math.min(this.k, count);
    if (k === 1) this.put(0, block[first], first);
    else if (count <= mostRanked) this.rank(count);
    else if (k <= mostInserted) this.insertAll(count, k);
    else return false;
    this.count = k;
    this.offered = count;
    this.unsorted = 0;
    return true;
  }

  /** Puts each where as many come before it, without a branch on a comparison, which would be predicted wrongly half the time. */
  private rank(count: number): void {
    for (let i = 0; i < count; i++) {
      const logit = block[i];
      let rank = 0;
      for (let j = 0; j < i; j++) {
        const before = Number(block[j] >= logit);
        rank += before;
        ranks[j] += 1 - before;
      }
      ranks[i] = rank;
    }
    for (let i = 0; i < count; i++) this.put(ranks[i], block[i], i);
  }

  /** Keeps the k best so far in order. */
  private insertAll(count: number, k: number): void {
    const { logits, classes } = this;
    let found = 0;
    let least = -Infinity;
    for (let i = 0; i < count; i++) {
      const logit = block[i];
      if (found === k && logit <= least) continue;
      let at = found < k ? found++ : k - 1;
      for (; at > 0 && logits[at - 1] < logit; at--) {
        logits[at] = logits[at - 1];
        classes[at] = classes[at - 1];
      }
      logits[at] = logit;
      classes[at] = i;
      least = logits[found - 1];
    }
  }

  private put(at: number, logit: number, index: number): void {
    this.logits[at] = logit;
    this.classes[at] = index;
  }

  private rise(from: number, logit: number, index: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!precedes(this.logits[parent], this.classes[parent], logit, index)) break;
      this.put(at, this.logits[parent], this.classes[parent]);
      at = parent;
    }
    this.put(at, logit, index);
  }

  /** Replaces the root of a heap of `size`. */
  private sink(logit: number, index: number, size: number): void {
    const { logits, classes } = this;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && precedes(logits[child], classes[child], logits[child + 1], classes[child + 1]))
        child++;
      if (!precedes(logit, index, logits[child], classes[child])) break;
      this.put(at, logits[child], classes[child]);
      at = child;
    }
    this.put(at, logit, index);
  }
}

/** Whether a class comes before another: the larger logit, NaN before all, and of equals the lower class. */
export function precedes(a: number, classA: number, b: number, classB: number): boolean {
  if (a > b) return true;
  if (a < b) return false;
  const nanA = Number.isNaN(a);
  if (nanA !== Number.isNaN(b)) return nanA;
  return classA < classB;
}
