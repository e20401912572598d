/** Sums side by side, each of which keeps what its additions round off (Knuth's two-sum). */
export class Sums {
  readonly high: Float64Array;
  readonly low: Float64Array;

  constructor(count: number) {
    this.high = new Float64Array(count);
    this.low = new Float64Array(count);
  }

  /** Adds a number, or a sum and what it lost. */
  add(i: number, x: number, lost = 0): void {
    const high = this.high[i];
    const next = high + x;
    const part = next - high;
    this.low[i] += high - (next - part) + (x - part) + lost;
    this.high[i] = next;
  }

  /** Adds every `step`th number from `from` on, in two sums at once: each waits for its own last addition alone. */
  addAll(i: number, numbers: Float64Array, from = 0, step = 1): void {
    let [high, lost, otherHigh, otherLost] = [0, 0, 0, 0];
    let at = from;
    for (; at + step < numbers.length; at += 2 * step) {
      const x = numbers[at];
      const next = high + x;
      const part = next - high;
      lost += high - (next - part) + (x - part);
      high = next;
      const y = numbers[at + step];
      const otherNext = otherHigh + y;
      const otherPart = otherNext - otherHigh;
      otherLost += otherHigh - (otherNext - otherPart) + (y - otherPart);
      otherHigh = otherNext;
    }
    if (at < numbers.length) this.add(i, numbers[at]);
    this.add(i, high, lost);
    this.add(i, otherHigh, otherLost);
  }

  merge(other: Sums): void {
    for (let i = 0; i < this.high.length; i++) this.add(i, other.high[i], other.low[i]);
  }

  /** An infinite sum has lost nothing, but its low part is NaN. */
  value(i: number): number {
    return Number.isFinite(this.high[i]) ? this.high[i] + this.low[i] : this.high[i];
  }
}
