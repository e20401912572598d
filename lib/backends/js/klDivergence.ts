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
/** At temperatures below this one, logits do not bear to be scaled down, but distances do. */
const COLDEST = 2 ** -800;
/**
 * For |d| up to this, e^-d - 1 + d is taken as a whole, where it would lose 14 bits otherwise: none that a float32 result has.
 */
const NEAREST = 2 ** -6;
/** A distance that is further counts as this one. */
const FURTHEST = 2 ** 1000;

/**
 * Σ p (ln p - ln q) as Σ p (e^-d - 1 + d) with d = ln p - ln q: no term is negative. d is taken from the difference of the
 * logits, ((x - y) - (max x - max y))/T - c, with c = ln(Σ e^((x - max x)/T) / Σ e^((y - max y)/T)).
 *
 * What c errs by, e, adds e²/2, for Σ p - q is 0. Where that counts, c is put right by what Σ p e^-d misses 1, and the sum is
 * taken again.
 */
export function* klDivergence(problem: KlDivergenceProblem, first: number, end: number): Steps {
  const { out } = problem;
  const pair = new Pair(problem);
  const { x, y } = pair;
  if (problem.length <= x.size) {
    for (let r = first; r < end; r++) out[r] = pair.solve(r);
    return;
  }
  for (let r = first; r < end; r++) {
    x.open(r);
    while (x.openBlock()) yield;
    const isGood = x.normalize();
    while (x.sumBlock()) yield;
    x.changed();
    y.open(r);
    while (y.openBlock()) yield;
    if (!y.normalize() || !isGood) {
      out[r] = x.kind === 'nothing' ? 0 : NaN;
      continue;
    }
    while (y.sumBlock()) yield;
    y.changed();
    pair.begin();
    do {
      for (let from = 0; from < x.length; from += x.size) {
        yield;
        pair.holdLeft(from);
        x.changed();
        pair.holdRight(from);
        y.changed();
        pair.addBlock(Math.min(x.length - from, x.size));
      }
    } while (pair.goesOn());
    out[r] = Math.max(pair.value, 0);
  }
}

/** A sum, and what its additions rounded off. */
interface Sum {
  high: number;
  low: number;
}

/** A pair of rows, whose terms are added up block by block. */
class Pair {
  readonly x: Normalizer;
  readonly y: Normalizer;
  private readonly scale: number;
  /** ln(Σ e^((x - max x)/T) / Σ e^((y - max y)/T)). */
  private c = 0;
  /** Of a block of both rows. The terms of the right one stay in the block. */
  private readonly left: Float64Array;
  private readonly leftTerms: Float64Array;
  private readonly right: Float64Array;
  private readonly near: Sum = { high: 0, low: 0 };
  private readonly mean: Sum = { high: 0, low: 0 };
  private readonly far: Sum = { high: 0, low: 0 };
  private isInfinite = false;
  private pass = 0;

  constructor(private readonly problem: KlDivergenceProblem) {
    this.x = new Normalizer(problem);
    this.y = new Normalizer({ ...problem, x: problem.other } as Problem);
    this.scale = problem.temperature > COLDEST ? DOWN : 1;
    const size = Math.min(problem.length, this.x.size);
    const room = coefficientRoom(3 * size);
    this.left = room.subarray(0, size);
    this.leftTerms = room.subarray(size, 2 * size);
    this.right = room.subarray(2 * size, 3 * size);
  }

  /** The divergence of a row of one block. */
  solve(r: number): number {
    const { x, y } = this;
    x.open(r);
    x.openBlock();
    const isGood = x.normalize();
    if (isGood) this.holdLeft(0);
    x.sumBlock();
    x.changed();
    y.open(r);
    y.openBlock();
    if (!y.normalize() || !isGood) return x.kind === 'nothing' ? 0 : NaN;
    this.holdRight(0);
    y.sumBlock();
    y.changed();
    this.begin();
    do this.addBlock(x.length);
    while (this.goesOn());
    return Math.max(this.value, 0);
  }

  /** Begins the first pass over rows that have been added up. */
  begin(): void {
    const { x, y } = this;
    const ratio = x.total / x.top / (y.total / y.top);
    this.c = ratio >= 1 ? Math.log1p(ratio - 1) : -Math.log1p(1 / ratio - 1);
    this.pass = 0;
    this.clear();
  }

  /** Whether another pass is needed: the second adds up what the first misses, the third adds up once more. */
  goesOn(): boolean {
    // Sums err by 2^-50 at most.
    if (this.pass === 2 || !(this.value < 2 ** -40)) return false;
    if (this.pass === 1) {
      // What Σ p e^-d misses 1.
      const missing = (worth(this.near) - worth(this.mean)) / UP;
      this.c -= missing - (missing * missing) / 2;
    }
    this.pass++;
    this.clear();
    return true;
  }

  private clear(): void {
    for (const sum of [this.near, this.mean, this.far]) {
      sum.high = 0;
      sum.low = 0;
    }
    this.isInfinite = false;
  }

  /** Keeps logits and terms of x from class `from` on. */
  holdLeft(from: number): void {
    const { x, left, leftTerms } = this;
    const count = x.logits(from);
    for (let i = 0; i < count; i++) left[i] = block[i];
    x.terms(from);
    for (let i = 0; i < count; i++) leftTerms[i] = block[i];
  }

  /** Keeps logits of y, and leaves its terms in the block. */
  holdRight(from: number): void {
    const { y, right } = this;
    const count = y.logits(from);
    for (let i = 0; i < count; i++) right[i] = block[i];
    y.terms(from);
  }

  /** Adds the terms of the `count` classes that are held. */
  addBlock(count: number): void {
    const { x, y, c, scale, near, far, mean, left, leftTerms, right } = this;
    const { temperature } = this.problem;
    const isWarm = scale !== 1;
    // What distances are scaled down by where logits are not.
    const after = DOWN / scale;
    const wantsMean = this.pass === 1;
    const leastX = x.max - 2 ** 200;
    const leastY = y.max - 2 ** 200;
    const between = twoSum(x.max * scale, -y.max * scale);
    const perX = UP / x.total;
    const perY = (UP / y.total) * DOWN;
    const apart = (c + 1) * scale;
    const nearest = x.reader.isDouble ? 2 : NEAREST;
    let { high, low } = far;
    for (let i = 0; i < count; i++) {
      const a = left[i];
      const b = right[i];
      let term = block[i] * perY;
      if (a === -Infinity || b === -Infinity) {
        if (a > b) this.isInfinite = true;
        if (!(a < b)) continue;
      } else {
        // ((a - b) - (max a - max b))/T, each difference with what it rounds off.
        const u = isWarm ? a * scale : Math.max(a, leastX);
        const v = isWarm ? b * scale : Math.max(b, leastY);
        const difference = u - v;
        const back = difference - u;
        const rest = u - (difference - back) - (v + back);
        const shifted = difference - between.high;
        const moved = shifted - difference;
        const lost = difference - (shifted - moved) - (between.high + moved);
        let distance = (shifted + (lost + (rest - between.low))) / temperature;
        if (!(Math.abs(distance) < FURTHEST)) distance = distance < 0 ? -FURTHEST : FURTHEST;
        const d = distance * (1 / scale) - c;
        const p = leftTerms[i] * perX;
        if (Math.abs(d) <= nearest) {
          addTo(near, p * excess(d));
          if (wantsMean) addTo(mean, p * d);
          continue;
        }
        term += p * ((distance - apart) * after);
      }
      const next = high + term;
      const part = next - high;
      low += high - (next - part) + (term - part);
      high = next;
    }
    far.high = high;
    far.low = low;
  }

  /** The divergence. */
  get value(): number {
    if (this.isInfinite) return Infinity;
    return worth(this.near) / UP + worth(this.far) / (UP * DOWN);
  }
}

function addTo(sum: Sum, term: number): void {
  const { high, low } = twoSum(sum.high, term);
  sum.high = high;
  sum.low += low;
}

function worth({ high, low }: Sum): number {
  return high + low;
}

/**
 * f(d) = e^-d - 1 + d for |d| <= 2. With h = d/4, f(h) is h² (1/2 - h/6 + h²/24 - …), of which what 14 terms leave out is
 * less than 2^-57 of the whole; and f(2h) = 2 f(h) + (f(h) - h)², where nothing cancels.
 */
function excess(d: number): number {
  const h = d * 0.25;
  const h2 = h * h;
  const even =
    1 / 2 +
    h2 *
      (1 / 24 +
        h2 *
          (1 / 720 + h2 * (1 / 40320 + h2 * (1 / 3628800 + h2 * (1 / 479001600 + (h2 * 1) / 87178291200)))));
  const odd =
    1 / 6 +
    h2 *
      (1 / 120 +
        h2 *
          (1 / 5040 +
            h2 * (1 / 362880 + h2 * (1 / 39916800 + h2 * (1 / 6227020800 + (h2 * 1) / 1307674368000)))));
  const quarter = h2 * (even - h * odd);
  const a = quarter - h;
  const half = 2 * quarter + a * a;
  const b = half - h * 2;
  return 2 * half + b * b;
}
