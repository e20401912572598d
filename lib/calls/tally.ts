/** What is added up over the rows of an evaluation, and what comes of it. */
import { rangeError, words } from '../arguments/errors.js';
import { type JudgeProblem, NO_RANK } from '../backends/js/judge.js';
import { type EvaluationTerms, hasConfusion } from '../ops/evaluate.js';
import type { EvaluationResult, ReliabilityBin } from '../types/evaluation.js';
import { Sums } from './sums.js';

/** A confusion matrix of more classes takes over a gigabyte. */
const mostClasses = 2 ** 14;

/**
 * A row's confidence p is at most 1, so that p * 2^26 fits an integer, and 2^27 multiples of 2^-26 add up without rounding
 * (a part has far fewer rows). What is left is below 2^-26, and so is what its sum loses.
 */
const COARSE = 2 ** 26;

/** The places of `Sums` over rows. */
const LOG_LOSS = 0;
const BRIER = 1;
const ENTROPY = 2;

/** Counts and compensated sums: how rows were cut changes them by rounding alone. */
export class Tally {
  private rows = 0;
  private ignored = 0;
  private right = 0;
  private rightInTop = 0;
  private classes = 0;
  private readonly means = new Sums(3);
  private readonly confidences: Sums;
  /** The rows of each bin: the wrong ones, then the right ones; at the end the rows that lie in none. */
  private readonly counts: Float64Array;
  /** Of the confidences of a part, as `counts` lie: the multiples of 2^-26, whose sum is exact, and the rest. */
  private readonly coarse: Float64Array;
  private readonly fine: Float64Array;
  /** Of the bins, but that nothing lies below the first or above the last. */
  private readonly bounds: Float64Array;
  private confusion: Uint32Array | undefined;

  constructor(private readonly terms: EvaluationTerms) {
    const { bins } = terms;
    this.confidences = new Sums(bins);
    this.counts = new Float64Array(2 * bins + 1);
    this.coarse = new Float64Array(2 * bins + 1);
    this.fine = new Float64Array(2 * bins + 1);
    this.bounds = Float64Array.from({ length: bins + 1 }, (_, i) =>
      i === 0 ? -1 : i === bins ? Infinity : i / bins,
    );
  }

  /** Rows of at most `classes` classes are to come. */
  expect(classes: number): void {
    const { terms, classes: before } = this;
    if (classes <= before) return;
    if (!hasConfusion(terms, classes)) this.confusion = undefined;
    else if (classes > mostClasses)
      throw rangeError(
        `at most ${mostClasses} classes together with it`,
        'confusion',
        words(`true, and ${classes}`),
      );
    else {
      const wider = new Uint32Array(classes * classes);
      for (let i = 0; i < before; i++)
        wider.set(this.confusion?.subarray(i * before, (i + 1) * before) ?? [], i * classes);
      this.confusion = wider;
    }
    this.classes = classes;
  }

  /** Adds rows as `judge` left them. */
  add(said: JudgeProblem): void {
    this.addRows(said);
    this.means.addAll(LOG_LOSS, said.out);
    this.means.addAll(BRIER, said.brierScores);
    this.means.addAll(ENTROPY, said.entropies);
    if (this.confusion !== undefined) addPairs(this.confusion, this.classes, said);
  }

  /**
   * Counts, and the bins, which are open below and closed above; 0 belongs to the first. Signs and sums of comparisons
   * stand for branches, which nobody could foresee: that takes half the time.
   */
  private addRows({ targets, likeliest, targetRanks, confidences: ps }: JudgeProblem): void {
    const { counts, coarse, fine, bounds } = this;
    const bins = this.terms.bins;
    const last = bins - 1;
    const k = Math.min(this.terms.k, NO_RANK - 1);
    let [rows, right, rightInTop] = [0, 0, 0];
    coarse.fill(0);
    fine.fill(0);
    for (let r = 0; r < targets.length; r++) {
      const rank = targetRanks[r] | 0;
      const judged = -rank >>> 31;
      const off = likeliest[r] ^ targets[r];
      const same = 1 + ((off | -off) >> 31);
      rows += judged;
      right += judged & same;
      rightInTop += judged & ((rank - k - 1) >>> 31);
      const p = ps[r];
      let bin = (p * bins) | 0;
      if (bin > last) bin = last;
      // The product is rounded: by one edge at most.
      bin += (p > bounds[bin + 1] ? 1 : 0) - (p <= bounds[bin] ? 1 : 0);
      const place = rank !== 0 && p >= 0 ? 2 * bin + same : 2 * bins;
      counts[place]++;
      const multiple = ((p * COARSE) | 0) / COARSE;
      coarse[place] += multiple;
      fine[place] += p - multiple;
    }
    this.rows += rows;
    this.ignored += targets.length - rows;
    this.right += right;
    this.rightInTop += rightInTop;
    for (let place = 0; place < 2 * bins; place++)
      this.confidences.add(place >> 1, coarse[place], fine[place]);
  }

  merge(other: Tally): void {
    this.expect(other.classes);
    this.rows += other.rows;
    this.ignored += other.ignored;
    this.right += other.right;
    this.rightInTop += other.rightInTop;
    this.means.merge(other.means);
    this.confidences.merge(other.confidences);
    for (let i = 0; i < this.counts.length; i++) this.counts[i] += other.counts[i];
    const { confusion, classes } = this;
    if (confusion === undefined || other.confusion === undefined) return;
    for (let i = 0; i < other.classes; i++) {
      for (let j = 0; j < other.classes; j++)
        confusion[i * classes + j] += other.confusion[i * other.classes + j];
    }
  }

  result(): EvaluationResult {
    const { rows, ignored, means, confusion } = this;
    const bins = this.reliability();
    const inBins = bins.reduce((sum, { count }) => sum + count, 0);
    const logLoss = means.value(LOG_LOSS) / rows;
    let [calibrationError, maxCalibrationError] = inBins === 0 ? [NaN, NaN] : [0, 0];
    for (const { count, confidence, accuracy } of bins) {
      if (count === 0) continue;
      const gap = Math.abs(accuracy - confidence);
      calibrationError += (count / inBins) * gap;
      maxCalibrationError = Math.max(maxCalibrationError, gap);
    }
    return {
      rows,
      ignored,
      accuracy: this.right / rows,
      topKAccuracy: this.rightInTop / rows,
      logLoss,
      perplexity: Math.exp(logLoss),
      brier: means.value(BRIER) / rows,
      calibrationError,
      maxCalibrationError,
      entropy: means.value(ENTROPY) / rows,
      bins,
      ...(confusion === undefined ? {} : { confusion: confusion.slice() }),
    };
  }

  private reliability(): ReliabilityBin[] {
    const { counts, confidences, terms } = this;
    return Array.from({ length: terms.bins }, (_, i) => {
      const right = counts[2 * i + 1];
      const count = counts[2 * i] + right;
      return {
        lower: i / terms.bins,
        upper: (i + 1) / terms.bins,
        count,
        confidence: confidences.value(i) / count,
        accuracy: right / count,
      };
    });
  }
}

/** Pairs of true and likeliest class; rows without probabilities have none. */
function addPairs(matrix: Uint32Array, classes: number, said: JudgeProblem): void {
  const { targets, likeliest, targetRanks } = said;
  for (let r = 0; r < targets.length; r++) {
    const top = likeliest[r];
    if (targetRanks[r] !== 0 && top < classes) matrix[targets[r] * classes + top]++;
  }
}
