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

// The result of the latest operation.
let H = 0;
let L = 0;

function sum(a: number, b: number): void {
  const s = a + b;
  const bb = s - a;
  L = a - (s - bb) + (b - bb);
  H = s;
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
  L = ah * bh - p + ah * bl + al * bh + al * bl;
  H = p;
}

function multiply(ah: number, al: number, bh: number, bl: number): void {
  product(ah, bh);
  sum(H, L + (ah * bl + al * bh));
}

function add(ah: number, al: number, bh: number, bl: number): void {
  sum(ah, bh);
  const h = H;
  const l = L;
  sum(al, bl);
  const low = L;
  sum(h, l + H);
  sum(H, L + low);
}

function divide(ah: number, al: number, bh: number, bl: number): void {
  const q = ah / bh;
  product(q, bh);
  const r = ah - H - L + al - q * bl;
  const q2 = r / bh;
  product(q2, bh);
  const q3 = (r - H - L - q2 * bl) / bh;
  sum(q, q2);
  sum(H, L + q3);
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
    H = 0;
    L = 0;
    return;
  }
  const k = Math.round(h * (STEPS / Math.LN2));
  sum(h - k * STEP_1, -k * STEP_2);
  sum(H, L + (l - k * STEP_3));
  const rh = H;
  const rl = L;
  // e^r = 1 + r(1 + r(1/2 + r(1/6 + r(1/24 + …)))); |r| < 0.0014, so the rest needs only a float64.
  const tail = 1 / 24 + rh * (1 / 120 + rh * (1 / 720 + rh * (1 / 5040 + rh * (1 / 40320))));
  multiply(rh, rl, tail, 0);
  add(THIRD_HIGH, THIRD_LOW, H, L);
  multiply(H, L, rh, rl);
  add(0.5, 0, H, L);
  multiply(H, L, rh, rl);
  add(1, 0, H, L);
  multiply(H, L, rh, rl);
  add(1, 0, H, L);
  const j = k & (STEPS - 1);
  multiply(H, L, TABLE_HIGH[j], TABLE_LOW[j]);
  const power = 2 ** ((k - j) / STEPS + SCALE);
  H *= power;
  L *= power;
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
  if (!Number.isFinite(H)) L = 0;
  if (scale > 1) {
    H *= scale;
    L *= scale;
  }
  const h = H;
  const l = L;
  const t = temperature * scale;
  if (Math.abs(h / t) < 2 ** 900 && h < 2 ** 990) divide(h, l, t, 0);
  else {
    H = h / t;
    L = Number.isFinite(H) ? l / t : 0;
  }
}

/** ln(1 + z) for z = (h + l)·2^-200 >= 0; leaves the result scaled by 2^200 where it is small, and says so. */
function log1p(h: number, l: number): boolean {
  const zh = h * 2 ** -SCALE;
  const zl = l * 2 ** -SCALE;
  if (zh < 2 ** -30) {
    // z - z²/2 + z³/3 - z⁴/4, as z·(1 - z(1/2 - z(1/3 - z/4))): the next term is 2^-120 of the first.
    multiply(zh, zl, 0.5 - zh * (1 / 3 - zh / 4), 0);
    add(1, 0, -H, -L);
    multiply(H, L, h, l);
    return true;
  }
  const y = Math.log1p(zh);
  exponential(-y, 0);
  const eh = H * 2 ** -SCALE;
  const el = L * 2 ** -SCALE;
  add(1, 0, zh, zl);
  multiply(H, L, eh, el);
  add(H, L, -1, 0);
  const w = H;
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
      logSoftmax.high[i] = H;
      logSoftmax.low[i] = L;
      exponential(-H, -L);
      softmax.high[i] = H;
      softmax.low[i] = L;
      if (i !== argmax) {
        add(restHigh, restLow, H, L);
        [restHigh, restLow] = [H, L];
      }
    }
  }
  const isScaled = log1p(restHigh, restLow);
  const [logHigh, logLow] = [H, L];
  add(2 ** SCALE, 0, restHigh, restLow);
  const [totalHigh, totalLow] = [H * 2 ** -SCALE, L * 2 ** -SCALE];
  const down = isScaled ? 2 ** -SCALE : 1;
  for (let i = 0; i < n; i++) {
    divide(softmax.high[i], softmax.low[i], totalHigh, totalLow);
    softmax.high[i] = H;
    softmax.low[i] = L;
    const d = logSoftmax.high[i];
    if (d === 0 && isScaled) {
      [H, L] = [logHigh, logLow];
      logSoftmax.scale[i] = SCALE;
    } else if (d > 2 ** 900) [H, L] = [d, logSoftmax.low[i]];
    else add(d, logSoftmax.low[i], logHigh * down, logLow * down);
    logSoftmax.high[i] = 0 - H;
    logSoftmax.low[i] = -L;
  }
  distance(Math.abs(max), 0, temperature);
  const sign = max < 0 ? -1 : 1;
  if (H > 2 ** 900) [H, L] = [sign * H, sign * L];
  else if (H === 0 && isScaled) {
    [H, L] = [logHigh, logLow];
    logSumExp.scale[0] = SCALE;
  } else add(sign * H, sign * L, logHigh * down, logLow * down);
  logSumExp.high[0] = H;
  logSumExp.low[0] = L;
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
