import type { Data, Problem } from '../problem.js';
import { BLOCK, block, exponentials } from './block.js';
import { decodingTable } from './half.js';
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

/**
 * Each element's loss, (1-y)·softplus(z) + v·y·softplus(-z) with z = x/T and v the weight of the positive class, and its
 * gradient, ((1-y)·sigmoid(z) - v·y·sigmoid(-z))/T. With softplus(z) = max(z, 0) + L, where L = ln(1 + e^-|z|), no part of
 * the loss is negative. What has no share costs nothing, however improbable: 0·∞ is 0 here.
 */
export function* binaryCrossEntropy(problem: BinaryCrossEntropyProblem, first: number, end: number): Steps {
  const {
    out,
    outType,
    each,
    summed,
    classCount,
    classStep,
    type,
    gradient,
    temperature,
    targetProbabilities,
    gradientScale,
  } = problem;
  const row = new RowReader(problem);
  const { stride } = row;
  const room = coefficientRoom(3 * Math.min(problem.length, BLOCK));
  const values = type === 'float16' || type === 'bfloat16' ? decodingTable(type) : undefined;
  const sums = new Losses(out, summed, first);
  for (let r = first; r < end; r++) {
    row.open(r);
    let [sum, lost] = [0, 0];
    for (let from = 0; from < row.length; from += BLOCK) {
      if (from > 0) yield;
      const count = Math.min(row.length - from, BLOCK);
      const losses = room.subarray(count, 2 * count);
      const slopes = room.subarray(2 * count, 3 * count);
      row.load(from, count);
      const logits = termsOf(count, room, temperature);
      const start = row.base + from * stride;
      for (let i = 0, at = start; i < count; i++, at += stride) {
        const takesPart = !row.masked || row.takesPart(from + i);
        const place = classCount === 0 ? from + i : Math.floor(at / classStep) % classCount;
        const target = targetProbabilities[at];
        const y = values ? values[target] : target;
        const weight = takesPart ? weightOf(problem, place, at) : 0;
        const negative = 1 - y;
        const positive = (problem.posWeights?.[place] ?? problem.posWeight) * y;
        const z = logits[i] / temperature;
        const term = block[i];
        const far = z > 0 ? times(z, negative) : times(-z, positive);
        const near = term === VANISHED ? 0 : Math.log1p(term / ONE) * (negative + positive);
        const loss = times(far + near, weight);
        losses[i] = loss;
        const next = sum + loss;
        lost += Math.abs(sum) >= Math.abs(loss) ? sum - next + loss : loss - next + sum;
        sum = next;
        const [above, below] = z > 0 ? [ONE, term] : [term, ONE];
        const slope = (negative * above - positive * below) / (ONE + term);
        slopes[i] = takesPart ? slope * weight * (gradientScale / temperature) : 0;
      }
      if (each) storeAll(losses, count, out, outType, start, stride);
      if (gradient) storeAll(slopes, count, gradient, type, start, stride);
    }
    if (!each) sums.put(r, Number.isFinite(sum) ? sum + lost : sum);
  }
  sums.end();
}

/** What `exponentials` makes of -Infinity: not 0, but e^-780. */
const VANISHED = 0;

/** Keeps the block's logits in `room`, and replaces them by e^(-|x|/T) in units of `ONE`. */
function termsOf(count: number, room: Float64Array, temperature: number): Float64Array {
  const by = reduction(temperature);
  for (let i = 0; i < count; i++) {
    room[i] = block[i];
    block[i] = -Math.abs(block[i]);
  }
  exponentials(count, by, originOf(0, by));
  for (let i = 0; i < count; i++) if (Math.abs(room[i]) === Infinity) block[i] = VANISHED;
  return room;
}

function weightOf({ weights, elementWeights }: BinaryCrossEntropyProblem, place: number, at: number): number {
  return weights?.[place] ?? elementWeights?.[at] ?? 1;
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
