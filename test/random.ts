/**
 * Steering the tests from outside:
 *
 *   SIMD_SOFTMAX_TEST_SEED    what all random logits grow from; default 1, printed with every failure
 *   SIMD_SOFTMAX_TEST_BUDGET  how many times the usual number of random rows to test; default 1
 *   SIMD_SOFTMAX_BACKEND      set for each project by vitest.config.ts; `--project avx2` runs one
 */
export const seed = Number(process.env.SIMD_SOFTMAX_TEST_SEED ?? 1);
export const budget = Number(process.env.SIMD_SOFTMAX_TEST_BUDGET ?? 1);

/** The same numbers for the same name and seed, whatever other tests ran before. */
export class Random {
  private state: number;

  constructor(name: string) {
    this.state = seed;
    for (let i = 0; i < name.length; i++) this.state = Math.imul(this.state ^ name.charCodeAt(i), 0x9e3779b1);
  }

  /** Uniform in [0, 1), of 32 bits: mulberry32 by Tommy Ettinger. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Uniform, of 53 bits. */
  between(low: number, high: number): number {
    const u = (Math.floor(this.next() * 2 ** 27) * 2 ** 26 + Math.floor(this.next() * 2 ** 26)) * 2 ** -53;
    return low * (1 - u) + high * u;
  }

  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  fill<Numbers extends Float32Array | Float64Array>(numbers: Numbers, range: number): Numbers {
    for (let i = 0; i < numbers.length; i++) numbers[i] = this.between(-range, range);
    return numbers;
  }
}
