/** topK with `log: true`: the bits of logSoftmax, where they belong; and k = 0. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { classify, type LogTopKResult, logSoftmax, logSumExp, prepare, topK } from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { exactly } from '../oracle.js';
import { Random, seed } from '../random.js';
import { backendName, ways } from './ways.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const none = 0xffffffff;

describe(`The logarithms of topK, on ${backendName} (seed ${seed})`, () => {
  for (const [way, api] of ways) {
    for (const type of elementTypes) {
      it(`are the bits of logSoftmax, for every length and type: ${type}, ${way}`, async () => {
        const random = new Random(`top logs ${type}`);
        for (let length = 1; length <= 67; length++) {
          for (const [rows, temperature] of [
            [1, 1],
            [37, 0.7],
          ]) {
            const x = elements(random.fill(new Float64Array(rows * length), 30), type);
            const options = { shape: [rows, length], temperature, dtype: type };
            const k = 1 + random.below(length);
            const { logProbabilities, indices } = await api.topK(x, k, { ...options, log: true });
            const plain = await api.topK(x, k, options);
            expect([...indices], `${rows} × ${length}`).toEqual([...plain.indices]);
            const all = await api.logSoftmax(x, options);
            const picked = logProbabilities.slice();
            indices.forEach((index, i) => {
              picked[i] = all[Math.floor(i / k) * length + index];
            });
            expect(bits(logProbabilities), `${rows} × ${length}, k = ${k}`).toBe(bits(picked));
          }
        }
      });
    }

    it(`so they are with many classes, masks, lengths, offsets and along an axis, ${way}`, async () => {
      const random = new Random('top logs of rows');
      const x = random.fill(new Float32Array(3 * 1500), 9);
      const where = Uint8Array.from(x, (_, i) => (i % 3 === 1 ? 0 : 1));
      for (const options of [
        { shape: [3, 1500] },
        { shape: [3, 1500], where },
        { shape: [3, 1500], lengths: [1500, 200, 1000] },
        { offsets: [0, 400, 1000, 4500] },
        { shape: [3, 1500], axis: 0 },
        { shape: [3, 30, 50], axis: 1 },
        { shape: [3, 30, 50], axis: [0, 2] },
      ]) {
        for (const k of [3, 150]) {
          if (k > 3 && 'axis' in options) continue;
          const plain = await api.topK(x, k, { ...options });
          const { logProbabilities, indices } = await api.topK(x, k, { ...options, log: true });
          expect([...indices]).toEqual([...plain.indices]);
          logProbabilities.forEach((log, i) => {
            expect(Math.abs(Math.exp(log) - plain.probabilities[i]), `${i}`).toBeLessThanOrEqual(
              1e-6 * plain.probabilities[i],
            );
          });
        }
      }
    });
  }

  it('tell classes apart whose probabilities round to 1, and to 0', () => {
    expect(topK([0, -40, -2000], 3, { log: true })).toEqual({
      logProbabilities: [-4.248354255291589e-18, -40, -2000],
      indices: [0, 1, 2],
    });
  });

  it('are -Infinity where a class or a place has no part, and NaN in rows without probabilities', () => {
    const x = Float64Array.of(9, 1, -inf, 2, 1, nan, inf, 0, -inf, -inf, -inf, -inf);
    const where = Uint8Array.of(0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const { logProbabilities, indices } = topK(x, 4, { shape: [3, 4], where, log: true });
    expect([...logProbabilities]).toEqual([0, -inf, -inf, -inf, nan, nan, nan, nan, nan, nan, nan, nan]);
    expect([...indices]).toEqual([1, 2, none, none, 1, 2, 0, 3, 0, 1, 2, 3]);
    const ragged = topK(Float32Array.of(0, 5, 5), 3, { offsets: [0, 1, 3, 3], log: true });
    const half = Math.fround(-Math.LN2);
    expect([...ragged.logProbabilities]).toEqual([0, -inf, -inf, half, half, -inf, -inf, -inf, -inf]);
  });

  it('of a shard are x / T less the normalizer, exactly where the two cancel', () => {
    const random = new Random('top logs of a shard');
    for (const Type of [Float32Array, Float64Array]) {
      for (const temperature of [1, 0.3, 1e-3]) {
        const x = random.fill(new Type(20), 50);
        for (const off of [0, 1e-9, 0.5, 30]) {
          const logNormalizer = Math.max(...x) / temperature + off;
          const { logProbabilities, indices } = topK(x, 20, { temperature, logNormalizer, log: true });
          indices.forEach((index, i) => {
            const exact = exactly(x[index])
              .div(exactly(temperature))
              .minus(exactly(logNormalizer))
              .toNumber();
            const ulp = 2 ** (Math.floor(Math.log2(Math.abs(exact))) - (Type === Float32Array ? 23 : 52));
            expect(
              exact === 0 ? logProbabilities[i] : Math.abs(logProbabilities[i] - exact) / ulp,
            ).toBeLessThanOrEqual(2);
          });
        }
      }
    }
    const [first] = topK([3, 1], 1, { logNormalizer: logSumExp([3, 1, 7])[0], log: true }).logProbabilities;
    expect(first).toBeCloseTo(logSoftmax([3, 1, 7])[0], 14);
    expect(topK([-inf, -inf], 2, { logNormalizer: 3, log: true }).logProbabilities).toEqual([-inf, -inf]);
    expect(topK([3, 1], 2, { logNormalizer: nan, log: true }).logProbabilities).toEqual([nan, nan]);
  });

  it('take memory for them, and have forms of their own', () => {
    const out = { logProbabilities: new Float32Array(2), indices: new Uint32Array(2) };
    const x = Float32Array.of(1, 2, 3);
    expect(topK(x, 2, { log: true, out })).toBe(out);
    expect([...out.indices]).toEqual([2, 1]);
    const tensor = topK({ data: x, dims: [1, 3] }, 2, { log: true });
    expect(tensor.logProbabilities).toEqual({ data: out.logProbabilities, dims: [1, 2] });
    const wide = topK(elements([1, 2, 3], 'float16') as Uint16Array, 2, {
      log: true,
      dtype: 'float16',
      outType: 'float32',
    });
    expect([...wide.logProbabilities]).toEqual([...out.logProbabilities]);
    expectTypeOf(topK(x, 2, { log: true })).toEqualTypeOf<LogTopKResult<Float32Array, Uint32Array>>();
    expectTypeOf(topK([[1]], 1, { log: true }).logProbabilities).toEqualTypeOf<number[][]>();
  });

  it('are the result of a prepared call', () => {
    using call = prepare('topK', { shape: [2, 3], k: 2, log: true });
    call.input.set([1, 2, 3, 0, -40, 0]);
    const { logProbabilities, indices } = call.run();
    expect(logProbabilities).toBe(call.output);
    expect([...indices]).toEqual([2, 1, 0, 2]);
    expect([...logProbabilities]).toEqual([
      ...topK(call.input, 2, { shape: [2, 3], log: true }).logProbabilities,
    ]);
    expectTypeOf(logProbabilities).toEqualTypeOf<Float32Array>();
  });
});

describe(`k = 0, on ${backendName}`, () => {
  for (const [way, api] of ways) {
    it.each([{}, { log: true }])(`gives empty results: %j, ${way}`, async (options) => {
      const x = elements([1, 2, 3, 4, 5, 6], 'float32') as Float32Array;
      const names = options.log ? ['logProbabilities', 'indices'] : ['probabilities', 'indices'];
      for (const rows of [{ shape: [2, 3] }, { shape: [2, 3], axis: 0 }, { offsets: [0, 2, 6] }]) {
        const result = (await api.topK(x, 0, { ...rows, ...options })) as unknown as Record<string, Elements>;
        expect(Object.keys(result)).toEqual(names);
        for (const name of names) expect(result[name], name).toHaveLength(0);
      }
      const nested = (await api.topK(
        [
          [1, 2],
          [3, 4],
        ],
        0,
        options,
      )) as unknown as Record<string, unknown>;
      expect(nested).toEqual({ [names[0]]: [[], []], indices: [[], []] });
      const tensor = { data: x, dims: [2, 3] };
      expect((await api.topK(tensor, 0, { ...options, axis: 0 })).indices).toEqual({
        data: new Uint32Array(0),
        dims: [0, 3],
      });
    });
  }

  it('prepared too; classify wants a class at least', () => {
    using call = prepare('topK', { shape: [2, 3], k: 0 });
    expect(call.run()).toEqual({ probabilities: new Float32Array(0), indices: new Uint32Array(0) });
    expect(() => classify([1, 2], { labels: ['a', 'b'], k: 0 })).toThrow(
      'Expected an integer from 1 to 2 for k',
    );
    expect([...numbers(topK(new Float32Array(4), 4).probabilities, 'float32')]).toEqual([
      0.25, 0.25, 0.25, 0.25,
    ]);
  });
});
