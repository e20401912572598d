import { describe, expect, it } from 'vitest';
import { logSumExp, softmax, topK } from '../../lib/index.js';
import { exactRow, ulpDistance } from '../oracle.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

describe(`A million classes over seven shards, on ${backendName} (seed ${seed})`, () => {
  const classes = 1_000_000;
  const x = new Random('seven shards').fill(new Float32Array(classes), 10);
  const cuts = [0, 1, 100_003, 262_144, 400_000, 599_999, 800_001, classes];
  const shards = cuts.slice(0, -1).map((start, i) => ({ start, logits: x.subarray(start, cuts[i + 1]) }));
  // A float32 log-sum-exp would not have the digits: each part is taken in float64, and so is their combination.
  const parts = Float64Array.from(shards, ({ logits }) => logSumExp(Float64Array.from(logits))[0]);
  const [logNormalizer] = logSumExp(parts);
  const exact = exactRow(Float64Array.from(x), 1).softmax;

  it('the log-sum-exp of the shards is that of all', () => {
    const [whole] = logSumExp(Float64Array.from(x));
    expect(Math.abs(logNormalizer - whole)).toBeLessThanOrEqual(1e-15 * whole);
  });

  it('softmax of every shard is within 2 ULP of its part of the distribution', () => {
    let worst = 0;
    for (const { start, logits } of shards) {
      softmax(logits, { logNormalizer }).forEach((p, i) => {
        worst = Math.max(worst, ulpDistance(p, exact, start + i, 'float32'));
      });
    }
    expect(worst).toBeLessThanOrEqual(2);
  });

  it('topK of every shard has the bits of its softmax; the best of all shards are the best of all', () => {
    const best = shards.flatMap(({ start, logits }) => {
      const k = Math.min(5, logits.length);
      const { probabilities, indices } = topK(logits, k, { logNormalizer });
      const all = softmax(logits, { logNormalizer });
      expect([...probabilities]).toEqual(Array.from(indices, (index) => all[index]));
      return Array.from(indices, (index) => start + index);
    });
    best.sort((a, b) => x[b] - x[a] || a - b);
    const whole = topK(x, 5);
    expect(best.slice(0, 5)).toEqual([...whole.indices]);
    whole.indices.forEach((index, i) => {
      expect(ulpDistance(whole.probabilities[i], exact, index, 'float32')).toBeLessThanOrEqual(2);
    });
  });
});
