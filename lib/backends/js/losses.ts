import type { Data } from '../problem.js';
import { ExactSum } from './exactSum.js';

/** Where the losses of a problem's rows go, from row `first` on: each to its place, or all to their exact sum. */
export class Losses {
  private readonly sum: ExactSum | undefined;

  constructor(
    private readonly out: Data,
    summed: boolean,
    first: number,
  ) {
    if (!summed) return;
    // Row 0 comes first, and the sum begins with nothing.
    if (first === 0) out.fill(0);
    this.sum = new ExactSum(out as Float64Array);
  }

  put(row: number, loss: number): void {
    if (this.sum === undefined) this.out[row] = loss;
    else this.sum.add(loss);
  }

  end(): void {
    this.sum?.end();
  }
}
