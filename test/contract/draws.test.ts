import { describe, expect, it } from 'vitest';
import { prepare, sample } from '../../lib/index.js';
import { elements, elementTypes } from '../elements.js';
import { budget, Random, seed } from '../random.js';
import { expectSame } from './same.js';
import { backendName, ways } from './ways.js';

const TEMPERATURES = [0.7, 0.01, 3, 0, 1e-310, 1e-200, 1e300];
const SHARES = [0.5, 0.9, 0.999, 1e-9, 0.3];

describe(`Every backend draws the same classes: ${backendName} those of js (seed ${seed})`, () => {
  for (const type of elementTypes) {
    it(`whatever the filters, masks, temperature and layout: ${type}`, async () => {
      const random = new Random(`draws ${type}`);
      for (let round = 0; round < 400 * budget; round++) {
        const rows = 1 + random.below(12);
        const classes = 1 + random.below([20, 300, 2500, 9000][round % 17 === 0 ? 3 : round % 3]);
        const range = [0.1, 1, 5, 30, 1e4, 1e30][random.below(6)];
        const isTied = random.below(3) === 0;
        const values = random.fill(new Float64Array(rows * classes), range).map((value) => {
          if (random.below(60) === 0) return -Infinity;
          return isTied ? Math.round(value) : value;
        });
        if (random.below(6) === 0)
          values[random.below(values.length)] = random.below(2) === 0 ? NaN : Infinity;
        const x = elements(values, type);
        const across = random.below(5) === 0;
        const maybe = <T>(oneIn: number, value: () => T) => (random.below(oneIn) === 0 ? value() : undefined);
        const options = {
          shape: across ? [classes, rows] : [rows, classes],
          axis: across ? 0 : -1,
          dtype: type,
          seed: random.below(2 ** 31),
          count: 1 + random.below(4),
          temperature: maybe(2, () => TEMPERATURES[random.below(TEMPERATURES.length)]),
          topK: maybe(2, () => 1 + random.below(random.below(2) === 0 ? 40 : classes)),
          topP: maybe(2, () => SHARES[random.below(SHARES.length)]),
          minP: maybe(3, () => [0.05, 0.5, 1, 0.9][random.below(4)]),
          where: maybe(4, () => Uint8Array.from({ length: x.length }, () => random.below(4))),
          lengths: maybe(4, () => Array.from({ length: rows }, () => random.below(classes + 1))),
        };
        const expectedLogs = new Float64Array(rows * options.count);
        const logs = new Float64Array(rows * options.count);
        const expected = sample(x, { ...options, backend: 'js', logProbabilities: expectedLogs });
        const place = `round ${round}: ${JSON.stringify({ ...options, where: options.where !== undefined })}`;
        for (const [, api] of ways) {
          expect([...(await api.sample(x, options))], place).toEqual([...expected]);
        }
        expect([...sample(x, { ...options, logProbabilities: logs })], place).toEqual([...expected]);
        logs.forEach((log, i) => {
          const wanted = expectedLogs[i];
          const isNear = Math.abs(log - wanted) <= 1e-11 * Math.max(1, Math.abs(wanted));
          expectSame(isNear || Object.is(log, wanted), true, `${log} for ${wanted}, ${place}`);
        });
      }
    });
  }

  it('of a vocabulary, many at once, on one thread and on all', () => {
    const shape = [3, 128_256];
    const x = new Random('vocabulary').fill(new Float32Array(3 * 128_256), 10);
    for (const filters of [{}, { topP: 0.9 }, { topK: 1000 }, { minP: 0.01 }, { temperature: 3 }]) {
      const options = { shape, seed: 7, count: 200, ...filters };
      const expected = [...sample(x, { ...options, backend: 'js' })];
      expect([...sample(x, options)]).toEqual(expected);
      expect([...sample(x, { ...options, threads: 1 })]).toEqual(expected);
    }
  });

  for (const type of ['float32', 'float64'] as const) {
    it(`of rows of every kind and length under top-p: ${type}`, () => {
      const random = new Random(`kinds ${type}`);
      const uniform = () => random.below(2 ** 20) / 2 ** 20;
      const bell = () => uniform() + uniform() + uniform() + uniform() + uniform() + uniform() - 3;
      const kinds: Record<string, (i: number, classes: number) => number> = {
        uniform: () => 20 * uniform(),
        normal: () => 4 * bell(),
        ascending: (i, classes) => (20 * i) / classes,
        descending: (i, classes) => (-20 * i) / classes,
        'on a grid': () => Math.round(16 * bell()) / 16,
        equal: () => 1.5,
        'of two values': () => random.below(3),
        'with a spike': (i) => (i === 777 ? 30 : bell()),
        'with few that count': (i) => (i % 999 === 7 ? 15 + 8 * uniform() : 3 * bell()),
        'hardly different': () => 1e-4 * bell(),
        'half of them masked': (i) => (i % 2 === 0 ? -Infinity : 4 * bell()),
      };
      for (const [kind, logit] of Object.entries(kinds)) {
        for (const classes of [1000, 8000, 8200, 20_000, 60_000]) {
          const x = elements(
            Float64Array.from({ length: classes }, (_, i) => logit(i, classes)),
            type,
          );
          for (const filters of [{ topP: 0.9 }, { topP: 0.5 }, { topP: 0.99, minP: 0.1 }]) {
            const options = { seed: random.below(2 ** 31), count: 3, ...filters };
            const place = `${classes} classes, ${kind}: ${JSON.stringify(options)}`;
            expect([...sample(x, options)], place).toEqual([...sample(x, { ...options, backend: 'js' })]);
          }
        }
      }
    });
  }

  it.each([
    ['1 to 20 classes', 20, {}],
    ['1 to 20 classes, several draws', 20, { count: 3, offset: 5 }],
    ['up to 300 classes, filtered', 300, { topK: 40, topP: 0.95 }],
    ['up to 20 classes, filtered', 20, { topP: 0.9, temperature: 0.8 }],
  ])('of ragged rows, which are put together by their lengths: %s', (_, longest, given) => {
    const random = new Random(`ragged draws ${longest}`);
    const offsets = new Uint32Array(2001);
    for (let row = 0; row < 2000; row++)
      offsets[row + 1] = offsets[row] + random.below(1 + random.below(longest + 1));
    const x = random.fill(new Float32Array(offsets[2000]), 10);
    x.forEach((value, i) => {
      if (random.below(90) === 0) x[i] = [NaN, -Infinity, 1e30][random.below(3)];
      else if (random.below(3) === 0) x[i] = Math.round(value);
    });
    const expected = sample(x, { ...given, offsets, seed: 11, backend: 'js' });
    for (const threads of [1, 2]) {
      const drawn = sample(x, { ...given, offsets, seed: 11, threads });
      expectSame(
        drawn.findIndex((index, i) => index !== expected[i]),
        -1,
        `${threads} threads`,
      );
    }
  });

  it('of classes so many and so equal that every draw is near a boundary', () => {
    const x = new Random('near').fill(new Float32Array(2_000_003), 0.001);
    const options = { seed: 1, count: 20 };
    expect([...sample(x, options)]).toEqual([...sample(x, { ...options, backend: 'js' })]);
  });

  it('none of a row with a NaN, were it among logits too far below the others to weigh anything', () => {
    const none = 2 ** 32 - 1;
    for (const low of [-1e4, -1e6, -Infinity]) {
      for (const at of [0, 700, 4095]) {
        const x = new Random('far below').fill(new Float32Array(8192), 1).fill(low, 0, 4096);
        expect([...sample(x, { seed: 1 })]).not.toEqual([none]);
        x[at] = NaN;
        expect([...sample(x, { seed: 1 })]).toEqual([none]);
      }
    }
  });

  it('prepared, each run going on where the last one ended', async () => {
    const x = elements(new Random('prepared').fill(new Float64Array(60), 2), 'float16');
    using prepared = prepare('sample', { shape: [6, 10], dtype: 'float16', seed: 5, logProbabilities: true });
    prepared.input.set(x);
    for (const offset of [0, 1, 2]) {
      const received = offset === 1 ? await prepared.runAsync() : prepared.run();
      expect([...received]).toEqual([
        ...sample(x, { shape: [6, 10], dtype: 'float16', seed: 5, offset, backend: 'js' }),
      ]);
    }
  });
});
