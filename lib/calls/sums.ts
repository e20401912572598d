/** Sums side by side, each of which keeps what its additions round off (Knuth's two-sum). */
export class Sums {
  readonly high: Float64Array;
  readonly low: Float64Array;
  /** The one behind the other. */
  readonly both: Float64Array;

  constructor(count: number) {
    this.both = new Float64Array(2 * count);
    this.high = this.both.subarray(0, count);
    this.low = this.both.subarray(count);
  }

  /** Adds a number, or a sum and what it lost. */
  add(i: number, x: number, lost = 0): void {
    const high = this.high[i];
    const next = high + x;
    const part = next - high;
    this.low[i] += high - (next - part) + (x - part) + lost;
    this.high[i] = next;
  }

  /**
   * Adds every `step`th number from `from` on. Eight at a time are added as they are, which loses three roundings of their
   * sum at most.
   */
  addAll(i: number, numbers: Float64Array, from = 0, step = 1): void {
    let [high, lost] = [0, 0];
    let at = from;
    for (; at + 7 * step < numbers.length; at += 8 * step) {
      const x =
        numbers[at] +
        numbers[at + step] +
        (numbers[at + 2 * step] + numbers[at + 3 * step]) +
        (numbers[at + 4 * step] + numbers[at + 5 * step] + (numbers[at + 6 * step] + numbers[at + 7 * step]));
      const next = high + x;
      const part = next - high;
      lost += high - (next - part) + (x - part);
      high = next;
    }
    for (; at < numbers.length; at += step) this.add(i, numbers[at]);
    this.add(i, high, lost);
  }

  merge(other: Sums): void {
    for (let i = 0; i < this.high.length; i++) this.add(i, other.high[i], other.low[i]);
  }

  /** An infinite sum has lost nothing, but its low part is NaN. */
  value(i: number): number {
    return Number.isFinite(this.high[i]) ? this.high[i] + this.low[i] : this.high[i];
  }
}
