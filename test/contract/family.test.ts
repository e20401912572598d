import { Decimal } from 'decimal.js';
import { describe, expect, it } from 'vitest';
import { crossEntropy, logSoftmax, logSumExp, sample, softmax, topK } from '../../lib/index.js';
import { bits, elements, elementTypes, numbers } from '../elements.js';
import { exactly, exactRow, ulpDistance } from '../oracle.js';
import { Random, seed } from '../random.js';
import { expectDistribution } from './distribution.js';
import { backendName, ways } from './ways.js';

const NO_CLASS = 0xffffffff;

describe(`Rows that are not whole, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    const dtype = { dtype: type, temperature: 0.9 };
    const reduced = type === 'float64' ? 'float64' : 'float32';

    it(`the valid prefix of a padded row has the bits of that row alone: ${type}`, () => {
      const random = new Random(`lengths ${type}`);
      for (const length of [1, 4, 16, 37, 100]) {
        const lengths = Array.from({ length: 21 }, (_, i) => (i === 0 ? 0 : random.below(length + 1)));
        const x = elements(random.fill(new Float64Array(21 * length), 10), type);
        const options = { shape: [21, length], lengths, ...dtype };
        const [all, logs] = [softmax(x, options), logSoftmax(x, options)];
        const sums = logSumExp(x, options);
        lengths.forEach((valid, row) => {
          const [start, end] = [row * length, row * length + valid];
          const alone = x.subarray(start, end);
          const place = `row ${row}, ${valid} of ${length}`;
          expect(bits(all.subarray(start, end)), place).toBe(bits(softmax(alone, dtype)));
          expect(bits(logs.subarray(start, end)), place).toBe(bits(logSoftmax(alone, dtype)));
          expect(bits(sums.subarray(row, row + 1)), place).toBe(bits(logSumExp(alone, dtype)));
          const padding = all.subarray(end, start + length);
          expect([...numbers(padding, type)], place).toEqual(new Array(length - valid).fill(0));
        });
      }
    });

    it(`a ragged row has the bits of that row alone: ${type}`, () => {
      const random = new Random(`offsets ${type}`);
      const offsets = [0];
      for (let row = 0; row < 40; row++) offsets.push(offsets[row] + (row === 7 ? 0 : random.below(60)));
      const x = elements(random.fill(new Float64Array(offsets[40]), 10), type);
      const options = { offsets, ...dtype };
      const [all, logs, sums] = [softmax(x, options), logSoftmax(x, options), logSumExp(x, options)];
      const best = topK(x, 3, options);
      for (let row = 0; row < 40; row++) {
        const alone = x.subarray(offsets[row], offsets[row + 1]);
        const place = `row ${row}, of ${alone.length}`;
        expect(bits(all.subarray(offsets[row], offsets[row + 1])), place).toBe(bits(softmax(alone, dtype)));
        expect(bits(logs.subarray(offsets[row], offsets[row + 1])), place).toBe(
          bits(logSoftmax(alone, dtype)),
        );
        expect(bits(sums.subarray(row, row + 1)), place).toBe(bits(logSumExp(alone, dtype)));
        const k = Math.min(3, alone.length);
        const found = k === 0 ? [] : [...topK(alone, k, dtype).indices];
        while (found.length < 3) found.push(NO_CLASS);
        expect([...best.indices.subarray(row * 3, row * 3 + 3)], place).toEqual(found);
      }
      expect(sums).toHaveLength(40);
      expect(numbers(sums, reduced)[7]).toBe(-Infinity);
    });

    it(`a masked row has the bits of the row with -Infinity in those places: ${type}`, () => {
      const random = new Random(`where ${type}`);
      for (const shape of [
        [9, 4],
        [9, 37],
        [3, 5, 7],
      ]) {
        const size = shape.reduce((a, b) => a * b);
        const x = elements(random.fill(new Float64Array(size), 10), type);
        const axis = shape.length === 3 ? 1 : -1;
        const where = Uint8Array.from({ length: size }, () => (random.next() < 0.7 ? 1 : 0));
        // One class of every row takes part, so that no row is without any.
        if (axis === -1) for (let at = 0; at < size; at += shape[1]) where[at] = 1;
        else for (let at = 0; at < size; at++) if (Math.floor(at / 7) % 5 === 0) where[at] = 1;
        const hidden = elements(
          numbers(x, type).map((v, i) => (where[i] ? v : -Infinity)),
          type,
        );
        const options = { shape, axis, ...dtype };
        expect(bits(softmax(x, { where, ...options }))).toBe(bits(softmax(hidden, options)));
        expect(bits(logSoftmax(x, { where, ...options }))).toBe(bits(logSoftmax(hidden, options)));
        expect(bits(logSumExp(x, { where, ...options }))).toBe(bits(logSumExp(hidden, options)));
      }
    });

    it(`one mask may serve all rows: ${type}`, () => {
      const x = elements(new Random(`shared ${type}`).fill(new Float64Array(40), 10), type);
      const one = Uint8Array.of(1, 0, 1, 1, 0);
      const each = Uint8Array.from({ length: 40 }, (_, i) => one[i % 5]);
      const options = { shape: [8, 5], ...dtype };
      const shared = softmax(x, { where: one, ...options });
      expect(bits(shared)).toBe(bits(softmax(x, { where: each, ...options })));
    });
  }
});

describe(`Shards of the classes on ${backendName} (seed ${seed})`, () => {
  for (const [type, limit] of [
    ['float32', 2],
    ['float64', 4],
  ] as const) {
    it(`with the global normaliser they are within ${limit} ULP of e^(x/T - normaliser): ${type}`, () => {
      const Precise = Decimal.clone({ precision: 120, minE: -9e15, maxE: 9e15 });
      for (const [range, temperature] of [
        [1, 1],
        [20, 0.7],
        [90, 1],
        [700, 1],
        [1e7, 1],
        [1e7, 0.3],
        [1e20, 1e18],
      ]) {
        const random = new Random(`shards ${type} ${range}`);
        const x = elements(random.fill(new Float64Array(60), range), type) as Float32Array;
        const [logNormalizer] = logSumExp(numbers(x, type), { temperature });
        for (const [start, end] of [
          [0, 4],
          [4, 23],
          [23, 60],
        ]) {
          const shard = x.subarray(start, end);
          const received = softmax(shard, { temperature, logNormalizer });
          const perRow = topK(shard, 3, { temperature, logNormalizer });
          expect([...perRow.probabilities]).toEqual(
            Array.from(perRow.indices.subarray(0, 3), (i) => received[i]),
          );
          for (let i = 0; i < shard.length; i++) {
            const exponent = new Precise(exactly(shard[i]))
              .div(exactly(temperature))
              .minus(exactly(logNormalizer));
            const expected = exponent.lt(-1000) ? new Precise(0) : exponent.exp().times(Precise.pow(2, 200));
            const exact = {
              high: Float64Array.of(expected.toNumber()),
              low: Float64Array.of(0),
              scale: Int16Array.of(200),
            };
            const place = `class ${start + i}, logit ${shard[i]}, range ${range}, T ${temperature}`;
            expect(ulpDistance(received[i], exact, 0, type), place).toBeLessThanOrEqual(limit);
          }
        }
      }
    });
  }

  it('a shard without finite logits is zeros; one with NaN or +Infinity is NaN; each row has its own', () => {
    const x = Float32Array.of(-Infinity, -Infinity, NaN, 0, Infinity, 0, 0, 1);
    const received = softmax(x, { shape: [4, 2], logNormalizer: [3, 3, 3, 1] });
    expect([...received]).toEqual([0, 0, NaN, NaN, NaN, NaN, Math.fround(Math.exp(-1)), 1]);
  });
});

describe(`Sampling on ${backendName}`, () => {
  const logits = Float32Array.from([0.1, 0.4, 0.2, 0.3], Math.log);
  const count = 40_000;

  it.each([
    { filters: {}, expected: [0.1, 0.4, 0.2, 0.3] },
    { filters: { temperature: 0.5 }, expected: [1 / 30, 16 / 30, 4 / 30, 9 / 30] },
    { filters: { topK: 2 }, expected: [0, 4 / 7, 0, 3 / 7] },
    { filters: { topK: 1 }, expected: [0, 1, 0, 0] },
    { filters: { topK: 9 }, expected: [0.1, 0.4, 0.2, 0.3] },
    { filters: { topP: 0.35 }, expected: [0, 1, 0, 0] },
    { filters: { topP: 0.65 }, expected: [0, 4 / 7, 0, 3 / 7] },
    { filters: { topP: 0.75 }, expected: [0, 4 / 9, 2 / 9, 3 / 9] },
    { filters: { topK: 2, topP: 0.56 }, expected: [0, 1, 0, 0] },
    { filters: { minP: 0.6 }, expected: [0, 4 / 7, 0, 3 / 7] },
    { filters: { minP: 0.4 }, expected: [0, 4 / 9, 2 / 9, 3 / 9] },
    { filters: { topK: 3, topP: 0.99, minP: 0.6 }, expected: [0, 4 / 7, 0, 3 / 7] },
    { filters: { temperature: 0 }, expected: [0, 1, 0, 0] },
  ])('draws with the frequencies that $filters leave', ({ filters, expected }) => {
    expectDistribution(sample(logits, { seed: 11, count, ...filters }), expected);
    // Rows draw independently of each other, as draws of one row do.
    const rows = new Float32Array(count * 4).map((_, i) => logits[i % 4]);
    expectDistribution(sample(rows, { seed: 12, shape: [count, 4], ...filters }), expected);
  });

  it('filters keep the lower index among equals', () => {
    const equal = new Float64Array(8);
    for (const filters of [{ topK: 3 }, { topP: 0.375 }, { topK: 6, topP: 0.5 }]) {
      expectDistribution(sample(equal, { seed: 5, count, ...filters }), [1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0, 0]);
    }
    expect([...sample(Float32Array.of(1, 3, 3, 2), { temperature: 0 })]).toEqual([1]);
  });

  it('top-p keeps of thousands of classes what a sort would, and tells the probability of each draw', () => {
    for (const type of ['float32', 'float64'] as const) {
      for (const [range, topP, topK] of [
        [3, 0.5, 0],
        [3, 0.99, 0],
        [10, 0.9, 0],
        [0, 0.7, 0],
        [5, 0.9, 100],
      ]) {
        const length = 3000;
        const x = elements(new Random(`nucleus ${range}`).fill(new Float64Array(length), range), type);
        const p = softmax(Float64Array.from(numbers(x, type)));
        const order = Array.from(p.keys()).sort((a, b) => x[b] - x[a] || a - b);
        const listed = topK ? order.slice(0, topK) : order;
        const whole = listed.reduce((sum, i) => sum + p[i], 0);
        const kept = new Set<number>();
        let reached = 0;
        for (const i of listed) {
          if (reached >= topP * whole - 1e-12) break;
          kept.add(i);
          reached += p[i];
        }
        const logProbabilities = new Float64Array(500);
        const draws = sample(x, { seed: 3, count: 500, topP, topK, logProbabilities });
        draws.forEach((draw, i) => {
          expect(kept.has(draw), `class ${draw}`).toBe(true);
          expect(Math.abs(logProbabilities[i] - Math.log(p[draw] / reached))).toBeLessThan(1e-9);
        });
      }
    }
  });

  it('the same seed gives the same draws; another, others', () => {
    const x = new Random('sample').fill(new Float32Array(50 * 30), 2);
    const options = { shape: [50, 30], count: 3 };
    const draws = sample(x, { seed: 1, ...options });
    expect([...sample(x, { seed: 1n, ...options })]).toEqual([...draws]);
    expect([...sample(x, { seed: 2, ...options })]).not.toEqual([...draws]);
    expect([...sample(x, { seed: 2 ** 32 + 1, ...options })]).not.toEqual([...draws]);
  });

  it('a row without probabilities gives no class (0xFFFFFFFF), its log NaN', () => {
    const x = Float32Array.of(NaN, 1, Infinity, 1, -Infinity, -Infinity, 0, -Infinity);
    const logProbabilities = new Float32Array(4);
    for (const temperature of [1, 0]) {
      const draws = sample(x, { shape: [4, 2], seed: 1, temperature, logProbabilities });
      expect([...draws]).toEqual([NO_CLASS, NO_CLASS, NO_CLASS, 0]);
      expect([...logProbabilities]).toEqual([NaN, NaN, NaN, 0]);
    }
  });

  it('never draws what is masked out or padding', () => {
    const x = new Float32Array(6).fill(1);
    const where = Uint8Array.of(0, 1, 1, 0, 0, 0);
    expectDistribution(sample(x, { seed: 1, count, where }), [0, 0.5, 0.5, 0, 0, 0]);
    expectDistribution(sample(x, { seed: 1, count, lengths: [2] }), [0.5, 0.5, 0, 0, 0, 0]);
  });
});

interface Losses {
  readonly targets?: Int32Array;
  readonly q?: Float64Array;
  readonly smoothing?: number;
  readonly weights?: readonly number[];
}

/** Loss and gradient of one row by their definitions, over exact logarithms. */
function lossOf(x: Float64Array, temperature: number, row: number, given: Losses) {
  const { targets, q, smoothing = 0, weights } = given;
  const K = x.length;
  const exact = exactRow(x, temperature);
  const log = Array.from(exact.logSoftmax.high, (high, i) => high * 2 ** -exact.logSoftmax.scale[i]);
  const p = Array.from(exact.softmax.high, (high, i) => high * 2 ** -exact.softmax.scale[i]);
  const weight = (i: number) => weights?.[i] ?? 1;
  const a = p.map((_, i) => {
    const target = q ? q[row * K + i] : targets?.[row] === i ? 1 : 0;
    return weight(i) * ((1 - smoothing) * target + smoothing / K);
  });
  const sum = a.reduce((s, v) => s + v, 0);
  return {
    loss: a.reduce((s, v, i) => (v === 0 ? s : s - v * log[i]), 0),
    gradient: p.map((v, i) => (sum * v - a[i]) / temperature),
  };
}

describe(`crossEntropy on ${backendName} (seed ${seed})`, () => {
  const classes = 23;
  const rows = 9;
  const random = new Random('crossEntropy');
  const x = random.fill(new Float64Array(classes * rows), 8);
  const targets = Int32Array.from({ length: rows }, () => random.below(classes));
  const q = softmax(random.fill(new Float64Array(classes * rows), 3), { shape: [rows, classes] });
  const weights = Array.from({ length: classes }, (_, i) => (i === 4 ? 0 : random.between(0.2, 2)));
  const shape = [rows, classes];

  it.each<{ name: string; given: Losses }>([
    { name: 'class targets', given: { targets } },
    { name: 'class targets, label smoothing', given: { targets, smoothing: 0.1 } },
    { name: 'class targets, weights', given: { targets, weights } },
    { name: 'class targets, weights and label smoothing', given: { targets, weights, smoothing: 0.3 } },
    { name: 'distributions', given: { q } },
    { name: 'distributions, weights and label smoothing', given: { q, weights, smoothing: 0.2 } },
  ])('has the loss and gradient of the definition: $name', ({ given }) => {
    for (const temperature of [1, 0.4]) {
      const gradient = new Float64Array(x.length);
      const received = crossEntropy(x, (given.q ?? targets) as Float64Array, {
        shape,
        temperature,
        weights: given.weights,
        labelSmoothing: given.smoothing ?? 0,
        reduction: 'none',
        gradient,
      }) as Float64Array;
      for (let row = 0; row < rows; row++) {
        const logits = x.subarray(row * classes, (row + 1) * classes);
        const expected = lossOf(logits, temperature, row, given);
        expect(Math.abs(received[row] / expected.loss - 1), `loss of row ${row}`).toBeLessThan(1e-14);
        expected.gradient.forEach((g, i) => {
          const error = Math.abs(gradient[row * classes + i] - g);
          expect(error, `gradient of row ${row}, class ${i}`).toBeLessThan(1e-14);
        });
      }
    }
  });

  it('reduces as torch does: the mean over class targets is weighted', () => {
    const each = crossEntropy(x, targets, { shape, weights, reduction: 'none' }) as Float64Array;
    const sum = each.reduce((a, b) => a + b, 0);
    const weight = targets.reduce((a, target) => a + weights[target], 0);
    expect(crossEntropy(x, targets, { shape, weights, reduction: 'sum' })).toBeCloseTo(sum, 12);
    expect(crossEntropy(x, targets, { shape, weights })).toBeCloseTo(sum / weight, 12);
    expect(crossEntropy(x, targets, { shape })).toBeCloseTo(
      (crossEntropy(x, targets, { shape, reduction: 'sum' }) as number) / rows,
      12,
    );
  });

  it('ignored rows have no loss and no gradient, whatever they hold, and do not count for the mean', () => {
    const y = Float64Array.of(NaN, Infinity, 1, 2);
    const gradient = new Float64Array(4).fill(7);
    const loss = crossEntropy(y, Int32Array.of(-100, 0), { shape: [2, 2], gradient });
    expect(loss).toBeCloseTo(Math.log1p(Math.E), 14);
    expect([...gradient.subarray(0, 2)]).toEqual([0, 0]);
    expect(gradient[2]).toBeCloseTo(-1 / (1 + Math.exp(-1)), 14);
  });

  it('keeps the bits of a loss and gradient near 0', () => {
    const gradient = new Float64Array(2);
    const tiny = 4.248354255291589e-18;
    expect(crossEntropy(Float64Array.of(0, -40), Int32Array.of(0), { gradient })).toBe(tiny);
    expect(Math.abs(gradient[0] / -tiny - 1)).toBeLessThan(1e-15);
    expect(Math.abs(gradient[1] / tiny - 1)).toBeLessThan(1e-15);
  });

  it('an impossible class without weight costs nothing; with weight, infinity', () => {
    const y = Float64Array.of(0, -Infinity, 0);
    const gradient = new Float64Array(3);
    expect(crossEntropy(y, Int32Array.of(0), { gradient })).toBeCloseTo(Math.LN2, 15);
    expect([...gradient]).toEqual([-0.5, 0, 0.5]);
    expect(crossEntropy(y, Int32Array.of(1))).toBe(Infinity);
    expect(crossEntropy(y, Float64Array.of(0.5, 0, 0.5), {})).toBeCloseTo(Math.LN2, 15);
  });

  it('classes masked out have gradient 0, and take no part in label smoothing', () => {
    const y = Float64Array.of(1, NaN, 2, 0.5);
    const gradient = new Float64Array(4).fill(7);
    const options = { labelSmoothing: 0.2 };
    const where = Uint8Array.of(1, 0, 1, 1);
    const loss = crossEntropy(y, Int32Array.of(2), { where, gradient, ...options });
    const alone = new Float64Array(3);
    const expected = crossEntropy(Float64Array.of(1, 2, 0.5), Int32Array.of(1), {
      gradient: alone,
      ...options,
    });
    expect(loss).toBeCloseTo(expected as number, 14);
    expect(gradient[1]).toBe(0);
    expect(gradient[0]).toBeCloseTo(alone[0], 14);
    expect(gradient[2]).toBeCloseTo(alone[1], 14);
    expect(gradient[3]).toBeCloseTo(alone[2], 14);
  });

  it('works in float32 and in place, along any axis, either way', async () => {
    for (const [, api] of ways) {
      const y = Float32Array.from(x);
      const across = new Float32Array(y.length);
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < classes; i++) across[i * rows + row] = y[row * classes + i];
      }
      const gradient = new Float32Array(y.length);
      const loss = await api.crossEntropy(y, targets, { shape, gradient });
      const other = await api.crossEntropy(across, targets, {
        shape: [classes, rows],
        axis: 0,
        gradient: across,
      });
      expect(other).toBe(loss);
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < classes; i++) expect(across[i * rows + row]).toBe(gradient[row * classes + i]);
      }
      expect(await api.crossEntropy(y, targets, { shape, gradient: y })).toBe(loss);
      expect(bits(y)).toBe(bits(gradient));
    }
  });
});

describe(`Rows of more classes than any block holds, on ${backendName} (seed ${seed})`, () => {
  const classes = 600_011;
  const x = new Random('long').fill(new Float64Array(classes), 3);
  x[599_000] = 17;
  x[300_000] = 16;
  x[5] = 16;
  const p = softmax(x);
  const logs = logSoftmax(x);

  it('topK finds the largest and gives them the bits of softmax', () => {
    const { indices, probabilities } = topK(x, 3);
    expect([...indices]).toEqual([599_000, 5, 300_000]);
    expect([...probabilities]).toEqual([p[599_000], p[5], p[300_000]]);
  });

  it('draws come with their probability', () => {
    const logProbabilities = new Float64Array(50);
    const draws = sample(x, { seed: 4, count: 50, logProbabilities });
    draws.forEach((draw, i) => {
      expect(Math.abs(logProbabilities[i] - logs[draw])).toBeLessThan(1e-10);
    });
    expect(new Set(draws).has(599_000)).toBe(true);
    expect([...sample(x, { temperature: 0 })]).toEqual([599_000]);
  });

  it('crossEntropy is minus logSoftmax, and its gradient the probabilities less the target', () => {
    for (const target of [3, 300_000, 599_000, classes - 1]) {
      const gradient = new Float64Array(classes);
      expect(crossEntropy(x, Int32Array.of(target), { gradient })).toBe(-logs[target]);
      expect(Math.abs(gradient[target] - (p[target] - 1))).toBeLessThan(1e-15);
      for (const i of [0, 262_143, 262_144, 524_288, classes - 2]) {
        expect(Math.abs(gradient[i] / p[i] - 1)).toBeLessThan(1e-15);
      }
    }
  });
});
