/** The entropy of rows, against decimal.js, and its special rows; the record of bits has its routes. */
import { Decimal } from 'decimal.js';
import { describe, expect, it } from 'vitest';
import { entropy } from '../../lib/index.js';
import { elements, elementTypes, numbers } from '../elements.js';
import { exponentialOf } from '../exponential.js';
import { exactly } from '../oracle.js';
import { Random, seed } from '../random.js';
import { expectSame } from './same.js';
import { backendName } from './ways.js';

const Precise = Decimal.clone({ precision: 40, minE: -9e15, maxE: 9e15 });

/** -Σ p ln p as ln S + Σ p (max - x)/T. */
function exactEntropy(logits: ArrayLike<number>, temperature: number): Decimal {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]);
  let sum = new Precise(0);
  let distances = new Precise(0);
  for (let i = 0; i < logits.length; i++) {
    if (logits[i] === -Infinity) continue;
    const far = exactly(max).minus(exactly(logits[i])).div(exactly(temperature));
    const term = exponentialOf(new Precise(far).negated());
    sum = sum.plus(term);
    distances = distances.plus(term.times(far));
  }
  return sum.ln().plus(distances.div(sum));
}

/** A unit in the last place of a result. */
function ulp(value: number, type: 'float32' | 'float64'): number {
  const [bits, least] = type === 'float32' ? [23, -126] : [52, -1022];
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), least) - bits);
}

const special = [
  [[0], 1],
  [[0, 0], 1],
  [[0, -40], 1],
  [[0, -100], 1],
  [[0, -1e30], 1],
  [[0, -Infinity, 3], 1],
  [[3e38, -3e38], 1],
  [[3e38, -3e38], 1e38],
  [[1e-38, 0, -1e-38], 1e-38],
  [[700, 690, 650, -3e38], 0.25],
] as const satisfies readonly (readonly [readonly number[], number])[];

describe(`The entropy of rows, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    const reduced = type === 'float64' ? 'float64' : 'float32';
    const limit = reduced === 'float64' ? 16 : 4;
    const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
    const check = (values: ArrayLike<number>, temperature: number) => {
      const x = elements(values, type);
      const [received] = entropy(x, { temperature, ...dtype }) as Float32Array;
      const exact = exactEntropy(numbers(x, type), temperature);
      const off = exactly(received).minus(exact).abs().toNumber();
      const place = `${type}, ${values.length} classes, T ${temperature}: ${received}, and ${exact.toNumber()}`;
      expectSame(off <= 1e-30 || off / ulp(exact.toNumber(), reduced) <= limit, true, place);
      expect(received, place).toBeGreaterThanOrEqual(0);
    };

    it(`is within ${limit} ULP or 1e-30: ${type}`, () => {
      const random = new Random(`entropy ${type}`);
      for (const length of [1, 2, 3, 8, 9, 33, 130]) {
        for (const spread of [1e-3, 10, 300]) {
          for (const temperature of [1, 0.3])
            check(random.fill(new Float64Array(length), spread), temperature);
        }
      }
    });

    it(`so it is for long rows: ${type}`, () => {
      const random = new Random(`long entropy ${type}`);
      for (const length of reduced === type ? [1000, 4097] : [1000])
        check(random.fill(new Float64Array(length), 10), 0.7);
    });

    if (type === 'float32' || type === 'float64')
      it.each(special)(`of [%s] over %s: ${type}`, (values, temperature) => check(values, temperature));
  }

  it('of equal logits is the logarithm of their number', () => {
    expect(entropy(new Float64Array(8))[0]).toBeCloseTo(Math.log(8), 14);
  });

  it('a row with NaN, +Infinity or nothing but -Infinity gives NaN; one with nothing left gives 0', () => {
    const rows = [NaN, 1, Infinity, 1, -Infinity, -Infinity, 2, 2];
    expect([...entropy(Float32Array.from(rows), { shape: [4, 2] })]).toEqual([
      NaN,
      NaN,
      NaN,
      Math.fround(Math.LN2),
    ]);
    const where = [
      [false, false],
      [true, false],
    ];
    expect([...entropy(Float32Array.of(NaN, 1, 5, NaN), { shape: [2, 2], where })]).toEqual([0, 0]);
    expect([...entropy(new Float32Array(0), { shape: [2, 0] })]).toEqual([0, 0]);
  });

  it('keeps its row apart from the batch, along any axis', () => {
    const x = new Random('entropy axes').fill(new Float64Array(3 * 5 * 7), 5);
    const along = entropy(x, { shape: [3, 5, 7], axis: 1 });
    for (let outer = 0; outer < 3; outer++) {
      for (let inner = 0; inner < 7; inner++) {
        const row = Float64Array.from({ length: 5 }, (_, i) => x[outer * 35 + i * 7 + inner]);
        expectSame(along[outer * 7 + inner], entropy(row)[0]);
      }
    }
  });

  it('a row has the bits that it has alone, whatever the longest of its neighbours is', () => {
    const random = new Random('entropy of ragged rows');
    for (const counts of [
      [3, 7, 1, 10, 2, 9],
      [3, 20, 16, 17, 5, 1],
      [3, 40, 5, 33, 31, 1],
      [1500, 6, 200, 17],
    ]) {
      const offsets = [0];
      for (const count of counts) offsets.push(offsets[offsets.length - 1] + count);
      const longest = Math.max(...counts);
      const x = random.fill(new Float32Array(offsets[counts.length]), 5);
      const padded = new Float32Array(counts.length * longest);
      const rows = counts.map((_, row) => x.subarray(offsets[row], offsets[row + 1]));
      for (const [row, logits] of rows.entries()) padded.set(logits, row * longest);
      const alone = rows.map((logits) => entropy(logits)[0]);
      expect([...entropy(x, { offsets })], `ragged ${counts}`).toEqual(alone);
      const lengths = Uint32Array.from(counts);
      expect([...entropy(padded, { shape: [counts.length, longest], lengths })], `padded ${counts}`).toEqual(
        alone,
      );
    }
  });
});
