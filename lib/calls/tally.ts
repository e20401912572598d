/** What is added up over the rows of an evaluation, and what comes of it. */
import { rangeError, words } from '../arguments/errors.js';
import { type JudgeProblem, NO_RANK } from '../backends/js/judge.js';
import type { Backend } from '../backends/problem.js';
import { type EvaluationTerms, hasConfusion } from '../ops/evaluate.js';
import type { EvaluationResult, ReliabilityBin } from '../types/evaluation.js';
import { Sums } from './sums.js';

/** A confusion matrix of more classes takes over a gigabyte. */
const mostClasses = 2 ** 14;

/** Rows that are added up together. */
const CHUNK = 2 ** 12;

/**
 * A row's confidence p is at most 1. What is added to this is rounded to a multiple of 2^-26, and those of a chunk add up
 * without rounding. What is left is below 2^-26, and so is what its sum loses.
 */
const COARSE = 2 ** 26;

/** Added to a multiple, it counts the rows: those of a chunk take the bits from 2^14 to 2^26 of a sum. */
const ONE_ROW = 2 ** 14;

/** A product p * bins that is no nearer to an integer lies between the edges that it is rounded to. */
const NEAR_EDGE = 2 ** -20;

/** The places of `Sums` over rows. */
const LOG_LOSS = 0;
const BRIER = 1;
const ENTROPY = 2;

/** Counts and compensated sums: how rows were cut changes them by rounding alone. */
export class Tally {
  /** Rows, ignored ones too. */
  private seen = 0;
  private classes = 0;
  private readonly means = new Sums(3);
  private readonly confidences: Sums;
  /** The rows of each bin: the wrong ones, then the right ones. */
  private readonly counts: Float64Array;
  /** Of a chunk, as `counts` lie: rows and multiples of 2^-26 in one sum, which is exact, and the rest of confidences. */
  private readonly coarse: Float64Array;
  private readonly fine: Float64Array;
  /** Rows that are ignored, and rows with their target among the first k. */
  private readonly totals = new Float64Array(2);
  /** Of the bins, but that nothing lies below the first or above the last. */
  private readonly bounds: Float64Array;
  private confusion: Uint32Array | undefined;

  constructor(private readonly terms: EvaluationTerms) {
    const { bins } = terms;
    this.confidences = new Sums(bins);
    this.counts = new Float64Array(2 * bins);
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
  add(said: JudgeProblem, backend: Backend): void {
    const rows = said.targets.length;
    this.seen += rows;
    if (backend.tally) this.addTogether(said, rows, backend.tally);
    for (let from = 0; !backend.tally && from < rows; from += CHUNK) {
      this.addRows(said, from, Math.min(from + CHUNK, rows));
      this.addBins();
    }
  }

  /** The backend adds up the rows. */
  private addTogether(said: JudgeProblem, rows: number, tally: NonNullable<Backend['tally']>): void {
    const { confusion } = this;
    const { targets, targetRanks, likeliest, confidences, out, brierScores, entropies } = said;
    tally(
      ...([Math.min(this.terms.k, NO_RANK - 1), this.terms.bins, rows] as const),
      ...([confusion ? this.classes : 0, targets, targetRanks, likeliest] as const),
      ...([confidences, out, brierScores, entropies, this.counts] as const),
      ...([this.confidences.both, this.means.both, this.totals, confusion] as const),
    );
  }

  /**
   * Counts, and the bins. Signs of differences stand for branches, which nobody could foresee: that takes half the time.
   */
  private addRows(said: JudgeProblem, from: number, end: number): void {
    const { targetRanks, confidences: ps } = said;
    const { coarse, fine } = this;
    const bins = this.terms.bins;
    const k = Math.min(this.terms.k, NO_RANK - 1);
    let [ignored, rightInTop] = [0, 0];
    coarse.fill(0);
    fine.fill(0);
    for (let r = from; r < end; r++) {
      const rank = targetRanks[r] | 0;
      const p = ps[r];
      const scaled = p * bins;
      const bin = scaled | 0;
      const past = scaled - bin;
      // Whether the target is the likeliest class, that is, of rank 1.
      let place = 2 * bin + (((rank ^ 1) - 1) >>> 31);
      rightInTop += (rank - k - 1) >>> 31;
      // Ignored rows, and those without probabilities, have a confidence of 0 or NaN.
      if (!(past > NEAR_EDGE && past < 1 - NEAR_EDGE)) {
        const right = rank === 1 && p > 0 ? 1 : 0;
        place = rank !== 0 && p >= 0 ? 2 * this.binOf(p) + right : 2 * bins;
        if (rank === 0) ignored++;
      }
      const sum = p + COARSE;
      coarse[place] += sum - (COARSE - ONE_ROW);
      fine[place] += p - (sum - COARSE);
    }
    this.totals[0] += ignored;
    this.totals[1] += rightInTop - ignored; // their rank is 0
    this.means.addAll(LOG_LOSS, said.out.subarray(from, end));
    this.means.addAll(BRIER, said.brierScores.subarray(from, end));
    this.means.addAll(ENTROPY, said.entropies.subarray(from, end));
    if (this.confusion !== undefined) addPairs(this.confusion, this.classes, said, from, end);
  }

  /** What a chunk has in its bins. */
  private addBins(): void {
    const { counts, coarse, fine } = this;
    for (let place = 0; place < 2 * this.terms.bins; place++) {
      const count = Math.floor(coarse[place] / ONE_ROW);
      counts[place] += count;
      this.confidences.add(place >> 1, coarse[place] - count * ONE_ROW, fine[place]);
    }
  }

  /** Bins are open below and closed above; 0 belongs to the first. */
  private binOf(p: number): number {
    const { bounds } = this;
    const bins = this.terms.bins;
    const bin = Math.min((p * bins) | 0, bins - 1);
    // The product is rounded: by one edge at most.
    return bin + (p > bounds[bin + 1] ? 1 : 0) - (p <= bounds[bin] ? 1 : 0);
  }

  merge(other: Tally): void {
    this.expect(other.classes);
    this.seen += other.seen;
    this.totals[0] += other.totals[0];
    this.totals[1] += other.totals[1];
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
    const { means, confusion, counts } = this;
    const [ignored, rightInTop] = this.totals;
    const rows = this.seen - ignored;
    const right = counts.reduce((sum, count, place) => sum + (place & 1) * count, 0);
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
      accuracy: right / rows,
      topKAccuracy: rightInTop / rows,
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
function addPairs(
  matrix: Uint32Array,
  classes: number,
  { targets, likeliest, targetRanks }: JudgeProblem,
  from: number,
  end: number,
): void {
  for (let r = from; r < end; r++) {
    const top = likeliest[r];
    if (targetRanks[r] !== 0 && top < classes) matrix[targets[r] * classes + top]++;
  }
}
