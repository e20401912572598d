import type { Data, Problem, Steps } from '../problem.js';
import { block } from './block.js';
import { Normalizer } from './normalizer.js';
import { coefficientRoom } from './scratch.js';
import { distance } from './softmax.js';

export interface EntropyProblem extends Problem {
  /** One value per row; float32 for 16-bit input. */
  readonly out: Data;
  readonly outType: 'float32' | 'float64';
}

/** Terms so many temperatures below the maximum and more come to nothing, -Infinity's among them. */
const FURTHEST = 1000;

/**
 * ln S + Σ p (max - x)/T, where S is the sum of e^((x - max)/T): no part is negative, so nothing cancels. A row with
 * nothing left has 0, and one without probabilities NaN.
 */
export function* entropy(problem: EntropyProblem, first: number, end: number): Steps {
  const { out, temperature } = problem;
  const row = new Normalizer(problem);
  const distances = coefficientRoom(Math.min(problem.length, row.size));
  for (let r = first; r < end; r++) {
    row.open(r);
    while (row.openBlock()) yield;
    if (!row.normalize()) {
      out[r] = row.kind === 'nothing' ? 0 : NaN;
      continue;
    }
    while (row.sumBlock()) yield;
    let [sum, lost] = [0, 0];
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      const count = row.logits(from);
      for (let i = 0; i < count; i++) distances[i] = distance(row.max, block[i], temperature);
      row.terms(from);
      for (let i = 0; i < count; i++) {
        const product = block[i] * Math.min(distances[i], FURTHEST);
        const next = sum + product;
        lost += sum >= product ? sum - next + product : product - next + sum;
        sum = next;
      }
    }
    out[r] = row.logSum() + (sum + lost) / row.total;
  }
}
