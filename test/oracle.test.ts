import { Decimal } from 'decimal.js';
import { describe, expect, it } from 'vitest';
import { exponentialOf } from './exponential.js';
import { type Exact, exactly, exactRow, ulpDistance } from './oracle.js';
import { Random, seed } from './random.js';

Decimal.set({ precision: 520, minE: -9e15, maxE: 9e15 });

/** The value as decimal.js computes it, from definitions. */
function byDefinition(logits: number[], temperature: number) {
  const t = new Decimal(exactly(temperature));
  const x = logits.map((logit) => new Decimal(exactly(logit)).div(t));
  const terms = x.map((v) => v.minus(Decimal.max(...x)).exp());
  const sum = terms.reduce((a, b) => a.plus(b));
  return {
    softmax: terms.map((v) => v.div(sum)),
    logSoftmax: x.map((v) => v.minus(Decimal.max(...x)).minus(sum.ln())),
    logSumExp: [Decimal.max(...x).plus(sum.ln())],
  };
}

function relativeError(exact: Exact, at: number, expected: Decimal): number {
  const value = new Decimal(exactly(exact.high[at]))
    .plus(exactly(exact.low[at]))
    .div(Decimal.pow(2, exact.scale[at]));
  if (expected.isZero()) return value.isZero() ? 0 : Infinity;
  return value.minus(expected).div(expected).abs().toNumber();
}

describe('The oracle agrees with decimal.js to 2^-80 of the value, a hundred-millionth of an ULP', () => {
  for (const temperature of [1, 0.05, 0.7, 3, 1e-300, 5e-324, 1.7e308]) {
    for (const range of [1, 10, 104, 740, 1e6]) {
      it(`temperature ${temperature}, logits over it within ±${range} (seed ${seed})`, () => {
        const random = new Random(`oracle ${temperature} ${range}`);
        for (let repeat = 0; repeat < 2; repeat++) {
          const spread = Math.min(temperature * range, Number.MAX_VALUE);
          const logits = Array.from({ length: 1 + random.below(5) }, () => random.between(-spread, spread));
          const exact = exactRow(logits, temperature);
          const expected = byDefinition(logits, temperature);
          for (const op of ['softmax', 'logSoftmax', 'logSumExp'] as const) {
            for (let i = 0; i < expected[op].length; i++) {
              // Below e^-740 only the scaled part matters, and logSoftmax of less than 2^-1100 is 0.
              if (expected[op][i].abs().lt('1e-330')) continue;
              const place = `${op}[${i}] of ${logits}`;
              if (op === 'logSumExp') {
                // It may cancel: its error is that of its parts.
                const parts = expected[op][0].minus(
                  Decimal.max(...logits.map(exactly)).div(exactly(temperature)),
                );
                const size = Decimal.max(1, parts.abs()).div(expected[op][0]).abs().toNumber();
                expect(relativeError(exact[op], i, expected[op][i]), place).toBeLessThan(
                  2 ** -80 * Math.max(1, size),
                );
              } else expect(relativeError(exact[op], i, expected[op][i]), place).toBeLessThan(2 ** -80);
            }
          }
        }
      });
    }
  }
});

describe('ULP distance', () => {
  const exact = (value: number): Exact => ({
    high: Float64Array.of(value),
    low: Float64Array.of(0),
    scale: Int16Array.of(0),
  });
  it('is fractional, and counts in units of the type at the exact value', () => {
    expect(ulpDistance(1 + 2 ** -23, exact(1), 0, 'float32')).toBe(1);
    expect(ulpDistance(1, exact(1 + 2 ** -25), 0, 'float32')).toBe(0.25);
    expect(ulpDistance(1 + 2 ** -52, exact(1), 0, 'float64')).toBe(1);
    expect(ulpDistance(1.5, exact(1), 0, 'bfloat16')).toBe(64);
  });
  it('is that of the least subnormal below the least normal number', () => {
    expect(ulpDistance(2 ** -149, exact(2 ** -140), 0, 'float32')).toBe(511);
    expect(ulpDistance(0, exact(2 ** -25), 0, 'float16')).toBe(0.5);
  });
  it('is 0 for infinity where the exact value is past the largest number, infinite elsewhere', () => {
    expect(ulpDistance(-Infinity, exact(-6e38), 0, 'float32')).toBe(0);
    expect(ulpDistance(-Infinity, exact(-1e38), 0, 'float32')).toBe(Infinity);
    expect(ulpDistance(NaN, exact(1), 0, 'float32')).toBe(Infinity);
  });
});

it('exponentialOf agrees with decimal.js to 78 digits, and rounds as its argument does', () => {
  const random = new Random('exponentials');
  const Precise = Decimal.clone({ precision: 90, minE: -9e15, maxE: 9e15 });
  const numbers = [0, -0, 1, -1, 1e-60, -1e-60, Math.LN2, -Math.LN2, 99_999, -99_999, -1e5, -1e30, -Infinity];
  for (let i = 0; i < 60; i++) numbers.push(random.between(-1, 1) * 10 ** random.between(-20, 5));
  for (const number of numbers) {
    const x = new Precise(exactly(number));
    const expected = x.exp();
    const off = exponentialOf(x).minus(expected);
    expect(expected.isZero() ? off.isZero() : off.div(expected).abs().lessThan('1e-78'), `${number}`).toBe(
      true,
    );
  }
  const Short = Decimal.clone({ precision: 12 });
  expect(exponentialOf(new Short(1)).toString()).toBe('2.71828182846');
});
