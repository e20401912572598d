/**
 * Exponentials of a whole block of logits over a temperature, each good to 0.51 ULP of float64.
 *
 * The logits are reduced themselves, not their distance from the row's maximum: `x - max` would round, and
 * the exponential would turn that into tens of ULP. With K = T·ln2/128,
 *
 *     x = n·K + s,  |s| <= K/2,   e^(x/T) = 2^(n/128) · e^(s/T),
 *
 * and the row's maximum enters as an integer, subtracted from the exponent of two, where nothing rounds. The
 * common factor 2^-exponent cancels in the quotient that every op ends with.
 */
import { type DoubleDouble, multiply, squareRoot, topHalf, twoProduct, twoSum } from './doubleDouble.js';

const STEPS = 128;
const STEP_BITS = 7;

/** Math.LN2 is ln 2 rounded; this is what rounding left out. */
const LN2_LOW = 2.3190468138462996e-17;

/** Adding and taking away 1.5·2^52 rounds a float64 of less than 2^51 to an integer, ties to even. */
const ROUND = 6755399441055744;

/**
 * 2^(j/128) as a high and a low part: the six square roots of 2^(1/2) multiplied together, in double-double.
 * The low part keeps the table's own rounding out of the result.
 */
const TABLE = new Float64Array(STEPS);
const TABLE_LOW = new Float64Array(STEPS);
{
  const roots: DoubleDouble[] = [];
  let root: DoubleDouble = { high: 2, low: 0 };
  for (let bit = STEP_BITS - 1; bit >= 0; bit--) {
    root = squareRoot(root);
    roots[bit] = root;
  }
  for (let j = 0; j < STEPS; j++) {
    let power: DoubleDouble = { high: 1, low: 0 };
    for (let bit = 0; bit < STEP_BITS; bit++) if ((j >> bit) & 1) power = multiply(power, roots[bit]);
    TABLE[j] = power.high;
    TABLE_LOW[j] = power.low;
  }
}

/**
 * The largest term of a row lies in [2^120, 2^121): far enough up that a term which ends as the least
 * subnormal is normal here and so is rounded only once, and far enough down that no sum overflows.
 */
const TOP_EXPONENT = 120;
/** 2^50 terms of e^-780 times the largest would not add up to half the least subnormal. */
const REACH = 780;
/** 780/ln2 powers below the top; and many above it, for a normaliser that is less than the maximum. */
const POWERS_BELOW = 1128;
const POWERS_ABOVE = 900;
const POWERS = new Float64Array(POWERS_BELOW + POWERS_ABOVE + 1);
for (let i = 0; i < POWERS.length; i++) POWERS[i] = 2 ** (TOP_EXPONENT - POWERS_BELOW + i);

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

export function reduction(temperature: number): Reduction {
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

function isDirect(x: number, by: Reduction): boolean {
  return Math.abs(x * by.down * by.up * by.perStep) <= DIRECT_STEPS;
}

function exponentOf(steps: number): number {
  return (steps + ROUND - ROUND) >> STEP_BITS;
}

/**
 * Replaces the first `count` logits of the block by their terms: e^(x/T) times the power of two that makes the
 * origin's exponent 120. A term less than e^-780 of the largest need not be right, only too small to matter.
 */
export function exponentials(block: Float64Array, count: number, by: Reduction, from: Origin): void {
  if (from.shift !== 0 || by.down !== by.up) subtract(block, count, from.shift, by);
  const { perStep, step, stepLow, inverse } = by;
  const floor = from.floor;
  const bias = POWERS_BELOW - from.exponent;
  // Bundlers turn module constants into variables, which V8 reads anew at every use; hence these copies.
  const round = ROUND;
  const table = TABLE;
  const tableLow = TABLE_LOW;
  const powers = POWERS;
  for (let i = 0; i < count; i++) {
    const logit = block[i];
    // biome-ignore lint/complexity/useMathMinMax: Math.max also tells -0 from 0, which costs half as much again.
    const x = logit < floor ? floor : logit;
    const n = x * perStep + round - round;
    const r = (x - n * step - n * stepLow) * inverse;
    // e^r - 1 for |r| <= ln2/256: the next Taylor term, r^6/720, is less than 2^-60.
    const r2 = r * r;
    const p = r + r2 * (1 / 2 + r * (1 / 6) + r2 * (1 / 24 + r * (1 / 120)));
    const k = n | 0;
    const j = k & 127;
    const t = table[j];
    block[i] = powers[(k >> 7) + bias] * (t + (tableLow[j] + t * p));
  }
}

/** x - shift is exact for every logit that has a term; -1.7e308 - 1.7e308 is -Infinity, as good as its term. */
function subtract(block: Float64Array, count: number, shift: number, by: Reduction): void {
  const { down, up } = by;
  for (let i = 0; i < count; i++) block[i] = (block[i] * down - shift) * up;
}

/** A row counted from e^normalizer: its terms over `total` are e^(x/T - normalizer). */
export interface Normalized {
  readonly origin: Origin;
  readonly total: number;
}

const UNIT = reduction(1);
const one = new Float64Array(1);

/**
 * For the log-sum-exp of a row that this one, with this finite maximum, is a shard of. Undefined for a number
 * so far below the maximum that it is the log-sum-exp of no such row: a result would exceed 2^800.
 */
export function originOfNormalizer(normalizer: number, max: number, by: Reduction): Normalized | undefined {
  const t = by.temperature * by.down * by.up;
  if (isDirect(max, by) && isDirect(normalizer, UNIT)) {
    const exponent = exponentOf(normalizer * UNIT.perStep);
    if (originOf(max, by).exponent - exponent > 800) return undefined;
    return {
      origin: { shift: 0, exponent, floor: normalizer * t - by.reach },
      total: exponentialFrom(normalizer, exponent),
    };
  }
  // The logits are shifted by their maximum, so the normaliser is by max/T: a quotient needed past its last bit.
  const lead = overTemperature(max, by);
  const n = twoSum(normalizer, -lead.high);
  if (!(n.high > -800 * Math.LN2)) return undefined;
  const vanishing = n.high > 2 * REACH;
  const high = vanishing ? 2 * REACH : n.high;
  const exponent = exponentOf(high * UNIT.perStep);
  return {
    origin: { shift: max * by.down, exponent, floor: high * t - by.reach },
    total: exponentialFrom(high, exponent) * (1 + (vanishing ? 0 : n.low - lead.low)),
  };
}

function exponentialFrom(x: number, exponent: number): number {
  one[0] = x;
  exponentials(one, 1, UNIT, { shift: 0, exponent, floor: x });
  return one[0];
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
