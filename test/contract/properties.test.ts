import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logSoftmax, logSumExp, softmax } from '../../lib/index.js';
import { bits } from '../elements.js';
import { budget, seed } from '../random.js';
import { backendName } from './ways.js';

/** A failure prints the path: run it alone with fc's `{ seed, path }` here. */
const settings = { seed, numRuns: 300 * budget };

const logit = fc.oneof(
  { weight: 5, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) },
  { weight: 1, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 1, -1) },
);
const rows32 = fc.array(logit, { minLength: 1, maxLength: 90 }).map((values) => Float32Array.from(values));
const rows64 = fc.array(logit, { minLength: 1, maxLength: 90 }).map((values) => Float64Array.from(values));
const temperature = fc.oneof(fc.constant(1), fc.double({ min: 0.05, max: 3, noNaN: true }));

const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

describe(`Properties on ${backendName} (seed ${seed})`, () => {
  it('the probabilities of a row add up to 1', () => {
    fc.assert(
      fc.property(rows32, temperature, (x, temperature) => {
        const y = softmax(x, { temperature });
        expect(Math.abs(sum(y) - 1)).toBeLessThan(2 ** -22);
      }),
      settings,
    );
    fc.assert(
      fc.property(rows64, temperature, (x, temperature) => {
        const y = softmax(x, { temperature });
        expect(Math.abs(sum(y) - 1)).toBeLessThan(2 ** -50);
      }),
      settings,
    );
  });

  it('adding the same number to all logits changes nothing but rounding', () => {
    const whole = fc.array(fc.integer({ min: -300, max: 300 }), { minLength: 1, maxLength: 90 });
    fc.assert(
      fc.property(whole, fc.integer({ min: -(2 ** 20), max: 2 ** 20 }), (values, shift) => {
        // Quarters of integers: the sums are exact.
        const here = softmax(Float64Array.from(values, (v) => v / 4));
        const there = softmax(Float64Array.from(values, (v) => v / 4 + shift));
        for (let i = 0; i < values.length; i++) {
          expect(Math.abs(here[i] - there[i])).toBeLessThanOrEqual(8 * 2 ** -52 * here[i]);
        }
      }),
      settings,
    );
  });

  it('reordering the classes reorders the results, but for rounding', () => {
    const pair = rows32.chain((x) =>
      fc.tuple(fc.constant(x), fc.shuffledSubarray([...x.keys()], { minLength: x.length })),
    );
    fc.assert(
      fc.property(pair, ([x, order]) => {
        const straight = softmax(x);
        const shuffled = softmax(Float32Array.from(order, (i) => x[i]));
        for (let i = 0; i < x.length; i++) {
          expect(Math.abs(shuffled[i] - straight[order[i]])).toBeLessThanOrEqual(
            Math.max(2 ** -22 * straight[order[i]], 2 ** -148),
          );
        }
      }),
      settings,
    );
  });

  it('a larger logit never gets a smaller result, an equal one always an equal result', () => {
    for (const rows of [rows32, rows64]) {
      fc.assert(
        fc.property(rows as fc.Arbitrary<Float32Array>, temperature, (x, temperature) => {
          for (const y of [softmax(x, { temperature }), logSoftmax(x, { temperature })]) {
            const order = [...x.keys()].sort((a, b) => x[a] - x[b]);
            for (let i = 1; i < order.length; i++) {
              const [a, b] = [order[i - 1], order[i]];
              if (x[a] === x[b]) expect(y[a] === y[b]).toBe(true);
              else expect(y[b]).toBeGreaterThanOrEqual(y[a]);
            }
          }
        }),
        settings,
      );
    }
  });

  it('softmax is the exponential of logSoftmax, and logSoftmax the logit less logSumExp', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 1 }), (values) => {
        const x = Float64Array.from(values);
        const [y, logs, [total]] = [softmax(x), logSoftmax(x), logSumExp(x)];
        for (let i = 0; i < x.length; i++) {
          expect(Math.abs(Math.exp(logs[i]) / y[i] - 1)).toBeLessThan(1e-13);
          expect(Math.abs(x[i] - total - logs[i])).toBeLessThan(1e-13);
        }
      }),
      settings,
    );
  });

  it('scaling logits and temperature by a power of two changes no bit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 70 }),
        fc.integer({ min: -20, max: 20 }),
        (values, power) => {
          // Subnormal logits would lose bits on the way down.
          const x = Float32Array.from(values, (v) => (Math.abs(v) < 2 ** -100 ? 0 : v));
          const scaled = softmax(
            Float32Array.from(x, (v) => v * 2 ** power),
            { temperature: 2 ** power },
          );
          expect(bits(scaled)).toBe(bits(softmax(x)));
        },
      ),
      settings,
    );
  });
});
