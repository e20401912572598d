/** Lone rows go a way of their own (lib/calls/lone.ts): it gives the bits, the forms and the errors of the others. */
import { describe, expect, test } from 'vitest';
import { classify, crossEntropy, sample, softmax, topK } from '../../lib/index.js';
import { Random } from '../random.js';

const LENGTHS = [...Array.from({ length: 67 }, (_, i) => i + 1), 100, 128, 200, 511, 512, 513, 600];
const KINDS = { Float32Array, Float64Array };
type Kind = keyof typeof KINDS;

const rowsOf = (kind: Kind, count: number) => {
  const random = new Random(`lone ${count}`);
  const row = (KINDS[kind] as typeof Float64Array).from({ length: count }, () => random.between(-15, 15));
  return [
    row,
    Object.assign(row.slice(), { [count >> 1]: Number.NaN }),
    row.slice().fill(-Infinity),
    row.slice().fill(2),
  ];
};

describe.each(['Float32Array', 'Float64Array'] as const)('a lone row of a %s', (kind) => {
  test.each(LENGTHS)('of %i classes is a batch of one', (count) => {
    const labels = Array.from({ length: count }, (_, i) => `class ${i}`);
    for (const row of rowsOf(kind, count)) {
      const shape = [1, count];
      for (const k of [1, 2, 5, count].filter((k) => k <= count))
        expect(topK(row, k)).toStrictEqual(topK(row, k, { shape }));
      const target = count >> 1;
      expect(crossEntropy(row, [target])).toBe(crossEntropy(row, [target], { shape }));
      expect(crossEntropy(row, Int32Array.of(target))).toBe(crossEntropy(row, [target], { shape }));
      if (count > 1) {
        expect(classify(row, { labels })).toStrictEqual(classify(row, { labels, shape: [count] }));
        expect(classify(row, { labels, k: 2 })).toStrictEqual(
          classify(row, { labels, k: 2, shape: [count] }),
        );
      }
      const [drawn] = sample(row);
      if (Number.isFinite(softmax(row)[0])) expect(drawn).toBeLessThan(count);
      else expect(drawn).toBe(4294967295);
    }
  });
});

test.each([1, 2, 3, 4, 5, 8, 9, 64, 512, 513])(
  'an array of %i numbers is a nested array of one row',
  (count) => {
    for (const typed of rowsOf('Float64Array', count)) {
      const row = [...typed];
      expect(softmax(row)).toStrictEqual(softmax([row])[0]);
      const k = Math.min(2, count);
      const { probabilities, indices } = topK([row], k);
      expect(topK(row, k)).toStrictEqual({ probabilities: probabilities[0], indices: indices[0] });
      expect(crossEntropy(row, [0])).toBe(crossEntropy([row], [0]));
      const drawn = sample(row);
      expect(Array.isArray(drawn)).toBe(true);
      expect(drawn).toHaveLength(1);
    }
  },
);

test('draws without a seed have the probabilities of their classes', () => {
  const row = Float32Array.of(3.2, 1.3, 0.2, 0.8, -Infinity);
  const counts = [0, 0, 0, 0, 0];
  const draws = 20_000;
  for (let i = 0; i < draws; i++) counts[sample(row)[0]]++;
  const expected = [...softmax(row)].map((p) => p * draws);
  const chi = counts.reduce((sum, n, c) => sum + (expected[c] ? (n - expected[c]) ** 2 / expected[c] : n), 0);
  expect(chi).toBeLessThan(27.9); // 3 degrees of freedom, one run in 250,000
});

test('results are memory of their own', () => {
  const x = Float32Array.of(1, 2);
  const first = topK(x, 2);
  const second = topK(Float32Array.of(5, 1), 2);
  expect(first.indices).toStrictEqual(Uint32Array.of(1, 0));
  expect(second.indices).toStrictEqual(Uint32Array.of(0, 1));
  expect(x).toStrictEqual(Float32Array.of(1, 2));
});

test('wrong arguments meet the same errors', () => {
  const x = Float32Array.of(1, 2);
  const of = (call: () => unknown) => {
    try {
      return call();
    } catch (error) {
      return `${(error as Error).name} ${(error as { code?: string }).code} ${(error as Error).message}`;
    }
  };
  for (const k of [0.5, -1, 3, '1', undefined, Number.NaN])
    expect(of(() => topK(x, k as number))).toBe(of(() => topK(x, k as number, { axis: 0 })));
  for (const targets of [[2], [-1], [0.5], ['0'], [], [0, 1], 'x', Float32Array.of(1)])
    expect(of(() => crossEntropy(x, targets as never))).toBe(
      of(() => crossEntropy(x, targets as never, { axis: 0 })),
    );
  for (const labels of [['a'], ['a', 1], 'ab', ['a', 'b', 'c']])
    expect(of(() => classify(x, { labels: labels as never }))).toBe(
      of(() => classify(x, { labels: labels as never, axis: 0 })),
    );
  expect(() => softmax([1, '2'] as never)).toThrow(TypeError);
  expect(() => softmax([1, undefined, 2] as never)).toThrow(TypeError);
  expect(() => sample(new Uint16Array(2))).toThrow(TypeError);
});
