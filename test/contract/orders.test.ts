import { describe, expect, it } from 'vitest';
import type { SampleOptions } from '../../lib/index.js';
import { sample } from '../../lib/index.js';
import { Random } from '../random.js';
import { expectDistribution } from './distribution.js';
import { backendName, ways } from './ways.js';

type Order = NonNullable<SampleOptions['order']>;
type Filters = { temperature: number; topK: number; topP: number; minP: number };

const orders: readonly Order[] = ['transformers', 'vllm', 'llama.cpp', 'joint'];

/**
 * The probabilities that a system draws by, by its definition, sorting and all. references.test.ts has what transformers,
 * vLLM and llama.cpp themselves answered. FlashInfer needs a GPU: it was not run.
 */
const systems: { readonly [order in Order]: (logits: readonly number[], filters: Filters) => number[] } = {
  // transformers, generation/logits_process.py: TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
  // MinPLogitsWarper, each of which sets logits to -inf. top-p sorts ascending and removes classes while the sum of
  // probabilities so far is at most 1 - top_p.
  transformers(logits, { temperature, topK, topP, minP }) {
    let x = logits.map((logit) => logit / temperature);
    x = keepBest(x, topK);
    x = keepShare(x, topP);
    x = keepNear(x, minP);
    return softmaxOf(x);
  },
  // vLLM, v1/sample/sampler.py: temperature, then the processor of min_p, then apply_top_k_top_p, which masks by
  // top-k, and by top-p of the softmax of what that left.
  vllm(logits, { temperature, topK, topP, minP }) {
    let x = logits.map((logit) => logit / temperature);
    x = keepNear(x, minP);
    x = keepBest(x, topK);
    x = keepShare(x, topP);
    return softmaxOf(x);
  },
  // llama.cpp, common/sampling.cpp: the samplers top_k, top_p, min_p, and temperature at the end of the chain. The
  // filters see probabilities at a temperature of 1.
  'llama.cpp'(logits, { temperature, topK, topP, minP }) {
    let x = keepBest([...logits], topK);
    x = keepShare(x, topP);
    x = keepNear(x, minP);
    return softmaxOf(x.map((logit) => logit / temperature));
  },
  // FlashInfer, top_k_top_p_sampling_from_probs with filter_apply_order="joint": a class has to pass both, each
  // looked at over the whole row.
  joint(logits, { temperature, topK, topP, minP }) {
    const x = logits.map((logit) => logit / temperature);
    const best = keepBest(x, topK);
    const share = keepShare(x, topP);
    return softmaxOf(
      keepNear(
        x.map((logit, i) => Math.min(logit, best[i], share[i])),
        minP,
      ),
    );
  },
};

const softmaxOf = (x: readonly number[]): number[] => {
  const terms = x.map((logit) => Math.exp(logit - Math.max(...x)));
  const sum = terms.reduce((a, b) => a + b);
  return terms.map((term) => term / sum);
};

/** The classes by logit, of equals the lower index first. */
const sorted = (x: readonly number[]) => x.map((_, i) => i).sort((a, b) => x[b] - x[a] || a - b);

function keepBest(x: number[], k: number): number[] {
  const kept = new Set(k > 0 ? sorted(x).slice(0, k) : x.keys());
  return x.map((logit, i) => (kept.has(i) ? logit : -Infinity));
}

/** The fewest of the best whose probabilities reach the share: those above a class add up to less than it. */
function keepShare(x: number[], share: number): number[] {
  const p = softmaxOf(x);
  let above = 0;
  const kept = new Set<number>();
  for (const i of sorted(x)) {
    if (share < 1 && kept.size > 0 && above >= share) break;
    kept.add(i);
    above += p[i];
  }
  return x.map((logit, i) => (kept.has(i) ? logit : -Infinity));
}

function keepNear(x: number[], minP: number): number[] {
  const p = softmaxOf(x);
  const largest = Math.max(...p);
  return x.map((logit, i) => (p[i] >= minP * largest ? logit : -Infinity));
}

describe(`The order of filters on ${backendName}`, () => {
  const count = 4000;

  it('each keeps the classes of its system, and draws by its probabilities', async () => {
    const random = new Random('orders');
    for (let round = 0; round < 40; round++) {
      const classes = 3 + random.below(8);
      const logits = Array.from({ length: classes }, () => random.between(0, 3));
      const filters = {
        temperature: [0.6, 1, 1.7][random.below(3)],
        topK: random.below(classes + 1),
        topP: [0.35, 0.62, 0.83, 1][random.below(4)],
        minP: [0, 0.13, 0.37][random.below(3)],
      };
      for (const order of orders) {
        const expected = systems[order](logits, filters);
        const place = `${order}, ${JSON.stringify(filters)}, [${logits}]`;
        const options = { ...filters, order, seed: round, count };
        for (const [, api] of ways) {
          const logProbabilities = new Float64Array(count);
          const draws = Uint32Array.from(await api.sample(logits, { ...options, logProbabilities }));
          expectSupport(draws, expected, place);
          expectDistribution(draws, expected);
          const errors = logProbabilities.map((log, i) => Math.abs(log - Math.log(expected[draws[i]])));
          expect(Math.max(...errors), place).toBeLessThan(1e-11);
        }
      }
    }
  });

  it('the four keep different classes of one row', () => {
    const logits = [34, 24, 18, 16, 11, 9, 7, 6, 4].map(Math.log);
    const filters = { temperature: 2, topK: 7, topP: 0.7, minP: 0.5 };
    const kept = orders.map((order) => new Set(sample(logits, { order, seed: 1, count, ...filters })).size);
    expect(kept).toEqual([5, 4, 3, 6]);
  });

  it('top-k keeps exactly k whatever ties with the k-th, lower index first', () => {
    for (const order of orders) {
      for (const topP of [1, 0.9]) {
        const options = { order, topK: 2, topP, minP: 0.01, seed: 4, count };
        const draws = sample([1, 2, 1, 1], options);
        expect(new Set(draws), order).toEqual(new Set([1, 0]));
      }
    }
  });

  it('of rows of thousands of classes, with filters of every width, as js does', () => {
    const random = new Random('long orders');
    for (let round = 0; round < 40; round++) {
      const classes = 2 + random.below(6000);
      const x = random.fill(new Float32Array(2 * classes), [1, 6, 30][random.below(3)]);
      if (random.below(3) === 0) x.set(x.map(Math.round));
      const options = {
        shape: [2, classes],
        order: orders[round % 4],
        temperature: [[0.5, 2], 1, [0, 1e-300], 1e300][random.below(4)],
        topK: [0, 1 + random.below(40), 1 + random.below(classes)][random.below(3)],
        topP: [0.3, 0.9, 0.999, 1][random.below(4)],
        minP: [0, 1e-4, 0.2][random.below(3)],
        seed: round,
        count: 3,
      };
      const expected = sample(x, { ...options, backend: 'js' });
      expect([...sample(x, options)], JSON.stringify(options)).toEqual([...expected]);
    }
  });
});

/** That draws are of the classes that have a probability, and that each of them came. */
function expectSupport(draws: Uint32Array, expected: readonly number[], place: string): void {
  const kept = expected.flatMap((p, i) => (p > 0 ? [i] : []));
  expect(
    [...new Set(draws)].sort((a, b) => a - b),
    place,
  ).toEqual(kept);
}
