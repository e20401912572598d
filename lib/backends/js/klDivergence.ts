import type { Data, Problem } from '../problem.js';
import { block } from './block.js';
import { twoSum } from './doubleDouble.js';
import { Normalizer } from './normalizer.js';
import { coefficientRoom } from './scratch.js';
import type { Steps } from './steps.js';

export interface KlDivergenceProblem extends Problem {
  /** The logits of q, in the layout and type of `x`. */
  readonly other: Data;
  /** One value per row; float32 for 16-bit input. */
  readonly out: Data;
  readonly outType: 'float32' | 'float64';
}

/** Logits are scaled down so that no difference overflows, and probabilities up so that the least keep their digits. */
const DOWN = 2 ** -103;
const UP = 2 ** 100;
/** At temperatures below this one, logits do not bear to be scaled down. */
const COLDEST = 2 ** -800;

/**
 * Σ p (ln p - ln q) as Σ p (e^-d - 1 + d) with d = ln p - ln q: no term is negative. d is taken from the difference of the
 * logits, ((x - y) - (max x - max y))/T - c, with c = ln(Σ e^((x - max x)/T) / Σ e^((y - max y)/T)).
 *
 * What c errs by, e, adds e²/2, for Σ p - q is 0. Where that counts, c is put right by what Σ p e^-d misses 1, and the sum is
 * taken again.
 */
export function* klDivergence(problem: KlDivergenceProblem, first: number, end: number): Steps {
  const { out, other } = problem;
  const x = new Normalizer(problem);
  const y = new Normalizer({ ...problem, x: other } as Problem);
  for (let r = first; r < end; r++) {
    for (const row of [x, y]) {
      row.open(r);
      while (row.openBlock()) yield;
    }
    if (x.kind === 'nothing') {
      out[r] = 0;
      continue;
    }
    let good = true;
    for (const row of [x, y]) {
      row.changed();
      good = row.normalize() && good;
      while (good && row.sumBlock()) yield;
      row.changed();
    }
    if (!good) {
      out[r] = NaN;
      continue;
    }
    const ratio = x.total / x.top / (y.total / y.top);
    let c = ratio >= 1 ? Math.log1p(ratio - 1) : -Math.log1p(1 / ratio - 1);
    for (let again = false; ; again = true) {
      const sums = new Sums(problem, x, y, c);
      for (let from = 0; from < x.length; from += x.size) {
        if (from > 0) yield;
        sums.addBlock(from);
      }
      const { value, missing } = sums.result;
      out[r] = Math.max(value, 0);
      // Sums err by 2^-50 at most.
      if (again || !(value < 2 ** -40)) break;
      c -= missing - (missing * missing) / 2;
    }
  }
}

/** A sum that keeps what each addition rounds off. */
class Sum {
  private high = 0;
  private low = 0;

  add(term: number): void {
    const next = this.high + term;
    const part = next - this.high;
    this.low += this.high - (next - part) + (term - part);
    this.high = next;
  }

  get value(): number {
    return this.high + this.low;
  }
}

/** The terms of one pair of rows, block by block. */
class Sums {
  private readonly scale: number;
  private readonly leastX: number;
  private readonly leastY: number;
  private readonly between: { readonly high: number; readonly low: number };
  private readonly near = new Sum();
  private readonly far = new Sum();
  private readonly mean = new Sum();
  private isInfinite = false;

  constructor(
    private readonly problem: KlDivergenceProblem,
    private readonly x: Normalizer,
    private readonly y: Normalizer,
    private readonly c: number,
  ) {
    const isWarm = problem.temperature > COLDEST;
    this.scale = isWarm ? DOWN : 1;
    this.leastX = isWarm ? -Number.MAX_VALUE : x.max - 2 ** 200;
    this.leastY = isWarm ? -Number.MAX_VALUE : y.max - 2 ** 200;
    this.between = twoSum(x.max * this.scale, -y.max * this.scale);
  }

  addBlock(from: number): void {
    const { x, y, c, scale, between } = this;
    const { temperature } = this.problem;
    const { size } = x;
    const room = coefficientRoom(3 * Math.min(x.length, size));
    const count = x.logits(from);
    for (let i = 0; i < count; i++) room[3 * i] = block[i];
    x.terms(from);
    for (let i = 0; i < count; i++) room[3 * i + 1] = block[i];
    x.changed();
    y.logits(from);
    for (let i = 0; i < count; i++) room[3 * i + 2] = block[i];
    y.terms(from);
    y.changed();
    for (let i = 0; i < count; i++) {
      const left = room[3 * i];
      const right = room[3 * i + 2];
      if (left === -Infinity && right === -Infinity) continue;
      if (right === -Infinity) {
        this.isInfinite = true;
        return;
      }
      const q = (block[i] * UP) / y.total;
      if (left === -Infinity) {
        this.far.add(q * scale);
        continue;
      }
      const p = (room[3 * i + 1] * UP) / x.total;
      const difference = twoSum(Math.max(left, this.leastX) * scale, -Math.max(right, this.leastY) * scale);
      const shifted = twoSum(difference.high, -between.high);
      const quotient = (shifted.high + (shifted.low + (difference.low - between.low))) / temperature;
      const distance = Math.min(Math.max(quotient, -(2 ** 1000)), 2 ** 1000);
      const d = distance / scale - c;
      if (Math.abs(d) <= 2) {
        this.near.add(d * d * p * series(d));
        this.mean.add(p * d);
      } else this.far.add(q * scale + p * (distance - (c + 1) * scale));
    }
  }

  /** The divergence, and what Σ p e^-d misses 1. */
  get result(): { value: number; missing: number } {
    if (this.isInfinite) return { value: Infinity, missing: 0 };
    const near = this.near.value;
    const value = near / UP + this.far.value / (UP * this.scale);
    return { value, missing: (near - this.mean.value) / UP };
  }
}

/** (e^-d - 1 + d)/d² = 1/2 - d/6 + d²/24 - … For |d| <= 2 what 23 terms leave out is less than 2^23/25! < 2^-60. */
const coefficients = Float64Array.from({ length: 23 }, (_, k) => {
  let term = k % 2 === 0 ? 1 : -1;
  for (let i = 2; i <= k + 2; i++) term /= i;
  return term;
});

function series(d: number): number {
  let sum = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) sum = sum * d + coefficients[k];
  return sum;
}
