/** The sum that losses are added up by: exact whatever the numbers and their order. */
import { describe, expect, it } from 'vitest';
import { ExactSum, rounded, TOTAL_LENGTH } from '../lib/backends/js/exactSum.js';
import { exactSum } from './exact-sum.js';
import { Random, seed } from './random.js';

function sumOf(numbers: readonly number[]): number {
  const total = new Float64Array(TOTAL_LENGTH);
  const sum = new ExactSum(total);
  for (const one of numbers) sum.add(one);
  sum.end();
  return rounded(total);
}

describe(`the exact sum (seed ${seed})`, () => {
  it.each([
    [[], 0],
    [[-0], 0],
    [[1e308, 1e308], Infinity],
    [[1e308, 1e308, -1e308], 1e308],
    [[5e-324, 1, -1], 5e-324],
    [[1, 2 ** -53], 1],
    [[1, 2 ** -53, 5e-324], 1 + 2 ** -52],
    [[-1, -(2 ** -53), -5e-324], -1 - 2 ** -52],
    [[1 + 2 ** -52, 2 ** -53], 1 + 2 ** -51],
    [[Infinity, 1], Infinity],
    [[-Infinity, 1], -Infinity],
    [[Infinity, -Infinity], NaN],
    [[NaN, Infinity], NaN],
  ])('of %j is %d', (numbers, expected) => {
    expect(sumOf(numbers)).toBe(expected);
  });

  it.each([
    ['of one size', 1],
    ['of two sizes', 5],
    ['far apart', 60],
    ['of all sizes', 1000],
  ])('is the double next to it: numbers %s', (_, spread) => {
    const random = new Random(`exact sum ${spread}`);
    for (let i = 0; i < 3000; i++) {
      const numbers = Array.from({ length: 1 + Math.floor(random.next() * 30) }, () => {
        const size = random.between(-1, 1) * 2 ** random.between(-spread, spread);
        return i % 3 === 0 ? Math.abs(size) : size;
      });
      if (i % 5 === 0) numbers.push(...numbers.slice(1).map((one) => -one));
      expect(sumOf(numbers), `numbers ${numbers.join(', ')}`).toBe(exactSum(numbers));
    }
  });

  it('has room for more numbers than digits are carried after', () => {
    // Full digits, which 2^27 of would not fit without: the last of 2^20 numbers and more still counts.
    const numbers = new Array<number>(2 ** 20 + 2 ** 10).fill(2 ** 53 - 1);
    expect(sumOf(numbers)).toBe(Number((2n ** 53n - 1n) * BigInt(numbers.length)));
  });
});
