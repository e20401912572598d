/** classify by its activations: what is listed, in which order, and which scores. */
import { describe, expect, it } from 'vitest';
import { classify, sigmoid, softmax, topK } from '../../lib/index.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

const labels = ['a', 'b', 'c', 'd'];
const names = (list: readonly { readonly label: string }[]) => list.map(({ label }) => label).join('');

describe(`classify by activation, on ${backendName} (seed ${seed})`, () => {
  it('is softmax, and sigmoid where there is one label, as the pipelines of Hugging Face do', () => {
    const x = Float64Array.of(3.2, 1.3, 0.2, 0.8);
    expect(classify(x, { labels })).toEqual(classify(x, { labels, activation: 'softmax' }));
    expect(classify([3.2], { labels: ['yes'] })).toEqual([{ label: 'yes', score: sigmoid([3.2])[0] }]);
    expect(classify([3.2], { labels: ['yes'], activation: 'softmax' })).toEqual([{ label: 'yes', score: 1 }]);
    expect(
      classify([[1], [-1]], { labels: ['yes'] }).map((list) => (list as { score: number }[])[0].score),
    ).toEqual(sigmoid([1, -1]));
  });

  it('sigmoid: scores of each logit by itself, descending; ties of scores by lower index', () => {
    const x = Float32Array.of(200, 1000, -1, 300);
    const list = classify(x, { labels, activation: 'sigmoid' }) as { label: string; score: number }[];
    expect(names(list)).toBe('abdc');
    expect(list.map(({ score }) => score)).toEqual([1, 1, 1, sigmoid(Float32Array.of(-1))[0]]);
    expect(names(classify(x, { labels, activation: 'sigmoid', k: 2 }) as { label: string }[])).toBe('ab');
    expect(names(classify([1, NaN, 2, NaN], { labels, activation: 'sigmoid' }) as { label: string }[])).toBe(
      'bdca',
    );
  });

  it('none: the logits over the temperature', () => {
    const list = classify([1, 3, -1, 3], { labels, activation: 'none', temperature: 2, k: 3 });
    expect(list).toEqual([
      { label: 'b', score: 1.5 },
      { label: 'd', score: 1.5 },
      { label: 'a', score: 0.5 },
    ]);
  });

  it('threshold: scores at or above it alone', () => {
    expect(classify([0, 3, -3, 0], { labels, activation: 'sigmoid', threshold: 0.5 })).toEqual([
      { label: 'b', score: sigmoid([3])[0] },
      { label: 'a', score: 0.5 },
      { label: 'd', score: 0.5 },
    ]);
    const x = [3.2, 1.3, 0.2, 0.8];
    const first = softmax(x)[1];
    expect(names(classify(x, { labels, threshold: first }) as { label: string }[])).toBe('ab');
    expect(classify([NaN, 1, 2, 3], { labels, threshold: 0 })).toEqual([]);
    expect(classify([1, 2, 3, -4], { labels, activation: 'none', threshold: -4 }).length).toBe(4);
  });

  it('masked classes are not listed', () => {
    for (const activation of ['softmax', 'sigmoid', 'none'] as const) {
      const where = [true, false, true, true];
      expect(names(classify([1, 9, 2, 0], { labels, activation, where }) as { label: string }[])).toBe('cad');
      const lists = classify(Float64Array.of(1, 9, 2, 0, 4, 3, 2, 1), {
        labels,
        activation,
        shape: [2, 4],
        lengths: [1, 2],
      });
      expect((lists as unknown as { label: string }[][]).map(names)).toEqual(['a', 'ab']);
    }
  });

  it('rows of a batch, along any axis, ragged ones too, agree with topK and with each row alone', () => {
    const random = new Random('classify');
    const many = Array.from({ length: 50 }, (_, i) => `label ${i}`);
    const x = random.fill(new Float32Array(3 * 50 * 2), 5);
    for (const activation of ['softmax', 'sigmoid', 'none'] as const) {
      for (const k of [1, 5, 50]) {
        const options = { labels: many, activation, k, temperature: 1.5 };
        const lists = classify(x, { ...options, shape: [3, 50, 2], axis: 1 });
        expect(lists).toHaveLength(6);
        for (let row = 0; row < 6; row++) {
          const own = Float32Array.from(
            { length: 50 },
            (_, c) => x[Math.floor(row / 2) * 100 + c * 2 + (row % 2)],
          );
          expect(lists[row], `${activation} ${k} ${row}`).toEqual(classify(own, options));
          const { indices } = topK(own, k);
          expect((lists[row] as { label: string }[]).map(({ label }) => label)).toEqual(
            [...indices].map((index) => many[index]),
          );
        }
        const ragged = classify(x.subarray(0, 60), { ...options, offsets: [0, 0, 10, 60] });
        expect((ragged as object[][]).map((list) => list.length)).toEqual([0, Math.min(k, 10), k]);
        expect(ragged[2]).toEqual(classify(x.slice(10, 60), options));
      }
    }
  });

  it.each([
    [
      { activation: 'relu' },
      'RangeError',
      'Expected one of softmax, sigmoid, none for activation but received "relu"',
    ],
    [{ threshold: '0.5' }, 'TypeError', 'threshold'],
    [{ threshold: NaN }, 'RangeError', 'threshold'],
    [
      { activation: 'sigmoid', logNormalizer: 1 },
      'TypeError',
      'Expected no logNormalizer together with it for activation',
    ],
    [
      { activation: 'none', logNormalizer: 1 },
      'TypeError',
      'Expected no logNormalizer together with it for activation',
    ],
    [{ labels: ['a', 'b', 'c', 4] }, 'TypeError', 'labels[3]'],
    [{ labels: new Array(4) }, 'TypeError', 'labels[0]'],
  ])('refuses %j', (options, name, message) => {
    expect(() => classify([1, 2, 3, 4], { labels, ...(options as object) })).toThrow(
      expect.objectContaining({ name, message: expect.stringContaining(message) }),
    );
    if ('logNormalizer' in options)
      expect(() => classify([1, 2, 3, 4], { labels, ...(options as object) })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFLICTING_OPTIONS' }),
      );
  });

  it('checks a list of labels once, and then those it returns', () => {
    const many = Array.from({ length: 600 }, (_, i) => `class ${i}`);
    const x = Float32Array.from(many, (_, i) => -i);
    expect(classify(x, { labels: many, k: 1 })).toMatchObject([{ label: 'class 0' }]);
    (many as unknown[])[0] = 7;
    expect(() => classify(x, { labels: many, k: 1 })).toThrow(
      'Expected a string for labels[0] but received 7',
    );
    many[0] = 'first';
    expect(classify(x, { labels: many, k: 1 })).toMatchObject([{ label: 'first' }]);
    (many as unknown[]).push(8);
    expect(() =>
      classify(
        Float32Array.from(many, (_, i) => -i),
        { labels: many, k: 1 },
      ),
    ).toThrow('Expected a string for labels[600] but received 8');
  });
});
