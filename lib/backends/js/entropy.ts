import type { Data, Problem, Steps } from '../problem.js';
import { block, type Running } from './block.js';
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
    const isWhole = row.length <= row.size;
    if (isWhole) measure(row, 0, temperature, distances);
    while (row.sumBlock()) yield;
    const sum = { high: 0, low: 0 };
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      if (!isWhole) measure(row, from, temperature, distances);
      addProducts(row.terms(from), distances, sum);
    }
    out[r] = row.logSum() + (sum.high + sum.low) / row.total;
  }
}

/** Writes how far the logits of a block are below the maximum. */
function measure(row: Normalizer, from: number, temperature: number, distances: Float64Array): void {
  const { max } = row;
  const count = row.logits(from);
  for (let i = 0; i < count; i++) {
    const there = distance(max, block[i], temperature);
    // biome-ignore lint/complexity/useMathMinMax: as in exponentials.
    distances[i] = there > FURTHEST ? FURTHEST : there;
  }
}

function addProducts(count: number, distances: Float64Array, sum: Running): void {
  let { high, low } = sum;
  for (let i = 0; i < count; i++) {
    const product = block[i] * distances[i];
    const next = high + product;
    const part = next - high;
    low += high - (next - part) + (product - part);
    high = next;
  }
  sum.high = high;
  sum.low = low;
}
