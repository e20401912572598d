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

  /** Adds every `step`th number from `from` on. */
  addAll(i: number, numbers: Float64Array, from = 0, step = 1): void {
    let high = 0;
    let lost = 0;
    for (let at = from; at < numbers.length; at += step) {
      const x = numbers[at];
      const next = high + x;
      const part = next - high;
      lost += high - (next - part) + (x - part);
      high = next;
    }
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
