/**
 * How logits are reduced on the way to their exponentials over a temperature.
 *
 * The logits are reduced themselves, not their distance from the row's maximum: `x - max` would round, and
 * the exponential would turn that into tens of ULP. With K = T·ln2/128,
 *
 *     x = n·K + s,  |s| <= K/2,   e^(x/T) = 2^(n/128) · e^(s/T),
 *
 * and the row's maximum enters as an integer, subtracted from the exponent of two, where nothing rounds. The
 * common factor 2^-exponent cancels in the quotient that every op ends with.
 */
import { type DoubleDouble, topHalf, twoProduct, twoSum } from './doubleDouble.js';

export const STEPS = 128;
export const STEP_BITS = 7;

/** Math.LN2 is ln 2 rounded; this is what rounding left out. */
const LN2_LOW = 2.3190468138462996e-17;

/** Adding and taking away 1.5·2^52 rounds a float64 of less than 2^51 to an integer, ties to even. */
const ROUND = 6755399441055744;

/**
 * The largest term of a row lies in [2^120, 2^121): far enough up that a term which ends as the least
 * subnormal is normal here and so is rounded only once, and far enough down that no sum overflows.
 */
export const TOP_EXPONENT = 120;
/** 2^50 terms of e^-780 times the largest would not add up to half the least subnormal. */
export const REACH = 780;
/** 780/ln2 powers below the top; and many above it, for a normaliser that is less than the maximum. */
export const POWERS_BELOW = 1128;
export const POWERS_ABOVE = 900;

/** Past this many steps the reduction of x itself would lose bits; the difference x - max is exact there. */
const DIRECT_STEPS = 2 ** 26;

/** How logits are reduced at one temperature. */
export interface Reduction {
  readonly temperature: number;
  /** Temperatures past 2^±500 are scaled by 2^∓600, and the logits with them: first `down`, then `up`. */
  readonly down: number;
  readonly up: number;
  /** 128·log2(e)/T, rounded: it only chooses n, so its error only widens |s| by a hair. */
  readonly perStep: number;
  /** K in two parts. The first has 26 bits, so n·K is exact for |n| <= 2^27, and so is x - n·K (Sterbenz). */
  readonly step: number;
  readonly stepLow: number;
  /** 1/T, rounded. */
  readonly inverse: number;
  /** How far below its maximum a row has terms: 780·T. */
  readonly reach: number;
}

/** Most calls have the temperature of the one before, and its divisions take as long as a row of few classes. */
let latest = reductionAt(1);

export function reduction(temperature: number): Reduction {
  if (temperature !== latest.temperature) latest = reductionAt(temperature);
  return latest;
}

function reductionAt(temperature: number): Reduction {
  const scale = temperature < 2 ** -500 ? 2 ** 600 : temperature > 2 ** 500 ? 2 ** -600 : 1;
  const t = temperature * scale;
  const product = twoProduct(t, Math.LN2 / STEPS);
  const k = twoSum(product.high, product.low + t * (LN2_LOW / STEPS));
  const step = topHalf(k.high);
  return {
    temperature,
    down: Math.min(scale, 1),
    up: Math.max(scale, 1),
    perStep: STEPS / (t * Math.LN2),
    step,
    stepLow: k.high - step + k.low,
    inverse: 1 / t,
    reach: REACH * t,
  };
}

/** Where a row's terms are counted from: what its maximum decides. */
export interface Origin {
  /** Subtracted from every logit, after scaling down: 0, or the maximum of a row too large to reduce directly. */
  readonly shift: number;
  /** The exponent of the largest term, which becomes `TOP_EXPONENT`. */
  readonly exponent: number;
  /** Logits (shifted) below this are taken to be this: their terms vanish in every result. */
  readonly floor: number;
}

/** For a row with this finite maximum. */
export function originOf(max: number, by: Reduction): Origin {
  if (!isDirect(max, by)) return { shift: max * by.down, exponent: 0, floor: -by.reach };
  const m = max * by.down * by.up;
  return { shift: 0, exponent: exponentOf(m * by.perStep), floor: m - by.reach };
}

export function isDirect(x: number, by: Reduction): boolean {
  return Math.abs(x * by.down * by.up * by.perStep) <= DIRECT_STEPS;
}

export function exponentOf(steps: number): number {
  return (steps + ROUND - ROUND) >> STEP_BITS;
}

/** max/T as a double-double, as far as it is in range. */
export function overTemperature(max: number, by: Reduction): DoubleDouble {
  const x = max * by.down * by.up;
  const t = by.temperature * by.down * by.up;
  const high = max / by.temperature;
  if (Math.abs(high) > 2 ** 400 || Math.abs(high) < 2 ** -400) return { high, low: 0 };
  const back = twoProduct(high, t);
  return { high, low: (x - back.high - back.low) / t };
}
