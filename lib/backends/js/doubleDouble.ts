/**
 * The few operations on unevaluated sums `high + low` of two float64 that the constants need (JavaScript has
 * no fused multiply-add). After Dekker (1971) and Knuth; each is exact or good to 2^-100.
 */
export interface DoubleDouble {
  readonly high: number;
  readonly low: number;
}

/** 2^27 + 1: Veltkamp's splitter, which leaves 26 bits in either half. */
const SPLITTER = 134217729;

/** The top 26 bits of `x`, rounded; |x| < 2^996. */
export function topHalf(x: number): number {
  const t = SPLITTER * x;
  return t - (t - x);
}

/** a + b exactly. */
export function twoSum(a: number, b: number): DoubleDouble {
  const high = a + b;
  const bb = high - a;
  return { high, low: a - (high - bb) + (b - bb) };
}

/** a·b exactly, where neither the product nor its parts leave the normal range. */
export function twoProduct(a: number, b: number): DoubleDouble {
  const high = a * b;
  const ah = topHalf(a);
  const al = a - ah;
  const bh = topHalf(b);
  const bl = b - bh;
  return { high, low: ah * bh - high + ah * bl + al * bh + al * bl };
}

export function multiply(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const p = twoProduct(a.high, b.high);
  return twoSum(p.high, p.low + (a.high * b.low + a.low * b.high));
}

export function squareRoot(a: DoubleDouble): DoubleDouble {
  const root = Math.sqrt(a.high);
  const square = twoProduct(root, root);
  return twoSum(root, (a.high - square.high - square.low + a.low) / (2 * root));
}

/** a / b to 2^-100, for operands whose product with the quotient stays in the normal range. */
export function quotient(a: number, b: number): DoubleDouble {
  const high = a / b;
  const back = twoProduct(high, b);
  return { high, low: (a - back.high - back.low) / b };
}
