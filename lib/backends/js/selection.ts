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
    this.logits = new Float64Array(k);
    this.classes = new Uint32Array(k);
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

function precedes(a: number, classA: number, b: number, classB: number): boolean {
  if (a > b) return true;
  if (a < b) return false;
  const nanA = Number.isNaN(a);
  if (nanA !== Number.isNaN(b)) return nanA;
  return classA < classB;
}
