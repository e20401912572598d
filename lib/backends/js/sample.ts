import type { SampleProblem } from '../problem.js';
import { Filters } from './filters.js';
import { Normalizer } from './normalizer.js';
import { uniform } from './philox.js';
import { distance } from './softmax.js';
import { NO_CLASS } from './topK.js';
import { Segments, Weigher } from './weights.js';

/**
 * `count` draws from each row, by the inverse of the cumulative distribution: draw d of row r gives the first
 * class at which the running sum of the weights that the filters leave exceeds u·(the whole sum), where u in
 * [0, 1) is Philox's uniform number of (seed, r, d). Every backend draws the same classes (weights.ts).
 *
 * A row that has no probabilities (a NaN or +Infinity in it, or nothing above -Infinity) gives no class.
 */
export function sample(problem: SampleProblem, first: number, end: number): void {
  const { out, count, seedLow, seedHigh, temperature, logProbabilities } = problem;
  const key = [seedLow, seedHigh] as const;
  const row = new Normalizer(problem);
  const weigher = new Weigher(temperature);
  const filters = new Filters(problem);
  const segments = new Segments(row, weigher);
  for (let r = first; r < end; r++) {
    row.open(r);
    if (row.kind !== 'ordinary' || temperature === 0) {
      const good = row.kind === 'ordinary';
      out.fill(good ? row.argmax : NO_CLASS, r * count, (r + 1) * count);
      logProbabilities?.fill(good ? 0 : NaN, r * count, (r + 1) * count);
      continue;
    }
    weigher.open(row.max);
    filters.cut(row, weigher);
    const logTotal = logProbabilities && row.normalize() ? row.logSum() : 0;
    row.changed();
    segments.addUp();
    const { total } = segments;
    for (let draw = 0; draw < count; draw++) {
      const drawn = segments.find(uniform(r, draw, key) * total);
      out[r * count + draw] = drawn;
      if (!logProbabilities) continue;
      logProbabilities[r * count + draw] =
        0 - (distance(row.max, row.reader.logit(drawn), temperature) + logTotal);
    }
  }
}
