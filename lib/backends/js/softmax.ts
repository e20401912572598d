import type { Data, ElementType, Problem } from '../problem.js';
import { BLOCK, block, exponentials } from './block.js';
import { twoSum } from './doubleDouble.js';
import { addOthers, Normalizer, totalOf } from './normalizer.js';
import { originOf, overTemperature, reduction } from './reduction.js';
import { baseOf, load, store } from './rows.js';
import type { Steps } from './steps.js';

export interface SoftmaxProblem extends Problem {
  readonly out: Data;
  readonly outType: ElementType;
  /** Natural-log normaliser (of the logits over the temperature): one value, or one per row. */
  readonly logNormalizer?: Float64Array | undefined;
  /** One value for all rows. */
  readonly logNormalizerShared?: boolean | undefined;
}

export interface LogSoftmaxProblem extends Problem {
  readonly out: Data;
  readonly outType: ElementType;
}

export interface LogSumExpProblem extends Problem {
  /** One value per row; float32 for 16-bit input. */
  readonly out: Data;
  readonly outType: 'float32' | 'float64';
}

export function* softmax(problem: SoftmaxProblem, first: number, end: number): Steps {
  const { out, outType, logNormalizer } = problem;
  const plain = isPlain(problem);
  let row: Normalizer | undefined;
  for (let r = first; r < end; r++) {
    if (plain && softmaxOfBlock(problem, r)) continue;
    row ??= new Normalizer(problem);
    const { stride } = row.reader;
    row.open(r);
    while (row.openBlock()) yield;
    const good = row.normalize(logNormalizer?.[logNormalizer.length === 1 ? 0 : r]);
    while (row.sumBlock()) yield;
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      const at = row.reader.base + from * stride;
      if (good) store(row.total, row.terms(from), out, outType, at, stride);
      else store(1, row.blanks(from, NaN, 0), out, outType, at, stride);
    }
  }
}

/** Rows of one block, in which all classes take part. */
function isPlain({ length, where, bitmask, lengths, offsets, logNormalizer }: SoftmaxProblem): boolean {
  return length <= BLOCK && length > 0 && !where && !bitmask && !lengths && !offsets && !logNormalizer;
}

/**
 * What a Normalizer does with such a row, where it is an ordinary one; any other is left to it, by false. (Its bookkeeping
 * takes 40 ns a row: as long as four classes.)
 */
function softmaxOfBlock(problem: SoftmaxProblem, r: number): boolean {
  const { x, type, out, outType, inner, length, temperature } = problem;
  const by = reduction(temperature);
  const at = baseOf(r, length, inner);
  const place = load(x, type, at, inner, length);
  const top = block[place];
  if (!(Math.abs(top) < Infinity)) return false;
  exponentials(length, by, originOf(top, by));
  const sum = { high: 0, low: 0 };
  addOthers(place, length, type === 'float64', sum);
  store(totalOf(block[place], sum), length, out, outType, at, inner);
  return true;
}

/**
 * -((max - x)/T + ln Σ e^((x - max)/T)): neither part is negative, so nothing cancels, and the sum under the
 * logarithm leaves out its leading 1, so that a result near 0 keeps its bits.
 */
export function* logSoftmax(problem: LogSoftmaxProblem, first: number, end: number): Steps {
  const { out, type, outType, temperature } = problem;
  const row = new Normalizer(problem);
  const { stride } = row.reader;
  for (let r = first; r < end; r++) {
    row.open(r);
    while (row.openBlock()) yield;
    const good = row.normalize();
    while (row.sumBlock()) yield;
    const logSum = good ? vanishing(row.logSum(), type) : 0;
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      const at = row.reader.base + from * stride;
      if (good) {
        const count = row.logits(from);
        logsOf(count, row.max, temperature, logSum);
        row.changed();
        store(1, count, out, outType, at, stride);
      } else store(1, row.blanks(from, NaN, -Infinity), out, outType, at, stride);
    }
  }
}

/** Replaces the first `count` logits of the block by the logarithms of their probabilities. */
export function logsOf(count: number, max: number, temperature: number, logSum: number): void {
  if (temperature === 1) for (let i = 0; i < count; i++) block[i] = 0 - (max - block[i] + logSum);
  else for (let i = 0; i < count; i++) block[i] = 0 - (distance(max, block[i], temperature) + logSum);
}

/** Numbers up to this are 0 in float32. */
export const VANISHING = 2 ** -150;

/** The log of a probability that float32 rounds to 1 is 0 there, and not -0. */
export function vanishing(logSum: number, type: ElementType): number {
  return type !== 'float64' && logSum <= VANISHING ? 0 : logSum;
}

/** (max - x)/T, finite wherever the quotient is. */
export function distance(max: number, x: number, temperature: number): number {
  const difference = max - x;
  if (difference === Infinity && x !== -Infinity) return ((max * 0.5 - x * 0.5) / temperature) * 2;
  return difference / temperature;
}

export function* logSumExp(problem: LogSumExpProblem, first: number, end: number): Steps {
  const { out } = problem;
  const row = new Normalizer(problem);
  for (let r = first; r < end; r++) {
    row.open(r);
    while (row.openBlock()) yield;
    const good = row.normalize();
    while (row.sumBlock()) yield;
    if (good) out[r] = logSumOf(row);
    else out[r] = row.kind === 'NaN' ? NaN : row.kind === '+Infinity' ? Infinity : -Infinity;
  }
}

/** max/T + ln Σ e^((x - max)/T); where the two cancel, the low part of the quotient is what remains. */
function logSumOf(row: Normalizer): number {
  const lead = overTemperature(row.max, row.by);
  const sum = twoSum(lead.high, row.logSum());
  return Number.isFinite(sum.high) ? sum.high + (sum.low + lead.low) : sum.high;
}
