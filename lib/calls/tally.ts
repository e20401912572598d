/** What is added up over the rows of an evaluation, and what comes of it. */
import { rangeError, words } from '../arguments/errors.js';
import { type JudgeProblem, NO_RANK } from '../backends/js/judge.js';
import { type EvaluationTerms, hasConfusion } from '../ops/evaluate.js';
import type { EvaluationResult, ReliabilityBin } from '../types/evaluation.js';
import { Sums } from './sums.js';

/** A confusion matrix of more classes takes over a gigabyte. */
const mostClasses = 2 ** 14;

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
  private readonly counts: Float64Array;
  private readonly rightInBin: Float64Array;
  private readonly edges: Float64Array;
  private confusion: Uint32Array | undefined;

  constructor(private readonly terms: EvaluationTerms) {
    const { bins } = terms;
    this.confidences = new Sums(bins);
    this.counts = new Float64Array(bins);
    this.rightInBin = new Float64Array(bins);
    this.edges = Float64Array.from({ length: bins + 1 }, (_, i) => i / bins);
  }

  /** Rows of at most `classes` classes are to come. */
  expect(classes: number): void {
    const { terms, classes: before } = this;
    if (classes <= before) return;
    if (!hasConfusion(terms, classes)) this.confusion = undefined;
    else if (classes > mostClasses)
      throw rangeError(
        `at most ${mostClasses} classes beside it`,
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

  /** Adds rows as `judge` left them: pass by pass, each so short that what it adds to stays in registers. */
  add(said: JudgeProblem): void {
    this.addRanks(said);
    this.means.addAll(LOG_LOSS, said.out);
    this.means.addAll(BRIER, said.brierScores);
    this.means.addAll(ENTROPY, said.entropies);
    this.addConfidences(said);
    if (this.confusion !== undefined) addPairs(this.confusion, this.classes, said);
  }

  private addRanks({ targets, likeliest, targetRanks }: JudgeProblem): void {
    const k = Math.min(this.terms.k, NO_RANK - 1);
    let rows = 0;
    let right = 0;
    let rightInTop = 0;
    for (let r = 0; r < targets.length; r++) {
      // Signs instead of branches, which nobody could foresee.
      const rank = targetRanks[r] | 0;
      const judged = -rank >>> 31;
      const off = likeliest[r] ^ targets[r];
      rows += judged;
      right += judged & ~((off | -off) >> 31);
      rightInTop += judged & ((rank - k - 1) >>> 31);
    }
    this.rows += rows;
    this.ignored += targets.length - rows;
    this.right += right;
    this.rightInTop += rightInTop;
  }

  /** To the bins, which are open below and closed above; 0 belongs to the first. */
  private addConfidences({ targets, confidences: ps, likeliest, targetRanks }: JudgeProblem): void {
    const { counts, rightInBin, confidences, edges } = this;
    const bins = counts.length;
    for (let r = 0; r < targets.length; r++) {
      const p = ps[r];
      if (targetRanks[r] === 0 || !(p >= 0)) continue;
      let bin = Math.min(Math.floor(p * bins), bins - 1);
      // The product is rounded: by one edge at most.
      if (bin > 0 && p <= edges[bin]) bin--;
      else if (bin < bins - 1 && p > edges[bin + 1]) bin++;
      counts[bin]++;
      rightInBin[bin] += likeliest[r] === targets[r] ? 1 : 0;
      confidences.add(bin, p);
    }
  }

  merge(other: Tally): void {
    this.expect(other.classes);
    this.rows += other.rows;
    this.ignored += other.ignored;
    this.right += other.right;
    this.rightInTop += other.rightInTop;
    this.means.merge(other.means);
    this.confidences.merge(other.confidences);
    for (let i = 0; i < this.counts.length; i++) {
      this.counts[i] += other.counts[i];
      this.rightInBin[i] += other.rightInBin[i];
    }
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
    const { counts, rightInBin, confidences, edges } = this;
    return Array.from(counts, (count, i) => ({
      lower: edges[i],
      upper: edges[i + 1],
      count,
      confidence: confidences.value(i) / count,
      accuracy: rightInBin[i] / count,
    }));
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
