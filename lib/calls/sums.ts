/** Sums side by side, each of which keeps what its additions round off (Knuth's two-sum). */
export class Sums {
  readonly high: Float64Array;
  readonly low: Float64Array;

  constructor(count: number) {
    this.high = new Float64Array(count);
    this.low = new Float64Array(count);
  }

  add(i: number, x: number): void {
    const high = this.high[i];
    const next = high + x;
    const part = next - high;
    this.low[i] += high - (next - part) + (x - part);
    this.high[i] = next;
  }

  merge(other: Sums): void {
    for (let i = 0; i < this.high.length; i++) {
      this.add(i, other.high[i]);
      this.low[i] += other.low[i];
    }
  }

  /** An infinite sum has lost nothing, but its low part is NaN. */
  value(i: number): number {
    return Number.isFinite(this.high[i]) ? this.high[i] + this.low[i] : this.high[i];
  }
}
