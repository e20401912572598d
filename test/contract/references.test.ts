/** Every operation beside what PyTorch, SciPy, transformers, vLLM and llama.cpp answered: ../references/write.py ran them. */
import { describe, expect, it } from 'vitest';
import type { SampleOptions } from '../../lib/index.js';
import { samplers } from '../references/samplers.js';
import { torchCases } from '../references/torch.js';
import { expectDistribution } from './distribution.js';
import { expectSame } from './same.js';
import { backendName, ways } from './ways.js';

type Api = (typeof ways)[number][1];
type Floats = Float32Array | Float64Array;

type Plain = (x: Floats, options: object) => ArrayLike<number> | Promise<ArrayLike<number>>;

interface Case {
  readonly call: string;
  readonly of: string;
  readonly x: readonly number[];
  readonly y?: readonly number[];
  readonly options: { readonly shape: readonly number[]; readonly targets?: readonly number[] };
  readonly k?: number;
  readonly classes?: readonly (readonly number[])[];
  readonly indices?: readonly number[];
  readonly expected: readonly number[];
  readonly gradient?: readonly number[];
}

/** What we answer, and the gradient where the case has one. */
async function answer(api: Api, one: Case, x: Floats, as: (values: readonly number[]) => Floats) {
  const { of, y = [], k = 0, classes, gradient: wanted } = one;
  const { targets = [], ...options } = one.options;
  const gradient = wanted && { gradient: as(wanted).fill(7) };
  const value = async (): Promise<number | ArrayLike<number>> => {
    switch (of) {
      case 'crossEntropy': {
        const isSoft = targets.length === x.length;
        return api.crossEntropy(x, isSoft ? as(targets) : Int32Array.from(targets), {
          ...options,
          ...gradient,
        });
      }
      case 'binaryCrossEntropy':
        return api.binaryCrossEntropy(x, as(targets), { ...options, ...gradient });
      case 'klDivergence':
        return api.klDivergence(x, as(y), options);
      case 'meanKlDivergence': {
        const each = Array.from(await api.klDivergence(x, as(y), options));
        return each.reduce((a, b) => a + b) / each.length;
      }
      case 'topK': {
        const best = await api.topK(x, k, options);
        expect([...best.indices]).toEqual(one.indices);
        return 'logProbabilities' in best ? (best.logProbabilities as Floats) : best.probabilities;
      }
      case 'logProb':
        return api.logProb(x, (classes as number[][]).flat(), options);
      default:
        return (api as unknown as Record<string, Plain>)[of](x, options);
    }
  };
  const result = await value();
  return {
    values: typeof result === 'number' ? [result] : Array.from(result),
    gradient: gradient && Array.from(gradient.gradient),
  };
}

/** Within the tolerance, and what PyTorch's own terms, as large as the logits, lose in float64. */
function expectNear(
  received: readonly number[],
  expected: readonly number[],
  tolerance: number,
  largest: number,
) {
  expect(received).toHaveLength(expected.length);
  expected.forEach((wanted, i) => {
    const isNear = Math.abs(received[i] - wanted) <= tolerance * Math.abs(wanted) + largest * 2 ** -51;
    expect(isNear || Object.is(received[i], wanted), `${received[i]} for ${wanted}, at ${i}`).toBe(true);
  });
}

describe.each(ways)(`What PyTorch and SciPy answer, %s, on ${backendName}`, (_, api) => {
  it.each(torchCases as readonly Case[])('$call', async (one) => {
    const largest = Math.max(1, ...one.x.map(Math.abs));
    for (const [Numbers, tolerance] of [
      [Float64Array, 2e-15],
      [Float32Array, 3e-7],
    ] as const) {
      const { values, gradient } = await answer(api, one, Numbers.from(one.x), (list) => Numbers.from(list));
      expectNear(values, one.expected, tolerance, largest);
      if (one.gradient) expectNear(gradient ?? [], one.gradient, tolerance, largest);
    }
  });
});

describe(`What transformers, vLLM and llama.cpp leave to draw from, on ${backendName}`, () => {
  const count = 4000;

  it.each(samplers.orders.map((one, i) => [i, one] as const))(
    'the classes and probabilities of row %i, in the order of each',
    async (i, { logits, filters, expected }) => {
      for (const [name, probabilities] of Object.entries<readonly number[]>(expected)) {
        const order = name as NonNullable<SampleOptions['order']>;
        for (const [, api] of ways) {
          const logProbabilities = new Float64Array(count);
          const options = { ...filters, order, seed: i, count, logProbabilities };
          const draws = Uint32Array.from(await api.sample([...logits], options));
          const kept = probabilities.flatMap((p, c) => (p > 0 ? [c] : []));
          expect([...new Set(draws)].sort(), order).toEqual(kept);
          expectDistribution(draws, [...probabilities]);
          // llama.cpp computes in float32.
          const tolerance = order === 'llama.cpp' ? 1e-6 : 1e-12;
          draws.forEach((draw, n) => {
            expectSame(
              Math.abs(logProbabilities[n] - Math.log(probabilities[draw])) < tolerance,
              true,
              order,
            );
          });
        }
      }
    },
  );

  it.each(samplers.penalties.cases)('penalties and bias: $options', ({ options, expected }) => {
    const [[, api]] = ways;
    const logits = [...samplers.penalties.logits];
    for (const [system, penalised] of Object.entries<readonly number[]>(expected)) {
      const logProbabilities = new Float64Array(count);
      const draws = api.sample(logits, { ...(options as SampleOptions), seed: 1, count, logProbabilities });
      const logs = api.logSoftmax([...penalised]);
      expectSame(new Set(draws).size, logits.length, system);
      draws.forEach((draw, n) => {
        expectSame(Math.abs(logProbabilities[n] - logs[draw]) < 1e-12, true, system);
      });
    }
  });

  it('of ties with the k-th we and llama.cpp keep exactly k; transformers and vLLM keep all', () => {
    const { logits, topK, expected } = samplers.tied;
    const sizeOf = (probabilities: readonly number[]) => probabilities.filter((p) => p > 0).length;
    expect(Object.values(expected).map(sizeOf)).toEqual([4, 4, 2]);
    const [[, api]] = ways;
    const draws = new Set(api.sample([...logits], { topK, seed: 4, count }));
    expect([...draws].sort()).toEqual([0, 1]);
    expect(expected['llama.cpp'].flatMap((p, c) => (p > 0 ? [c] : []))).toEqual([0, 1]);
  });
});
