/** Means and sums of losses: the exact sum, rounded once, whatever the order, the threads, the layout and the route. */
import { describe, expect, it } from 'vitest';
import { binaryCrossEntropy, crossEntropy, prepare } from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import { exactSum } from '../exact-sum.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

type Options = { readonly [name: string]: unknown };
type Loss = (x: Float64Array, targets: unknown, options: Options) => unknown;
const lossOf = crossEntropy as unknown as Loss;

const ignoreIndex = -100;

function problem(rows: number, classes: number) {
  const random = new Random(`reductions ${rows} ${classes}`);
  const x = Float64Array.from({ length: rows * classes }, () => random.between(-10, 10));
  const targets = Int32Array.from({ length: rows }, () =>
    random.next() < 0.1 ? ignoreIndex : Math.floor(random.next() * classes),
  );
  return { random, x, targets, shape: [rows, classes] };
}

describe(`reductions on ${backendName} (seed ${seed})`, () => {
  it.each([1e-290, 1e-300, 1e-310, 5e-324])('weights as small as %s add up, and end', (weight) => {
    const [rows, classes] = [40, 3];
    const options = { shape: [rows, classes], weights: new Float64Array(classes).fill(weight) };
    const losses = lossOf(new Float64Array(rows * classes), new Int32Array(rows), {
      ...options,
      reduction: 'none',
    });
    const sum = lossOf(new Float64Array(rows * classes), new Int32Array(rows), {
      ...options,
      reduction: 'sum',
    });
    expect(sum).toBe(exactSum(losses as Float64Array));
  });

  it.each([
    ['one row', 1, 5],
    ['rows less than a group', 7, 2],
    ['a block of rows and one', 1025, 2],
    ['many rows of three', 5000, 3],
    ['rows of some blocks', 700, 40],
    ['long rows', 33, 1000],
  ])('crossEntropy: %s', (_, rows, classes) => {
    const { x, targets, shape } = problem(rows, classes);
    const weights = Float64Array.from({ length: classes }, (_, c) => 0.1 + c / 7);
    const distributions = Float64Array.from(x, () => 1 / classes);
    const counted = targets.filter((target) => target !== ignoreIndex);
    const cases: readonly (readonly [string, unknown, Options, number])[] = [
      ['classes', targets, {}, counted.length],
      ['weights', targets, { weights }, exactSum(Array.from(counted, (target) => weights[target]))],
      ['label smoothing', targets, { labelSmoothing: 0.1 }, counted.length],
      [
        'a temperature each',
        targets,
        { temperature: Array.from(targets, (_, r) => 1 + (r % 3)) },
        counted.length,
      ],
      ['distributions', distributions, {}, rows],
    ];
    for (const [name, given, options, denominator] of cases) {
      const losses = lossOf(x, given, { shape, ...options, reduction: 'none' }) as Float64Array;
      const sum = exactSum(losses);
      expect(lossOf(x, given, { shape, ...options, reduction: 'sum' }), name).toBe(sum);
      expect(lossOf(x, given, { shape, ...options }), name).toBe(sum / denominator);
      const gradient = new Float64Array(x.length);
      expect(lossOf(x, given, { shape, ...options, gradient }), name).toBe(sum / denominator);
    }
  });

  it('the order of the rows, the axis and their cuts change no bit', async () => {
    const { x, targets, shape } = problem(3000, 4);
    const [rows, classes] = shape;
    const mean = lossOf(x, targets, { shape });
    const order = Array.from({ length: rows }, (_, r) => (r * 7) % rows); // 7 and 3000 have no divisor in common
    const turned = Float64Array.from(
      x,
      (_, i) => x[order[Math.floor(i / classes)] * classes + (i % classes)],
    );
    expect(
      lossOf(
        turned,
        targets.map((_, r) => targets[order[r]]),
        { shape },
      ),
    ).toBe(mean);
    const columns = Float64Array.from(x, (_, i) => x[(i % rows) * classes + Math.floor(i / rows)]);
    expect(lossOf(columns, targets, { shape: [classes, rows], axis: 0 })).toBe(mean);
    const offsets = Uint32Array.from({ length: rows + 1 }, (_, r) => r * classes);
    expect(lossOf(x, targets, { offsets })).toBe(mean);
    expect(await promises.crossEntropy(x, targets, { shape })).toBe(mean);
    using call = prepare('crossEntropy', { shape, dtype: 'float64', targets });
    call.input.set(x);
    expect([call.run(), call.run(), await call.runAsync()]).toEqual([mean, mean, mean]);
    expect(call.output[0]).toBe(mean);
  });

  it('threads change no bit', () => {
    const { x, targets, shape } = problem(2 ** 17, 4);
    const mean = lossOf(x, targets, { shape, threads: 1 });
    for (let i = 0; i < 3; i++) expect(lossOf(x, targets, { shape })).toBe(mean);
  });

  it('sums of huge losses overflow no sooner than the result does', () => {
    const x = Float64Array.of(0, 1.5e308, 0, 1.5e308, 0, 1.5e308);
    const options = { shape: [3, 2], weights: [1, -1] };
    expect(lossOf(x, [0, 0, 0], { ...options, reduction: 'sum' })).toBe(Infinity);
    // 1.5e308 twice, and once less.
    const turned = Float64Array.of(0, 1.5e308, 0, 1.5e308, 1.5e308, 0);
    expect(lossOf(turned, [0, 0, 1], { ...options, reduction: 'sum' })).toBe(1.5e308);
  });

  it('infinite losses and NaN stay', () => {
    const infinite = Float64Array.of(0, -Infinity, 0, 1);
    expect(lossOf(infinite, [1, 0], { shape: [2, 2] })).toBe(Infinity);
    const weighted = { shape: [2, 2], weights: [1, -1], reduction: 'sum' };
    expect(lossOf(infinite, [1, 1], weighted)).toBe(-Infinity);
    const both = Float64Array.of(0, -Infinity, -Infinity, 0);
    expect(lossOf(both, [1, 0], weighted)).toBe(NaN);
    expect(lossOf(Float64Array.of(NaN, 0, 0, 1), [1, 0], { shape: [2, 2] })).toBe(NaN);
  });

  it('binaryCrossEntropy adds up the same, masked or not, whatever the threads', () => {
    const random = new Random('reductions binary');
    const [rows, classes] = [1000, 300];
    const x = Float64Array.from({ length: rows * classes }, () => random.between(-10, 10));
    const y = Float64Array.from(x, () => random.next());
    const where = Uint8Array.from(x, () => Number(random.next() < 0.9));
    const shape = [rows, classes];
    for (const options of [{}, { where }, { posWeight: 3 }]) {
      const sum = binaryCrossEntropy(x, y, { shape, ...options, reduction: 'sum', threads: 1 }) as number;
      expect(binaryCrossEntropy(x, y, { shape, ...options, reduction: 'sum' })).toBe(sum);
      const losses = binaryCrossEntropy(x, y, { shape, ...options, reduction: 'none' }) as Float64Array;
      expect(sum / exactSum(losses)).toBeCloseTo(1, 14);
      const count =
        options === undefined || !('where' in options) ? x.length : where.reduce((a, b) => a + b, 0);
      expect(binaryCrossEntropy(x, y, { shape, ...options })).toBe(sum / count);
    }
  });
});

describe(`lists of classes on ${backendName}`, () => {
  const rows = 1000;
  const x = new Float32Array(3 * rows);
  const shape = [rows, 3];
  const listOf = (bad: number, at: number) =>
    Array.from({ length: rows }, (_, r) => (r === at ? bad : r % 5 === 0 ? ignoreIndex : r % 3));
  const kinds: readonly (readonly [string, (list: number[]) => unknown])[] = [
    ['numbers', (list) => list],
    ['an Int32Array', (list) => Int32Array.from(list)],
    [
      'a shared Int32Array',
      (list) => {
        const shared = new Int32Array(new SharedArrayBuffer(list.length * 4));
        shared.set(list);
        return shared;
      },
    ],
    ['a BigInt64Array', (list) => BigInt64Array.from(list, BigInt)],
  ];
  const message = (name: string, at: number, bad: unknown) =>
    `Expected an integer from 0 to 2 for ${name}[${at}] but received ${bad}`;

  it.each(kinds)('long ones are refused by entry, and nothing is written: %s', async (name, make) => {
    const suffix = name === 'a BigInt64Array' ? 'n' : '';
    for (const at of [0, 500, 997, 999]) {
      for (const bad of [3, -1, 2 ** 31 - 1, -(2 ** 31)]) {
        const list = make(listOf(bad, at));
        const gradient = new Float32Array(x.length).fill(7);
        const expected = message('targets', at, `${bad}${suffix}`);
        expect(() => lossOf(x as never, list, { shape, gradient })).toThrow(expected);
        expect(gradient.every((one) => one === 7)).toBe(true);
        const logProb = promises.logProb(x, list as Int32Array, { shape });
        await expect(logProb).rejects.toThrow(message('classes', at, `${bad}${suffix}`));
      }
    }
  });

  it('unsigned ones, which ignore nothing below 0', () => {
    const list = Uint32Array.from({ length: rows }, (_, r) => r % 3);
    expect(lossOf(x as never, list, { shape })).toBeCloseTo(Math.log(3), 6);
    list[999] = -100 >>> 0;
    expect(() => lossOf(x as never, list, { shape })).toThrow(message('targets', 999, 2 ** 32 - 100));
  });

  it.each(kinds)('ragged rows have their own last class: %s', (_, make) => {
    const offsets = Uint32Array.from({ length: rows + 1 }, (_, r) => 2 * r + Math.min(r, 500));
    const list = Array.from({ length: rows }, (_, r) => (r < 500 ? 2 : 1));
    const part = x.subarray(0, offsets[rows]);
    const losses = lossOf(part as never, make(list), { offsets, reduction: 'sum' }) as number;
    expect(losses / (500 * Math.log(3) + 500 * Math.log(2))).toBeCloseTo(1, 6);
    list[700] = 2;
    expect(() => lossOf(part as never, make(list), { offsets })).toThrow(
      /Expected an integer from 0 to 1 for targets\[700\] but received 2/,
    );
  });

  it('count for the mean unless they are ignored, whatever their type', () => {
    const list = listOf(1, 1);
    for (const [name, make] of kinds)
      expect(lossOf(x as never, make(list), { shape }), name).toBeCloseTo(Math.log(3), 6);
  });
});
