import type { ElementType } from '../../lib/backends/problem.js';
import { backend } from '../../lib/index.js';
import { type ExactRow, exactRow, ulpDistance } from '../oracle.js';
import { seed } from '../random.js';

export type Measured = 'softmax' | 'logSoftmax' | 'logSumExp';

/** What each type promises, in ULP. 16-bit results are rounded once, from something far finer. */
export const limits: Record<ElementType, number> = { float32: 2, float64: 4, float16: 0.51, bfloat16: 0.51 };

const worst = new Map<string, number>();

/** Compares results with the exact ones, remembers the worst of each kind, and throws past the limit. */
export class Judge {
  private readonly exact: ExactRow;
  private readonly largest: number;

  constructor(
    private readonly logits: ArrayLike<number>,
    private readonly temperature: number,
    /** What the row is, for the table and the message. */
    private readonly kind: string,
    private readonly row: number,
  ) {
    this.exact = exactRow(logits, temperature);
    let largest = 0;
    for (let i = 0; i < logits.length; i++) largest = Math.max(largest, Math.abs(logits[i]) / temperature);
    this.largest = largest;
  }

  check(op: Measured, type: ElementType, received: ArrayLike<number>): void {
    const exact = this.exact[op];
    const key = `${type} ${op.padEnd(10)} ${this.kind}`;
    let most = worst.get(key) ?? 0;
    for (let i = 0; i < received.length; i++) {
      const ulp = ulpDistance(received[i], exact, i, type);
      if (ulp <= most) continue;
      if (!(ulp <= limits[type])) {
        // Where max/T and ln Σ cancel, no number of ULP can be promised.
        const error = Math.abs(received[i] - exact.high[i]);
        if (op === 'logSumExp' && error <= 1e-15 * Math.max(1, this.largest)) continue;
        this.fail(op, type, i, received[i], ulp);
      }
      most = ulp;
    }
    worst.set(key, most);
  }

  private fail(op: Measured, type: ElementType, i: number, received: number, ulp: number): never {
    const { high, low, scale } = this.exact[op];
    const lines = [
      `${type} ${op} is off by ${ulp} ULP, where ${limits[type]} are promised`,
      `backend ${backend.kind}, ISA ${backend.isa}, seed ${seed} (SIMD_SOFTMAX_TEST_SEED), ${this.kind}`,
      `row ${this.row} of ${this.logits.length} classes, temperature ${this.temperature}`,
      `class ${i}, logit ${this.logits[i]}`,
      `expected ${high[i] * 2 ** -scale[i]} (${high[i]} + ${low[i]}, over 2^${scale[i]})`,
      `received ${received}`,
    ];
    throw new Error(lines.join('\n'));
  }
}

/** The largest errors so far, a line per type, op and kind of row. */
export function summary(): string {
  const lines = [...worst]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, ulp]) => `  ${ulp.toFixed(3)} ${key}`);
  return `Largest errors on ${backend.isa} (ULP, seed ${seed}):\n${lines.join('\n')}`;
}
