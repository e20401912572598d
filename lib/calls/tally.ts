/** What is added up over the rows of an evaluation, and what comes of it. */
import { rangeError, words } from '../arguments/errors.js';
import { JUDGED, judged } from '../backends/js/judge.js';
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

  /** Adds rows as `judge` left them, of which the targets are these. */
  add(said: Float64Array, targets: Int32Array): void {
    const { means, confidences, counts, rightInBin, confusion, classes, terms } = this;
    const { k } = terms;
    for (let r = 0, at = 0; r < targets.length; r++, at += JUDGED) {
      const rank = said[at + judged.rank];
      if (rank === 0) {
        this.ignored++;
        continue;
      }
      const target = targets[r];
      const top = said[at + judged.top];
      const isRight = top === target;
      this.rows++;
      if (isRight) this.right++;
      if (rank <= k) this.rightInTop++;
      means.add(LOG_LOSS, said[at + judged.logLoss]);
      means.add(BRIER, said[at + judged.brier]);
      means.add(ENTROPY, said[at + judged.entropy]);
      const confidence = said[at + judged.confidence];
      if (!(confidence >= 0)) continue;
      const bin = this.binOf(confidence);
      counts[bin]++;
      if (isRight) rightInBin[bin]++;
      confidences.add(bin, confidence);
      if (confusion !== undefined && top < classes) confusion[target * classes + top]++;
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

  /** The bin that is open below and closed above; 0 belongs to the first. */
  private binOf(confidence: number): number {
    const { edges } = this;
    const last = edges.length - 2;
    let bin = Math.min(Math.floor(confidence * (last + 1)), last);
    // The product is rounded: by one at most.
    while (bin > 0 && confidence <= edges[bin]) bin--;
    while (bin < last && confidence > edges[bin + 1]) bin++;
    return bin;
  }
}
