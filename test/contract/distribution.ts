/** Whether draws come from a distribution. */
import { expect } from 'vitest';

/** The upper 1e-6 quantile of chi-squared, after Wilson and Hilferty. */
function chiSquaredLimit(degrees: number): number {
  const a = 2 / (9 * degrees);
  return degrees * (1 - a + 4.753 * Math.sqrt(a)) ** 3;
}

/** Expects the draws to come from a distribution, by a chi-squared test; none of a class whose probability is 0. */
export function expectDistribution(draws: Uint32Array, expected: readonly number[]): void {
  const counts = new Array<number>(expected.length).fill(0);
  for (const draw of draws) counts[draw]++;
  let chiSquared = 0;
  let degrees = -1;
  expected.forEach((p, i) => {
    if (p === 0) expect(counts[i], `draws of class ${i}`).toBe(0);
    else {
      chiSquared += (counts[i] - p * draws.length) ** 2 / (p * draws.length);
      degrees++;
    }
  });
  expect(chiSquared, `${counts} of ${expected}`).toBeLessThan(degrees > 0 ? chiSquaredLimit(degrees) : 1e-9);
}
