import type { Data, Problem } from '../problem.js';
import { BLOCK, block, exponentials, type Running } from './block.js';
import { decodingTable } from './half.js';
import { logOfOneAnd } from './logarithm.js';
import { Losses } from './losses.js';
import { originOf, reduction, TOP_EXPONENT } from './reduction.js';
import { RowReader, store } from './rows.js';
import { coefficientRoom } from './scratch.js';
import type { Steps } from './steps.js';

export interface BinaryCrossEntropyProblem extends Problem {
  /**
   * The loss of each element, in the layout of `x`; or, unless `each`, the sum of those of every row; where `summed`, the exact
   * sum of these.
   */
  readonly out: Data;
  readonly outType: 'float32' | 'float64';
  readonly each: boolean;
  readonly summed: boolean;
  /** In [0, 1]: the layout and type of `x`. */
  readonly targetProbabilities: Data;
  /** What the loss and the gradient of an element are multiplied by: one for each class, or one for each element. */
  readonly weights?: Float64Array | undefined;
  readonly elementWeights?: Float64Array | undefined;
  /** What the target's share of the loss is multiplied by: one for each class, or this one. */
  readonly posWeights?: Float64Array | undefined;
  readonly posWeight: number;
  /** Of rows that were cut into pieces: element e is of class e / classStep % classCount. Else 0. */
  readonly classCount: number;
  readonly classStep: number;
  /** Where d(loss)/dx goes, if wanted: the layout and type of `x`; may be `x` itself. */
  readonly gradient?: Data | undefined;
  /** Every element's gradient is multiplied by this (1 over the mean's denominator, say). */
  readonly gradientScale: number;
}

/** 2^120: what the term of 0 is. */
const ONE = 2 ** TOP_EXPONENT;

const MOST = 2 ** 1023;

/**
 * Each element's loss, (1-y)·softplus(z) + v·y·softplus(-z) with z = x/T and v the weight of the positive class, and its
 * gradient, ((1-y)·sigmoid(z) - v·y·sigmoid(-z))/T. With softplus(z) = max(z, 0) + L, where L = ln(1 + e^-|z|), no part of
 * the loss is negative. What has no share costs nothing, however improbable: 0·∞ is 0 here.
 */
export function* binaryCrossEntropy(problem: BinaryCrossEntropyProblem, first: number, end: number): Steps {
  const { out, outType, each, summed, type, gradient } = problem;
  const row = new RowReader(problem);
  const { stride } = row;
  const sums = new Losses(out, summed, first);
  for (let r = first; r < end; r++) {
    row.open(r);
    const sum = { high: 0, low: 0 };
    for (let from = 0; from < row.length; from += BLOCK) {
      if (from > 0) yield;
      const count = Math.min(row.length - from, BLOCK);
      row.load(from, count);
      const room = solveBlock(problem, row, from, count, sum);
      const start = row.base + from * stride;
      if (each) storeAll(room.subarray(count, 2 * count), count, out, outType, start, stride);
      if (gradient) storeAll(room.subarray(2 * count, 3 * count), count, gradient, type, start, stride);
    }
    if (!each) sums.put(r, Number.isFinite(sum.high) ? sum.high + sum.low : sum.high);
  }
  sums.end();
}

/** Adds the losses of the block; leaves them in the second third of the result, and their slopes in the third. */
function solveBlock(
  problem: BinaryCrossEntropyProblem,
  row: RowReader,
  from: number,
  count: number,
  sum: Running,
): Float64Array {
  const {
    classCount,
    classStep,
    type,
    temperature,
    targetProbabilities,
    weights,
    elementWeights,
    posWeights,
    posWeight,
    gradient,
  } = problem;
  const { stride, masked } = row;
  const room = coefficientRoom(3 * count);
  const isInfinite = termsOf(count, room, temperature) / temperature === Infinity;
  const values = type === 'float16' || type === 'bfloat16' ? decodingTable(type) : undefined;
  const isWeighted =
    masked || weights !== undefined || elementWeights !== undefined || posWeights !== undefined;
  const scale = Math.min(problem.gradientScale / temperature, MOST);
  // What the scale is more than a double holds: 0 times Infinity would be NaN.
  const beyond = scale < MOST ? 1 : problem.gradientScale / (temperature * MOST);
  let { high, low } = sum;
  for (let i = 0, at = row.base + from * stride; i < count; i++, at += stride) {
    const target = targetProbabilities[at];
    const y = values ? values[target] : target;
    const negative = 1 - y;
    let positive = posWeight * y;
    let weight = 1;
    let takesPart = true;
    if (isWeighted) {
      const place = classCount === 0 ? from + i : Math.floor(at / classStep) % classCount;
      positive = (posWeights?.[place] ?? posWeight) * y;
      takesPart = !masked || row.takesPart(from + i);
      weight = !takesPart ? 0 : (weights?.[place] ?? elementWeights?.[at] ?? 1);
    }
    const z = room[i] / temperature;
    const term = block[i];
    let far: number;
    if (isInfinite) far = z > 0 ? times(z, negative) : times(-z, positive);
    else {
      // Without a branch, which would be predicted wrongly half the time: either max(z, 0) or max(-z, 0) is 0.
      const half = z * 0.5;
      const size = Math.abs(half);
      far = (size + half) * negative + (size - half) * positive;
    }
    const loss = times(far + logOfOneAnd(term * (1 / ONE)) * (negative + positive), weight);
    room[count + i] = loss;
    const next = high + loss;
    const part = next - high;
    low += high - (next - part) + (loss - part);
    high = next;
    if (gradient === undefined) continue;
    const above = Number(z > 0);
    const slope =
      (negative * (above * ONE + (1 - above) * term) - positive * (above * term + (1 - above) * ONE)) /
      (ONE + term);
    room[2 * count + i] = takesPart ? slope * weight * scale * beyond : 0;
  }
  sum.high = high;
  sum.low = low;
  return room;
}

/** What `exponentials` makes of -Infinity: not 0, but e^-780. */
const VANISHED = 0;

/** Keeps the block's logits in `room`, and replaces them by e^(-|x|/T) in units of `ONE`; returns the largest |x|. */
function termsOf(count: number, room: Float64Array, temperature: number): number {
  const by = reduction(temperature);
  let largest = 0;
  for (let i = 0; i < count; i++) {
    const size = Math.abs(block[i]);
    room[i] = block[i];
    block[i] = -size;
    if (size > largest) largest = size;
  }
  exponentials(count, by, originOf(0, by));
  if (largest === Infinity)
    for (let i = 0; i < count; i++) if (Math.abs(room[i]) === Infinity) block[i] = VANISHED;
  return largest;
}

/** A product in which 0·∞ is 0. */
function times(value: number, share: number): number {
  return share === 0 ? 0 : value * share;
}

function storeAll(
  from: Float64Array,
  count: number,
  out: Data,
  type: BinaryCrossEntropyProblem['type'],
  at: number,
  stride: number,
): void {
  for (let i = 0; i < count; i++) block[i] = from[i];
  store(1, count, out, type, at, stride);
}
