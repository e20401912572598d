import type { Data, ElementType, Problem } from '../problem.js';
import { block, LONG_ROW_BLOCK } from './block.js';
import { twoSum } from './doubleDouble.js';
import { Normalizer } from './normalizer.js';
import { overTemperature, type Reduction } from './reduction.js';
import { baseOf, store } from './rows.js';
import { Selection } from './selection.js';
import { logsOf, vanishing } from './softmax.js';
import type { Steps } from './steps.js';

export interface TopKProblem extends Problem {
  readonly k: number;
  /** Logarithms of the probabilities instead. */
  readonly log: boolean;
  /** Probabilities, [outer, k, inner], descending. */
  readonly out: Data;
  readonly outType: ElementType;
  /** Class indices, the shape of `out`. */
  readonly indices: Uint32Array;
  readonly logNormalizer?: Float64Array | undefined;
  /** One value for all rows. */
  readonly logNormalizerShared?: boolean | undefined;
}

/** The class index where a row has fewer than k classes that take part; its probability is 0, the logarithm -Infinity. */
export const NO_CLASS = 0xffffffff;

/** The k largest logits of each row, descending, and their probabilities or logarithms: the bits that softmax and logSoftmax give them. */
export function* topK(problem: TopKProblem, first: number, end: number): Steps {
  const { k, log, inner, out, outType, indices, logNormalizer } = problem;
  const row = new Normalizer(problem);
  const selection = new Selection(k);
  for (let r = first; r < end; r++) {
    row.open(r);
    while (row.openBlock()) yield;
    selection.clear();
    while (selectBlock(selection, row)) yield;
    while (selection.sortSome()) yield;
    const normalizer = logNormalizer?.[logNormalizer.length === 1 ? 0 : r];
    const good = row.normalize(normalizer);
    while (row.sumBlock()) yield;
    const { count, logits, classes } = selection;
    const base = baseOf(r, k, inner);
    if (count === k && good && !log && row.holdsTerms) {
      for (let place = 0; place < k; place++) {
        indices[base + place * inner] = classes[place];
        logits[place] = block[classes[place]];
      }
      for (let place = 0; place < k; place++) block[place] = logits[place];
      row.changed();
      store(row.total, k, out, outType, base, inner);
      continue;
    }
    for (let from = 0; from < k; from += LONG_ROW_BLOCK) {
      if (from > 0) yield;
      const size = Math.min(k - from, LONG_ROW_BLOCK);
      const found = Math.min(Math.max(count - from, 0), size);
      for (let place = 0; place < size; place++)
        indices[base + (from + place) * inner] = place < found ? classes[from + place] : NO_CLASS;
      block.set(logits.subarray(from, from + found));
      if (!good) block.fill(NaN, 0, found);
      else if (log) logsOfBlock(found, row, problem, normalizer);
      else row.termsOfBlock(found);
      block.fill(log ? -Infinity : 0, found, size);
      row.changed();
      store(good && !log ? row.total : 1, size, out, outType, base + from * inner, inner);
    }
  }
}

/** Replaces logits of the row by the logarithms of their probabilities. */
function logsOfBlock(
  count: number,
  row: Normalizer,
  { type, temperature }: TopKProblem,
  normalizer: number | undefined,
): void {
  if (normalizer !== undefined) {
    for (let i = 0; i < count; i++) block[i] = lessNormalizer(block[i], normalizer, row.by);
    return;
  }
  const logSum = vanishing(row.logSum(), type);
  logsOf(count, row.max, temperature, logSum);
}

/** x/T - normalizer, which may cancel. */
function lessNormalizer(x: number, normalizer: number, by: Reduction): number {
  const lead = overTemperature(x, by);
  const { high, low } = twoSum(lead.high, -normalizer);
  return Number.isFinite(high) ? high + (low + lead.low) : high;
}

/** To find a place for so many logits among many takes a few milliseconds. */
export const mostOffered = 2 ** 14;

/** Offers the next logits of the open row that take part to the selection; true while there are more. */
export function selectBlock(selection: Selection, row: Normalizer): boolean {
  const { reader } = row;
  const start = selection.offered;
  if (start >= row.length) return false;
  const from = start - (start % row.size);
  const count = row.logits(from);
  // Without a mask, every class of an ordinary row takes part, and none is NaN.
  if (count === row.length && row.kind === 'ordinary' && reader.least === -Infinity && !reader.masked)
    if (selection.takeFew(count, row.argmax)) return false;
  let least = selection.least;
  let left = mostOffered;
  let i = start - from;
  for (; i < count && left > 0; i++) {
    const x = block[i];
    if (x <= least) continue;
    if (x === -Infinity && !reader.takesPart(from + i)) continue;
    selection.offer(x, from + i);
    least = selection.least;
    left--;
  }
  selection.offered = from + i;
  return selection.offered < row.length;
}
