/** e^x for tests that ask for it by the ten thousand: decimal.js itself takes tens of times as long. oracle.test.ts compares them. */
import { Decimal } from 'decimal.js';

/** Of numbers in fixed point: 80 digits of the result are right. */
const BITS = 300;
const SHIFT = BigInt(BITS);
/** The argument of the series is halved so many times. */
const HALVINGS = 8n;
/** What is farther from 0 is left to decimal.js. */
const FARTHEST = 1e5;

const Wide = Decimal.clone({ precision: 120, minE: -9e15, maxE: 9e15 });
const SCALE = Wide.pow(2, BITS);
const LN2 = fixed(Wide.ln(2));
const powers = new Map<number, Decimal>();

function fixed(x: Decimal): bigint {
  return BigInt(new Wide(x).times(SCALE).toFixed(0));
}

function powerOf2(exponent: number): Decimal {
  const power = powers.get(exponent) ?? Wide.pow(2, exponent);
  powers.set(exponent, power);
  return power;
}

/** Rounded to the digits that numbers like `x` have. */
export function exponentialOf(x: Decimal): Decimal {
  if (!x.abs().lessThan(FARTHEST)) return x.exp();
  const all = fixed(x);
  const floor = all / LN2 - (all < 0n ? 1n : 0n);
  const rest = (all - floor * LN2) >> HALVINGS;
  let term = 1n << SHIFT;
  let sum = term;
  for (let n = 1n; term > 0n; n++) {
    term = ((term * rest) >> SHIFT) / n;
    sum += term;
  }
  for (let i = 0n; i < HALVINGS; i++) sum = (sum * sum) >> SHIFT;
  const Same = x.constructor as typeof Decimal;
  return new Same(sum.toString()).times(powerOf2(Number(floor) - BITS));
}
