/**
 * The exact answers, to about 100 bits: softmax and its logarithms in double-double arithmetic (unevaluated
 * sums of two float64), fast enough for millions of elements. It shares nothing with lib/ and is itself held
 * to decimal.js in oracle.test.ts.
 */
import { Decimal } from 'decimal.js';
import type { ElementType } from '../lib/backends/problem.js';

/** Real numbers: (high + low) · 2^-scale. The scale keeps subnormal results from losing bits here. */
export interface Exact {
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly scale: Int16Array;
}

export interface ExactRow {
  readonly softmax: Exact;
  readonly logSoftmax: Exact;
  readonly logSumExp: Exact;
}

/** The result of the latest operation, high and low: in an array, where V8 needs no new memory for each number. */
const R = new Float64Array(2);

function sum(a: number, b: number): void {
  const s = a + b;
  const bb = s - a;
  R[1] = a - (s - bb) + (b - bb);
  R[0] = s;
}

const SPLITTER = 2 ** 27 + 1;

function product(a: number, b: number): void {
  const p = a * b;
  const at = SPLITTER * a;
  const ah = at - (at - a);
  const al = a - ah;
  const bt = SPLITTER * b;
  const bh = bt - (bt - b);
  const bl = b - bh;
  R[1] = ah * bh - p + ah * bl + al * bh + al * bl;
  R[0] = p;
}

function multiply(ah: number, al: number, bh: number, bl: number): void {
  product(ah, bh);
  sum(R[0], R[1] + (ah * bl + al * bh));
}

function add(ah: number, al: number, bh: number, bl: number): void {
  sum(ah, bh);
  const h = R[0];
  const l = R[1];
  sum(al, bl);
  const low = R[1];
  sum(h, l + R[0]);
  sum(R[0], R[1] + low);
}

function divide(ah: number, al: number, bh: number, bl: number): void {
  const q = ah / bh;
  product(q, bh);
  const r = ah - R[0] - R[1] + al - q * bl;
  const q2 = r / bh;
  product(q2, bh);
  const q3 = (r - R[0] - R[1] - q2 * bl) / bh;
  sum(q, q2);
  sum(R[0], R[1] + q3);
}

const Precise = Decimal.clone({ precision: 80 });
const STEPS = 256;
const TABLE_HIGH = new Float64Array(STEPS);
const TABLE_LOW = new Float64Array(STEPS);
for (let j = 0; j < STEPS; j++) [TABLE_HIGH[j], TABLE_LOW[j]] = inTwo(Precise.pow(2, j / STEPS));
/** ln2/256 in three parts; the first two have 30 bits, so that a multiple by up to 2^22 is exact. */
const STEP = Precise.ln(2).div(STEPS);
const STEP_1 = toBits(STEP, 30);
const STEP_2 = toBits(STEP.minus(exactly(STEP_1)), 30);
const STEP_3 = STEP.minus(exactly(STEP_1)).minus(exactly(STEP_2)).toNumber();
const [THIRD_HIGH, THIRD_LOW] = inTwo(new Precise(1).div(6));

function inTwo(x: Decimal): [number, number] {
  const high = x.toNumber();
  return [high, x.minus(exactly(high)).toNumber()];
}

function toBits(x: Decimal, bits: number): number {
  const unit = 2 ** (Math.floor(Math.log2(x.toNumber())) + 1 - bits);
  return Math.floor(x.toNumber() / unit) * unit;
}

/** decimal.js takes a number for its shortest decimal; this is its value. */
export function exactly(x: number): Decimal {
  return Number.isFinite(x) ? new Precise(x.toPrecision(90)) : new Precise(x);
}

const SCALE = 200;

/** e^(h + l)·2^200 for h <= 0; the error is below 2^-98 of the result, which is 0 below e^-900. */
function exponential(h: number, l: number): void {
  if (h < -900) {
    R[0] = 0;
    R[1] = 0;
    return;
  }
  const k = Math.round(h * (STEPS / Math.LN2));
  sum(h - k * STEP_1, -k * STEP_2);
  sum(R[0], R[1] + (l - k * STEP_3));
  const rh = R[0];
  const rl = R[1];
  // e^r = 1 + r(1 + r(1/2 + r(1/6 + r(1/24 + …)))); |r| < 0.0014, so the rest needs only a float64.
  const tail = 1 / 24 + rh * (1 / 120 + rh * (1 / 720 + rh * (1 / 5040 + rh * (1 / 40320))));
  multiply(rh, rl, tail, 0);
  add(THIRD_HIGH, THIRD_LOW, R[0], R[1]);
  multiply(R[0], R[1], rh, rl);
  add(0.5, 0, R[0], R[1]);
  multiply(R[0], R[1], rh, rl);
  add(1, 0, R[0], R[1]);
  multiply(R[0], R[1], rh, rl);
  add(1, 0, R[0], R[1]);
  const j = k & (STEPS - 1);
  multiply(R[0], R[1], TABLE_HIGH[j], TABLE_LOW[j]);
  const power = 2 ** ((k - j) / STEPS + SCALE);
  R[0] *= power;
  R[1] *= power;
}

/** (max - x)/T for max >= x. */
function distance(max: number, x: number, temperature: number): void {
  let scale = temperature < 2 ** -500 ? 2 ** 600 : temperature > 2 ** 500 ? 2 ** -600 : 1;
  let a = max;
  let b = x;
  if (Math.max(Math.abs(a), Math.abs(b)) > 2 ** 1000 && scale === 1 && temperature > 2 ** -400)
    scale = 2 ** -60;
  if (scale < 1) {
    a *= scale;
    b *= scale;
  }
  sum(a, -b);
  if (!Number.isFinite(R[0])) R[1] = 0;
  if (scale > 1) {
    R[0] *= scale;
    R[1] *= scale;
  }
  const h = R[0];
  const l = R[1];
  const t = temperature * scale;
  if (Math.abs(h / t) < 2 ** 900 && h < 2 ** 990) divide(h, l, t, 0);
  else {
    R[0] = h / t;
    R[1] = Number.isFinite(R[0]) ? l / t : 0;
  }
}

/** ln(1 + z) for z = (h + l)·2^-200 >= 0; leaves the result scaled by 2^200 where it is small, and says so. */
function log1p(h: number, l: number): boolean {
  const zh = h * 2 ** -SCALE;
  const zl = l * 2 ** -SCALE;
  if (zh < 2 ** -30) {
    // z - z²/2 + z³/3 - z⁴/4, as z·(1 - z(1/2 - z(1/3 - z/4))): the next term is 2^-120 of the first.
    multiply(zh, zl, 0.5 - zh * (1 / 3 - zh / 4), 0);
    add(1, 0, -R[0], -R[1]);
    multiply(R[0], R[1], h, l);
    return true;
  }
  const y = Math.log1p(zh);
  exponential(-y, 0);
  const eh = R[0] * 2 ** -SCALE;
  const el = R[1] * 2 ** -SCALE;
  add(1, 0, zh, zl);
  multiply(R[0], R[1], eh, el);
  add(R[0], R[1], -1, 0);
  const w = R[0];
  sum(y, w - w * w * 0.5);
  return false;
}

/** The exact softmax, logSoftmax and logSumExp of a row with a finite maximum; -Infinity may be in it. */
export function exactRow(logits: ArrayLike<number>, temperature = 1): ExactRow {
  const n = logits.length;
  const [softmax, logSoftmax, logSumExp] = [exacts(n, SCALE), exacts(n, 0), exacts(1, 0)];
  let max = -Infinity;
  let argmax = 0;
  for (let i = 0; i < n; i++) {
    if (logits[i] > max) {
      max = logits[i];
      argmax = i;
    }
  }
  let [restHigh, restLow] = [0, 0];
  for (let i = 0; i < n; i++) {
    if (logits[i] === -Infinity) logSoftmax.high[i] = Infinity;
    else {
      distance(max, logits[i], temperature);
      logSoftmax.high[i] = R[0];
      logSoftmax.low[i] = R[1];
      exponential(-R[0], -R[1]);
      softmax.high[i] = R[0];
      softmax.low[i] = R[1];
      if (i !== argmax) {
        add(restHigh, restLow, R[0], R[1]);
        [restHigh, restLow] = [R[0], R[1]];
      }
    }
  }
  const isScaled = log1p(restHigh, restLow);
  const [logHigh, logLow] = [R[0], R[1]];
  add(2 ** SCALE, 0, restHigh, restLow);
  const [totalHigh, totalLow] = [R[0] * 2 ** -SCALE, R[1] * 2 ** -SCALE];
  const down = isScaled ? 2 ** -SCALE : 1;
  for (let i = 0; i < n; i++) {
    divide(softmax.high[i], softmax.low[i], totalHigh, totalLow);
    softmax.high[i] = R[0];
    softmax.low[i] = R[1];
    const d = logSoftmax.high[i];
    if (d === 0 && isScaled) {
      [R[0], R[1]] = [logHigh, logLow];
      logSoftmax.scale[i] = SCALE;
    } else if (d > 2 ** 900) [R[0], R[1]] = [d, logSoftmax.low[i]];
    else add(d, logSoftmax.low[i], logHigh * down, logLow * down);
    logSoftmax.high[i] = 0 - R[0];
    logSoftmax.low[i] = -R[1];
  }
  distance(Math.abs(max), 0, temperature);
  const sign = max < 0 ? -1 : 1;
  if (R[0] > 2 ** 900) [R[0], R[1]] = [sign * R[0], sign * R[1]];
  else if (R[0] === 0 && isScaled) {
    [R[0], R[1]] = [logHigh, logLow];
    logSumExp.scale[0] = SCALE;
  } else add(sign * R[0], sign * R[1], logHigh * down, logLow * down);
  logSumExp.high[0] = R[0];
  logSumExp.low[0] = R[1];
  return { softmax, logSoftmax, logSumExp };
}

function exacts(length: number, scale: number): Exact {
  return {
    high: new Float64Array(length),
    low: new Float64Array(length),
    scale: new Int16Array(length).fill(scale),
  };
}

/** Bits after the leading one, the exponent of the least normal number, and the largest finite number. */
const FORMATS: Record<ElementType, readonly [number, number, number]> = {
  float64: [52, -1022, Number.MAX_VALUE],
  float32: [23, -126, (2 - 2 ** -23) * 2 ** 127],
  float16: [10, -14, 65504],
  bfloat16: [7, -126, (2 - 2 ** -7) * 2 ** 127],
};

const float64 = new Float64Array(1);
const words = new Uint32Array(float64.buffer);

function exponentOf(x: number): number {
  float64[0] = x;
  return ((words[1] >>> 20) & 0x7ff) - 1023;
}

/** How far `actual` is from the exact value, in units in the last place of the type at the exact value. */
export function ulpDistance(actual: number, exact: Exact, at: number, type: ElementType): number {
  const [bits, leastExponent, largest] = FORMATS[type];
  const high = exact.high[at];
  const scale = exact.scale[at];
  if (actual === high && exact.low[at] === 0 && scale === 0) return 0;
  if (!Number.isFinite(actual)) {
    const isBeyond = Math.abs(high) * 2 ** -scale >= largest && Math.sign(actual) === Math.sign(high);
    return isBeyond ? 0 : Infinity;
  }
  const ulp = 2 ** (Math.max(exponentOf(high) - scale, leastExponent) - bits + scale);
  // Scaled, an actual value that far from its exact one may overflow: Infinity is a distance too.
  return Math.abs(actual * 2 ** scale - high - exact.low[at]) / ulp;
}
