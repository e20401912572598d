import type { Problem, Steps } from '../problem.js';
import { block } from './block.js';
import { twoSum } from './doubleDouble.js';
import { Normalizer } from './normalizer.js';
import { coefficientRoom } from './scratch.js';
import { distance } from './softmax.js';
import { NO_CLASS } from './topK.js';

/** What is said of every row, an array each; all is 0 where the row is ignored. */
export interface JudgeProblem extends Problem {
  /** -ln p of the target. */
  readonly out: Float64Array;
  /** The largest probability; NaN where the row has none. */
  readonly confidences: Float64Array;
  /** Σ (p - y)². */
  readonly brierScores: Float64Array;
  /** -Σ p ln p. */
  readonly entropies: Float64Array;
  /** The likeliest class, of several the lowest; `NO_CLASS` where there is none. */
  readonly likeliest: Uint32Array;
  /**
   * The place of the target, 1 for the likeliest class, ties by lower index. That of a class that takes no part is the
   * last; `NO_RANK` where the row has no probabilities.
   */
  readonly targetRanks: Uint32Array;
  /** A class per row, already checked to be a class or `ignoreIndex`. */
  readonly targets: Int32Array;
  readonly ignoreIndex: number;
  /** The top probability is good to float64 where it could lie on the other side of i / bins otherwise. */
  readonly bins: number;
}

export const NO_RANK = 0x7fffffff;

/** As in entropy.ts. */
const FURTHEST = 1000;

/** What a row says of its target, from its terms t = e^((x - max)/T): those of the maximum are counted, the others added. */
export function* judge(problem: JudgeProblem, first: number, end: number): Steps {
  const { targets, ignoreIndex } = problem;
  const row = new Normalizer(problem);
  const distances = coefficientRoom(Math.min(problem.length, row.size));
  for (let r = first; r < end; r++) {
    const target = targets[r];
    if (target === ignoreIndex) {
      say(problem, r, 0, 0, 0, 0, 0, 0);
      continue;
    }
    row.open(r);
    while (row.openBlock()) yield;
    if (row.kind === 'nothing') say(problem, r, Infinity, 0, 1, 0, NO_CLASS, row.length);
    else if (row.kind !== 'ordinary') say(problem, r, NaN, NaN, NaN, NaN, NO_CLASS, NO_RANK);
    if (!row.normalize()) continue;
    const x = row.reader.takesPart(target) ? row.reader.logit(target) : -Infinity;
    const isTop = x === row.max;
    let before = 0;
    let tops = 0;
    const sums = { terms: new Sum(), squares: new Sum(), distances: new Sum() };
    let own = 0;
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      const count = row.logits(from);
      for (let i = 0; i < count; i++) {
        const logit = block[i];
        if (logit > x || (logit === x && from + i < target && row.reader.takesPart(from + i))) before++;
        distances[i] = Math.min(distance(row.max, logit, problem.temperature), FURTHEST);
      }
      row.terms(from);
      for (let i = 0; i < count; i++) {
        const term = block[i];
        if (from + i === target && x > -Infinity) own = term;
        if (distances[i] === 0) {
          tops++;
          row.top = term;
        } else {
          sums.terms.add(term);
          sums.squares.add(term * term);
          sums.distances.add(term * distances[i]);
        }
      }
    }
    const { top } = row;
    const below = sums.terms.value / top;
    const whole = tops + below;
    // Nothing of p - y cancels: where the target is at the top, 1 - p is what the others have.
    const lacking = (isTop ? below + (tops - 1) : whole - own / top) / whole;
    const others = sums.squares.value / top / top + (isTop ? tops - 1 : tops - (own / top) ** 2);
    const logSum = Math.log1p(below + (tops - 1));
    say(
      problem,
      r,
      distance(row.max, x, problem.temperature) + logSum,
      1 / whole,
      lacking * lacking + others / whole / whole,
      logSum + sums.distances.value / top / whole,
      row.argmax,
      row.reader.takesPart(target) ? before + 1 : row.length,
    );
  }
}

function say(
  problem: JudgeProblem,
  r: number,
  logLoss: number,
  confidence: number,
  brier: number,
  entropy: number,
  top: number,
  rank: number,
): void {
  problem.out[r] = logLoss;
  problem.confidences[r] = confidence;
  problem.brierScores[r] = brier;
  problem.entropies[r] = entropy;
  problem.likeliest[r] = top;
  problem.targetRanks[r] = rank;
}

/** A sum that keeps what each addition rounds off. */
class Sum {
  private high = 0;
  private low = 0;

  add(x: number): void {
    const { high, low } = twoSum(this.high, x);
    this.high = high;
    this.low += low;
  }

  get value(): number {
    return this.high + this.low;
  }
}
