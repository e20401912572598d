/** The types of evaluate, newEvaluation and fitTemperature. */
import type { Abortable, Integers, Logits, NestedNumbers, RowOptions, TensorLike } from '../types.js';

/** Options of `newEvaluation`: what all its batches share. */
export interface EvaluationOptions extends RowOptions {
  /** For `topKAccuracy`: the target is among so many likeliest classes, from 1 up. Default: 5. */
  readonly k?: number | undefined;
  /** How many bins of equal width the top probabilities are sorted into, from 1 to 65536. Default: 15. */
  readonly bins?: number | undefined;
  /** Rows with this target count for nothing. Default: -100. */
  readonly ignoreIndex?: number | undefined;
  /** Whether there is a confusion matrix, which up to 16384 classes can have. Default: up to 256 classes. */
  readonly confusion?: boolean | undefined;
}

/** Options of `evaluate`. */
export type EvaluateOptions = EvaluationOptions;

/** Options of `fitTemperature`: no `temperature`, which is what it looks for. */
export interface FitTemperatureOptions extends Omit<RowOptions, 'temperature'> {
  /** Rows with this target count for nothing. Default: -100. */
  readonly ignoreIndex?: number | undefined;
}

/** Rows whose largest probability lies in (lower, upper]; 0 lies in the first. */
export interface ReliabilityBin {
  /** i / bins. */
  readonly lower: number;
  /** (i + 1) / bins. */
  readonly upper: number;
  /** How many rows. */
  readonly count: number;
  /** The mean of their largest probabilities; NaN where there are none. */
  readonly confidence: number;
  /** The share of them whose likeliest class is the target; NaN where there are none. */
  readonly accuracy: number;
}

/** How right probabilities are, and how calibrated. Means over no row at all are NaN. */
export interface EvaluationResult {
  /** How many rows were judged. */
  readonly rows: number;
  /** How many had the target `ignoreIndex`. */
  readonly ignored: number;
  /** The share of rows whose likeliest class is the target; of classes alike the lowest is the likeliest. */
  readonly accuracy: number;
  /** The share of rows whose target is among the `k` likeliest classes; ties go to the lower index. */
  readonly topKAccuracy: number;
  /** The mean of -ln p of the target (nats). */
  readonly logLoss: number;
  /** exp(logLoss). */
  readonly perplexity: number;
  /** The mean of Σ (p - y)², from 0 to 2. */
  readonly brier: number;
  /** The mean distance between confidence and accuracy, over the rows that lie in a bin. */
  readonly calibrationError: number;
  /** The largest such distance of a bin. */
  readonly maxCalibrationError: number;
  /** The mean entropy (nats) of the rows. */
  readonly entropy: number;
  /** The reliability diagram, from low to high. */
  readonly bins: readonly ReliabilityBin[];
  /** Rows by true class (one line of `classes` entries each) and likeliest class, where there is such a matrix. */
  readonly confusion?: Uint32Array;
}

/** The temperature that suits logits best. */
export interface TemperatureFit {
  /** From 0.01 to 100. */
  readonly temperature: number;
  /** The mean log loss (nats) at that temperature. */
  readonly logLoss: number;
  /** And at temperature 1. */
  readonly logLossBefore: number;
  /** False where the best lies beyond 0.01 (separable data) or 100 (worse than guessing), one of which `temperature` is then. */
  readonly converged: boolean;
}

/** Options of one batch of an evaluation. */
export type BatchOptions = RowOptions;

/** An evaluation in batches. */
export interface Evaluation {
  /**
   * Judges a batch.
   *
   * @param x - Logits.
   * @param targets - A class per row.
   * @param options - What the rows of this batch are; these come before those of the evaluation.
   * @returns This evaluation.
   */
  add(x: Logits, targets: ClassTargets, options?: BatchOptions): Evaluation;
  /** Adds what another evaluation, with the same `k`, `bins`, `ignoreIndex` and `confusion`, has counted; it stays as it is. */
  merge(other: Evaluation | AsyncEvaluation): Evaluation;
  /** Of all batches so far. */
  result(): EvaluationResult;
}

/** An evaluation in batches that are judged on other threads. */
export interface AsyncEvaluation {
  /**
   * Judges a batch; several at a time may be under way. One that fails or is aborted leaves no trace.
   *
   * @param x - Logits.
   * @param targets - A class per row.
   * @param options - What the rows of this batch are; these come before those of the evaluation.
   * @returns This evaluation.
   */
  add(x: Logits, targets: ClassTargets, options?: BatchOptions & Abortable): Promise<AsyncEvaluation>;
  /** Adds what another evaluation, with the same `k`, `bins`, `ignoreIndex` and `confusion`, has counted; it stays as it is. */
  merge(other: Evaluation | AsyncEvaluation): AsyncEvaluation;
  /** Of all batches that are done. */
  result(): EvaluationResult;
}

/** A class per row: a list, nested arrays or a tensor of integers. */
export type ClassTargets = Integers | NestedNumbers | TensorLike;
