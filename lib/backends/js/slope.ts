import type { Problem, Steps } from '../problem.js';
import { block } from './block.js';
import { Normalizer } from './normalizer.js';
import { coefficientRoom } from './scratch.js';
import { distance } from './softmax.js';

export interface SlopeProblem extends Problem {
  /** `SLOPED` numbers per row: the log loss, and its first and second derivative in 1/T. All are 0 for an ignored row. */
  readonly out: Float64Array;
  readonly count: number;
  /** A class per row, already checked to be a class or `ignoreIndex`. */
  readonly targets: Int32Array;
  readonly ignoreIndex: number;
}

export const SLOPED = 3;

/** As in entropy.ts: in temperatures. */
const FURTHEST = 1000;

/**
 * With d = max - x, the loss is d_y / T + ln Σ e^(-d/T), its slope in 1/T is d_y less the mean of d under p, and its
 * curvature the variance of d under p.
 */
export function* slope(problem: SlopeProblem, first: number, end: number): Steps {
  const { out, targets, ignoreIndex, temperature } = problem;
  const row = new Normalizer(problem);
  const far = coefficientRoom(Math.min(problem.length, row.size));
  const furthest = FURTHEST * temperature;
  for (let r = first; r < end; r++) {
    const at = r * SLOPED;
    const target = targets[r];
    if (target === ignoreIndex) {
      out.fill(0, at, at + SLOPED);
      continue;
    }
    row.open(r);
    while (row.openBlock()) yield;
    out.fill(row.kind === 'nothing' ? Infinity : NaN, at, at + SLOPED);
    if (!row.normalize()) continue;
    while (row.sumBlock()) yield;
    const x = row.reader.takesPart(target) ? row.reader.logit(target) : -Infinity;
    let mean = 0;
    let square = 0;
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      const count = row.logits(from);
      for (let i = 0; i < count; i++) far[i] = Math.min(row.max - block[i], furthest);
      row.terms(from);
      for (let i = 0; i < count; i++) {
        const product = block[i] * far[i];
        mean += product;
        square += product * far[i];
      }
    }
    mean /= row.total;
    out[at] = distance(row.max, x, temperature) + row.logSum();
    out[at + 1] = row.max - x - mean;
    out[at + 2] = Math.max(square / row.total - mean * mean, 0);
  }
}
