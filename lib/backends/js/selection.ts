/**
 * The k best of the logits offered: larger before smaller, NaN before all, and of equals the lower class. A
 * binary heap with the worst at its root, so that most logits cost one comparison with it.
 */
export class Selection {
  readonly logits: Float64Array;
  readonly classes: Uint32Array;
  count = 0;

  constructor(private readonly k: number) {
    this.logits = new Float64Array(k);
    this.classes = new Uint32Array(k);
  }

  clear(): void {
    this.count = 0;
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

  /** Orders what was selected, best first; nothing more can be offered until `clear`. */
  sort(): void {
    for (let size = this.count - 1; size > 0; size--) {
      const logit = this.logits[size];
      const index = this.classes[size];
      this.put(size, this.logits[0], this.classes[0]);
      this.sink(logit, index, size);
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

function precedes(a: number, classA: number, b: number, classB: number): boolean {
  if (a > b) return true;
  if (a < b) return false;
  const nanA = Number.isNaN(a);
  if (nanA !== Number.isNaN(b)) return nanA;
  return classA < classB;
}
