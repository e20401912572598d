import type { SampleProblem } from '../problem.js';
import { Candidates } from './candidates.js';
import { Normalizer } from './normalizer.js';
import { uniform } from './philox.js';
import { distance } from './softmax.js';
import { NO_CLASS } from './topK.js';

/**
 * `count` draws from each row, by the inverse of the cumulative distribution: the terms of the candidates are
 * added one after another, in index order, in float64; draw d of row r gives the first candidate whose running
 * sum exceeds u·(the whole sum), where u in [0, 1) is Philox's uniform number of (seed, r, d).
 *
 * A row that has no probabilities (a NaN or +Infinity in it, or nothing above -Infinity) gives no class.
 */
export function sample(problem: SampleProblem, first: number, end: number): void {
  const { out, count, seed, temperature, logProbabilities } = problem;
  const row = new Normalizer(problem);
  const candidates = temperature > 0 ? new Candidates(problem) : undefined;
  for (let r = first; r < end; r++) {
    row.open(r);
    if (row.kind !== 'ordinary' || !candidates) {
      const good = row.kind === 'ordinary';
      out.fill(good ? row.argmax : NO_CLASS, r * count, (r + 1) * count);
      logProbabilities?.fill(good ? 0 : NaN, r * count, (r + 1) * count);
      continue;
    }
    candidates.collect(row);
    const sums = candidates.terms;
    for (let i = 1; i < candidates.count; i++) sums[i] += sums[i - 1];
    const total = sums[candidates.count - 1];
    const logTotal = logProbabilities ? Math.log(total / row.top) : 0;
    for (let draw = 0; draw < count; draw++) {
      const place = firstAbove(sums, candidates.count, uniform(r, draw, seed) * total);
      out[r * count + draw] = candidates.classes[place];
      if (!logProbabilities) continue;
      logProbabilities[r * count + draw] =
        0 - (distance(row.max, candidates.logits[place], temperature) + logTotal);
    }
  }
}

/** The first of ascending values that is greater than x; the last is (u < 1, and u·total rounds below total). */
function firstAbove(values: Float64Array, count: number, x: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] > x) high = middle;
    else low = middle + 1;
  }
  return low;
}
