import { describe, expect, it } from 'vitest';
import type { SampleOptions } from '../../lib/index.js';
import { prepare, sample } from '../../lib/index.js';
import { elements, elementTypes } from '../elements.js';
import { budget, Random, seed } from '../random.js';
import { expectDistribution } from './distribution.js';
import { backendName, ways } from './ways.js';

const logits = Float32Array.from([0.1, 0.4, 0.2, 0.3], Math.log);
const probabilities = [0.1, 0.4, 0.2, 0.3];

describe(`Seeds and offsets on ${backendName}`, () => {
  it('a seed draws what it drew before there were offsets', () => {
    const x = new Float32Array(40).map((_, i) => Math.sin(i));
    expect([...sample(x, { shape: [4, 10], seed: 42, count: 2 })]).toEqual([7, 0, 9, 2, 7, 1, 8, 2]);
  });

  it('draw n of count is the draw with n added to the offset', async () => {
    for (const offset of [0, 5, 2 ** 32 - 2, 2 ** 53 - 2 ** 32 - 5]) {
      const options = { shape: [3, 4], seed: 9, offset };
      const x = new Float32Array(12).map((_, i) => logits[i % 4]);
      const lone = [0, 1, 2, 3].map((n) => sample(x, { ...options, offset: offset + n }));
      for (const [, api] of ways) {
        const many = await api.sample(x, { ...options, count: 4 });
        expect([...many]).toEqual([0, 1, 2].flatMap((row) => lone.map((draws) => draws[row])));
      }
    }
  });

  it('a loop over offsets draws independently, for one seed and for a seed per row', () => {
    const x = new Float32Array(8).map((_, i) => logits[i % 4]);
    for (const seeds of [42, [7, 8]]) {
      const loop = Array.from({ length: 20_000 }, (_, offset) =>
        sample(x, { shape: [2, 4], seed: seeds, offset }),
      );
      for (const row of [0, 1]) {
        const draws = Uint32Array.from(loop, (drawn) => drawn[row]);
        expectDistribution(draws, probabilities);
        // And each draw independently of the one before.
        const pairs = draws.subarray(1).map((draw, i) => 4 * draws[i] + draw);
        expectDistribution(
          pairs,
          probabilities.flatMap((p) => probabilities.map((q) => p * q)),
        );
      }
    }
  });

  it('a seed of its own makes a row draw as it does alone, wherever it stands', () => {
    const random = new Random('seeds');
    const x = random.fill(new Float64Array(6 * 50), 2);
    const seeds = [3n, 2n ** 64n - 1n, 0n, 2n ** 32n, 17n, 3n];
    const offsets = [0, 1, 2, 2 ** 40, 0, 0];
    const order = [4, 2, 0, 5, 1, 3];
    const draws = sample(x, { shape: [6, 50], seed: BigUint64Array.from(seeds), offset: offsets, count: 3 });
    const moved = sample(
      Float64Array.from(order.flatMap((row) => [...x.subarray(50 * row, 50 * row + 50)])),
      {
        shape: [6, 50],
        seed: order.map((row) => seeds[row]),
        offset: order.map((row) => offsets[row]),
        count: 3,
      },
    );
    order.forEach((row, place) => {
      const own = [...draws.subarray(3 * row, 3 * row + 3)];
      expect([...moved.subarray(3 * place, 3 * place + 3)]).toEqual(own);
      const alone = x.subarray(50 * row, 50 * row + 50);
      const options = { offset: offsets[row], count: 3 };
      expect([...sample(alone, { ...options, seed: seeds[row] })]).toEqual(own);
      expect([...sample(alone, { ...options, seed: [seeds[row]] })]).toEqual(own);
    });
  });

  it('rows with seeds of their own draw independently of each other', () => {
    const rows = 40_000;
    const x = new Float32Array(4 * rows).map((_, i) => logits[i % 4]);
    const draws = sample(x, { shape: [rows, 4], seed: Uint32Array.from({ length: rows }, (_, row) => row) });
    expectDistribution(draws, probabilities);
  });

  it('a prepared run adds its count to the offset of every row', async () => {
    const x = Float64Array.from({ length: 30 }, (_, i) => Math.sin(i));
    const options = { seed: [1, 2, 3], offset: [0, 10, 2 ** 33], count: 2 };
    using prepared = prepare('sample', { shape: [3, 10], dtype: 'float64', ...options });
    prepared.input.set(x);
    for (const before of [0, 2, 4]) {
      const offset = options.offset.map((own) => own + before);
      const expected = sample(x, { shape: [3, 10], ...options, offset });
      expect([...(before === 2 ? await prepared.runAsync() : prepared.run())]).toEqual([...expected]);
    }
  });
});

describe(`Settings per row on ${backendName} (seed ${seed})`, () => {
  it('topK of 0 and -1 and topP of 1 are off, topP of 0 leaves one', () => {
    const options = { seed: 3, count: 200 };
    const all = [...sample(logits, options)];
    for (const off of [{ topK: 0 }, { topK: -1 }, { topP: 1 }, { topK: [-1], topP: [1], minP: [0] }])
      expect([...sample(logits, { ...options, ...off })]).toEqual(all);
    for (const one of [{ topP: 0 }, { topP: [0] }, { topP: 0, topK: 3 }, { topP: 0, minP: 0.1 }]) {
      const logProbabilities = new Float64Array(200);
      const draws = sample(logits, { ...options, ...one, logProbabilities });
      expect(new Set(draws)).toEqual(new Set([1]));
      expect(new Set(logProbabilities)).toEqual(new Set([0]));
    }
  });

  for (const type of elementTypes) {
    it(`every row draws as it does alone: ${type}`, async () => {
      const random = new Random(`settings ${type}`);
      for (let round = 0; round < 60 * budget; round++) {
        const { x, rows, classes, options, alone } = posed(random, type);
        const logProbabilities = new Float64Array(rows * 2);
        const all = { ...options, count: 2, logProbabilities };
        for (const [how, api] of ways) {
          const draws = await api.sample(x, all);
          for (let row = 0; row < rows; row++) {
            const own = new Float64Array(2);
            const lone = sample(x.subarray(row * classes, (row + 1) * classes), {
              ...alone(row),
              count: 2,
              logProbabilities: own,
            });
            const place = `${how}, round ${round}, row ${row}`;
            expect([...draws.subarray(2 * row, 2 * row + 2)], place).toEqual([...lone]);
            expect([...logProbabilities.subarray(2 * row, 2 * row + 2)], place).toEqual([...own]);
          }
        }
      }
    });
  }
});

/** A batch with settings per row, and the options of each row alone. */
function posed(random: Random, type: (typeof elementTypes)[number]) {
  const rows = 1 + random.below(9);
  const classes = 1 + random.below([12, 90, 1500][random.below(3)]);
  const x = elements(random.fill(new Float64Array(rows * classes), 3), type);
  const list = <T>(value: () => T) => Array.from({ length: rows }, value);
  const maybe = <T>(value: T) => (random.below(3) > 0 ? value : undefined);
  const each = {
    seed: list(() => random.below(2 ** 31)),
    offset: maybe(list(() => random.below(5))),
    topK: maybe(list(() => random.below(classes + 2) - 1)),
    topP: maybe(Float64Array.from({ length: rows }, () => [0, 0.3, 0.9, 1][random.below(4)])),
    minP: maybe(list(() => [0, 0.1, 0.7, 1][random.below(4)])),
  };
  const temperatures = list(() => [0, 0.7, 1, 1e-300, 2][random.below(5)]);
  const hasOwn = random.below(2) > 0;
  const temperatureOf = (row: number) => temperatures[hasOwn ? row : 0];
  const temperature = hasOwn ? temperatures : temperatures[0];
  const shared = { dtype: type };
  const lengths = maybe(list(() => random.below(classes + 1)));
  const options: SampleOptions = { shape: [rows, classes], ...shared, temperature, ...each, lengths };
  const alone = (row: number): SampleOptions => ({
    ...shared,
    temperature: temperatureOf(row),
    lengths: lengths && [lengths[row]],
    seed: each.seed[row],
    offset: each.offset?.[row],
    topK: each.topK?.[row],
    topP: each.topP?.[row],
    minP: each.minP?.[row],
  });
  return { x, rows, classes, options, alone };
}
