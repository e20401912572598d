/** fitTemperature: where the mean log loss is least, its ends, and what it refuses. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import type { ClassTargets, FitTemperatureOptions } from '../../lib/types/evaluation.js';
import type { Logits } from '../../lib/types.js';
import { elements, elementTypes, numbers } from '../elements.js';
import { seed } from '../random.js';
import { drawn } from '../temperate.js';
import { backendName } from './ways.js';

/** The mean log loss at a temperature, and its derivative in 1/T, in float64. */
function meanAt(temperature: number, x: ArrayLike<number>, targets: ArrayLike<number>, classes: number) {
  let [loss, slope, rows] = [0, 0, 0];
  for (let r = 0; r < targets.length; r++) {
    if (targets[r] === -100) continue;
    const row = Array.from({ length: classes }, (_, i) => x[r * classes + i]);
    const max = Math.max(...row);
    const terms = row.map((v) => Math.exp((v - max) / temperature));
    const total = terms.reduce((sum, term) => sum + term);
    rows++;
    loss += (max - row[targets[r]]) / temperature + Math.log(total);
    slope +=
      row.reduce((sum, v, i) => sum + (v === -Infinity ? 0 : (terms[i] / total) * v), 0) - row[targets[r]];
  }
  return { loss: loss / rows, slope: slope / rows };
}

/** The temperature by bisection of the slope, which grows with 1/T. */
function byBisection(x: ArrayLike<number>, targets: ArrayLike<number>, classes: number): number {
  let [cold, hot] = [0.01, 100];
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(cold * hot);
    if (meanAt(middle, x, targets, classes).slope > 0) cold = middle;
    else hot = middle;
  }
  return Math.sqrt(cold * hot);
}

describe.each([
  ['synchronously', sync],
  ['as a promise', promises],
] as const)(
  `A temperature is fitted %s, on ${backendName} (seed ${seed})`,
  (_, { fitTemperature, evaluate }) => {
    const fitted = async (x: Logits, targets: ClassTargets, options?: FitTemperatureOptions) =>
      await fitTemperature(x, targets, options);

    for (const type of elementTypes) {
      const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
      it.each([
        [200, 2, 0.3],
        [200, 10, 1],
        [150, 10, 7],
        [100, 33, 2],
        [30, 1100, 1.5],
      ])(`to six digits: ${type}, %i rows of %i, about %f`, async (rows, classes, about) => {
        const { x, targets } = drawn(`${type} ${rows} ${about}`, rows, classes, about);
        const logits = elements(x, type);
        const values = numbers(logits, type);
        const received = await fitted(logits, targets, { shape: [-1, classes], ...dtype });
        const exact = byBisection(values, targets, classes);
        expect(
          Math.abs(received.temperature / exact - 1),
          `${received.temperature}, and ${exact}`,
        ).toBeLessThan(1e-7);
        expect(received.converged).toBe(true);
        expect(received.logLoss).toBeCloseTo(meanAt(exact, values, targets, classes).loss, 12);
        expect(received.logLossBefore).toBeCloseTo(meanAt(1, values, targets, classes).loss, 12);
        const { temperature } = received;
        const { logLoss } = await evaluate(logits, targets, { shape: [-1, classes], temperature, ...dtype });
        expect(Math.abs(logLoss / received.logLoss - 1)).toBeLessThan(2e-7);
      });
    }

    it('at 0.01 where the data are separable', async () => {
      const received = await fitted(
        [
          [2, 0, 1],
          [0, 1, 0],
          [0, 0.5, 0.6],
        ],
        [0, 1, 2],
      );
      expect(received).toMatchObject({ temperature: 0.01, converged: false });
      expect(received.logLoss).toBeCloseTo(Math.log1p(Math.exp(-10)) / 3, 12);
      expect(received.logLoss).toBeLessThan(received.logLossBefore);
    });

    it('at 100 where every row is wrong', async () => {
      const received = await fitted(
        [
          [2, 0, 1],
          [0, 1, 0],
        ],
        [1, 0],
      );
      expect(received).toMatchObject({ temperature: 100, converged: false });
      expect(received.logLoss).toBeCloseTo(Math.log(3), 1);
    });

    it('1 where no temperature is better than another', async () => {
      const one = { temperature: 1, logLoss: 0, logLossBefore: 0, converged: true };
      expect(await fitted(Float32Array.of(3, -2), [0, 0], { shape: [2, 1] })).toEqual(one);
      const equal = await fitted(
        [
          [2, 2],
          [0, 0],
        ],
        [0, 1],
      );
      expect(equal).toMatchObject({ temperature: 1, converged: true });
      expect(equal.logLoss).toBeCloseTo(Math.log(2), 15);
    });

    it('under masks, lengths, offsets and along another axis', async () => {
      const { x, targets } = drawn('forms', 60, 5, 2);
      const { temperature } = await fitted(x, targets, { shape: [-1, 5] });
      const columns = Float64Array.from({ length: 300 }, (_, i) => x[(i % 60) * 5 + Math.floor(i / 60)]);
      const wide = Float64Array.from({ length: 420 }, (_, i) =>
        i % 7 < 5 ? x[Math.floor(i / 7) * 5 + (i % 7)] : 99,
      );
      const offsets = Array.from({ length: 61 }, (_, r) => 5 * r);
      for (const again of [
        await fitted(columns, targets, { shape: [5, -1], axis: 0 }),
        await fitted(wide, targets, { shape: [-1, 7], where: [1, 1, 1, 1, 1, 0, 0] }),
        await fitted(wide, targets, { shape: [-1, 7], lengths: new Uint32Array(60).fill(5) }),
        await fitted(x, targets, { offsets }),
      ])
        expect(again.temperature / temperature - 1).toBeCloseTo(0, 12);
    });

    it('where logits are so large that only warmth leaves a finite loss', async () => {
      const received = await fitted(
        [
          [0, 1e308],
          [9e307, 0],
          [1e308, 0],
          [1e308, 0],
        ],
        [0, 0, 0, 0],
      );
      expect(received.logLossBefore).toBe(2.5e307);
      const { converged, temperature } = await fitted(
        [
          [-1.7e308, 1.7e308],
          [1.7e308, 0],
        ],
        [0, 0],
      );
      expect({ converged, temperature }).toEqual({ converged: false, temperature: 100 });
    });

    it.each([
      [
        'no row is left',
        [[1, 2]],
        [-100],
        'Expected at least one row that is not ignored for targets but received',
      ],
      ['a row has a NaN', [[1, NaN]], [0], 'Expected a finite mean log loss for x but received NaN'],
      ['a row has +Infinity', [[1, Infinity]], [0], 'Expected a finite mean log loss for x but received NaN'],
      [
        'a target has logit -Infinity',
        [[1, -Infinity]],
        [1],
        'Expected a finite mean log loss for x but received Infinity',
      ],
    ])('a RangeError where %s', async (_, x, targets, message) => {
      await expect(fitted(x, targets)).rejects.toThrow(message);
      await expect(fitted(x, targets)).rejects.toMatchObject({
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      });
    });

    it('the temperature is what it looks for', async () => {
      await expect(fitted([1, 2], [0], { temperature: 2 } as object)).rejects.toMatchObject({
        code: 'ERR_UNKNOWN_OPTION',
      });
    });
  },
);
