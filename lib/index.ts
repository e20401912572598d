/**
 * Softmax and its family, synchronously. `simd-softmax/promises` has the same names as promises.
 *
 * @module simd-softmax
 */

import { BatchesAtOnce, evaluateAtOnce } from './calls/evaluation.js';
import { fitAtOnce } from './calls/fit.js';
import { lone } from './calls/lone.js';
import { solvePlain } from './calls/plain.js';
import { plan, solve } from './calls/plan.js';
import * as operations from './ops/all.js';
import type {
  ClassTargets,
  EvaluateOptions,
  Evaluation,
  EvaluationOptions,
  EvaluationResult,
  FitTemperatureOptions,
  TemperatureFit,
} from './types/evaluation.js';
import type { SampleOptions } from './types/sample.js';
import type {
  ClassifyOptions,
  CrossEntropyOptions,
  ElementType,
  Labels,
  LikeX,
  Logits,
  LogSoftmaxOptions,
  LogSumExpOptions,
  LogTopKResult,
  Losses,
  Output,
  ReducedForm,
  Reduction,
  SoftmaxOptions,
  Targets,
  TopKForm,
  TopKOptions,
  TopKResult,
} from './types.js';

export { backend } from './backends/backend.js';
export { binaryCrossEntropy, logSigmoid, sigmoid } from './calls/binary.js';
export { entropy, klDivergence, logProb } from './calls/distributions.js';
export type * from './prepare.js';
export { prepare } from './prepare.js';
export type * from './types/binary.js';
export type * from './types/distributions.js';
export type * from './types/evaluation.js';
export type * from './types/sample.js';
export type * from './types.js';

/**
 * The softmax of every row: exp(x / temperature), over its sum.
 *
 * float32 results are within 2 ULP of the exact ones, float64 within 4. A NaN or +Infinity makes its row NaN, as does
 * a row of nothing but -Infinity; a row that a mask leaves empty is all zeros.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns Probabilities, of the shape and kind of `x`, or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @see P. Blanchard, D. J. Higham, N. J. Higham: Accurately computing the log-sum-exp and softmax functions (2021);
 * `docs/algorithm.md` has the error bound.
 *
 * @example
 * ```ts
 * const [dog] = softmax([3.2, 1.3, 0.2, 0.8]); // 0.775
 * softmax(logits, { shape: [32, 1000], out: logits }); // in place, row by row
 * ```
 */
export function softmax<X extends Logits, Out extends Output = never, Type extends ElementType = never>(
  x: X,
  options?: SoftmaxOptions<Out, Type>,
): LikeX<X, Out, Type> {
  return (solvePlain('softmax', x, options) ??
    lone.softmax(x, options) ??
    solve(plan(operations.softmax, x, undefined, options))) as LikeX<X, Out, Type>;
}

/**
 * The natural logarithm of the softmax of every row, computed without a detour through its small numbers.
 *
 * As exact as `softmax`, near 0 too: `logSoftmax([0, -40])[0]` is -4.248354255291589e-18. A class that a mask leaves
 * out is -Infinity.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns Log-probabilities (nats), of the shape and kind of `x`, or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * const [dog] = logSoftmax(Float32Array.of(3.2, 1.3, 0.2, 0.8)); // -0.255
 * ```
 */
export function logSoftmax<X extends Logits, Out extends Output = never, Type extends ElementType = never>(
  x: X,
  options?: LogSoftmaxOptions<Out, Type>,
): LikeX<X, Out, Type> {
  return (solvePlain('logSoftmax', x, options) ??
    solve(plan(operations.logSoftmax, x, undefined, options))) as LikeX<X, Out, Type>;
}

/**
 * The natural logarithm of the sum of exp(x / temperature) of every row: the normaliser of its softmax.
 *
 * An empty row, and one of nothing but -Infinity, gives -Infinity; one with +Infinity gives +Infinity.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns One value per row: the shape of `x` less the axis (of a single row: one value in an array of length 1),
 * float32 where `x` is 16-bit; or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * logSumExp(logits, { shape: [32, 1000] }); // 32 values
 * ```
 */
export function logSumExp<X extends Logits, Out extends Losses = never>(
  x: X,
  options?: LogSumExpOptions<Out>,
): [Out] extends [never] ? ReducedForm<X> : NoInfer<Out> {
  return (solvePlain('logSumExp', x, options) ??
    solve(plan(operations.logSumExp, x, undefined, options))) as [Out] extends [never]
    ? ReducedForm<X>
    : NoInfer<Out>;
}

/**
 * The k likeliest classes of every row with their softmax probabilities, in descending order. The softmax itself is
 * never written.
 *
 * Ties go to the lower index. NaN sorts first and makes its row's probabilities NaN. A row in which fewer than k
 * classes take part ends in probabilities of 0 with the index 4294967295. With several axes, indices count the
 * classes row-major over them.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @param k - From 0 to the number of classes.
 * @returns Probabilities (with `log: true` their logarithms) and class indices: the shape of `x` with k in the place of
 * the (first) axis; or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * topK([3.2, 1.3, 0.2, 0.8], 2); // { probabilities: [0.775, 0.116], indices: [0, 1] }
 * topK([3.2, 1.3, 0.2, 0.8], 2, { log: true }); // { logProbabilities: [-0.255, -2.155], indices: [0, 1] }
 * ```
 */
export function topK<
  X extends Logits,
  Out extends TopKResult | LogTopKResult = never,
  Type extends ElementType = never,
  Log extends boolean = false,
>(x: X, k: number, options?: TopKOptions<Out, Type, Log>): TopKForm<X, Out, Type, Log> {
  return (lone.topK(x, k, options) ?? solve(plan(operations.topK, x, k, options))) as TopKForm<
    X,
    Out,
    Type,
    Log
  >;
}

/**
 * The likeliest classes of every row, by name.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns Labels with their probabilities, in descending order: one list where `x` has one dimension, else a list of
 * such lists, one per row.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * classify([3.2, 1.3, 0.2, 0.8], { labels: ['dog', 'cat', 'horse', 'cheetah'], k: 1 });
 * // [{ label: 'dog', score: 0.775 }]
 * ```
 */
export function classify<X extends Logits>(x: X, options: ClassifyOptions): Labels<X> {
  return (lone.classify(x, options) ?? solve(plan(operations.classify, x, undefined, options))) as Labels<X>;
}

/**
 * Draws a class from every row, each with its softmax probability, after bias, penalties and the filters topK, topP and
 * minP, in the order that `order` names. A temperature of 0 takes the likeliest class. A loop passes `offset` 0, 1, 2, …. A row without probabilities (NaN or +Infinity in it, or nothing
 * left by a mask) gives 4294967295.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns Class indices, [rows · count]: a `Uint32Array`, or an array where `x` is one; or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @see A. Holtzman et al.: The Curious Case of Neural Text Degeneration (2020), for topP; M. Nguyen et al.: Turning Up the
 * Heat: Min-p Sampling (2024), for minP; J. K. Salmon et al.: Parallel Random Numbers: As Easy as 1, 2, 3 (2011), for
 * Philox, which draws.
 *
 * @example
 * ```ts
 * const [token] = sample(logits, { temperature: 0.8, topP: 0.95, seed: 42, offset: tokens.length });
 * ```
 */
export function sample<X extends Logits>(
  x: X,
  options?: SampleOptions,
): X extends readonly unknown[] ? number[] : Uint32Array {
  return (lone.sample(x, options) ??
    solve(plan(operations.sample, x, undefined, options))) as X extends readonly unknown[]
    ? number[]
    : Uint32Array;
}

/**
 * The cross entropy (nats) between the softmax of every row and its target, as PyTorch defines it.
 *
 * The mean over class indices divides by the sum of the weights of the rows' classes, ignored rows left out; the mean
 * over distributions by the number of rows.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @param targets - A class per row, or a distribution over the classes per row, in the shape and type of `x`.
 * @returns The mean or sum; with reduction `'none'`, the loss of every row in the form that `logSumExp` gives.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
 *
 * @example
 * ```ts
 * crossEntropy([3.2, 1.3, 0.2, 0.8], [0]); // 0.255
 * crossEntropy(logits, labels, { shape: [-1, 10], gradient: logits }); // the gradient takes the logits' place
 * ```
 */
export function crossEntropy<X extends Logits, How extends Reduction = 'mean'>(
  x: X,
  targets: Targets,
  options?: CrossEntropyOptions<How>,
): How extends 'none' ? ReducedForm<X> : number {
  return (lone.crossEntropy(x, targets, options) ??
    solve(plan(operations.crossEntropy, x, targets, options))) as How extends 'none'
    ? ReducedForm<X>
    : number;
}

/**
 * How right the softmax of every row is, and how far its probabilities can be believed: accuracy, log loss, Brier score,
 * calibration error, a reliability diagram and a confusion matrix, in one pass.
 *
 * A row with a NaN or +Infinity counts as wrong, lies in no bin, and makes logLoss, brier and entropy NaN.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @param targets - A class per row.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}).
 *
 * @see C. Guo et al.: On Calibration of Modern Neural Networks (2017), for the bins.
 *
 * @example
 * ```ts
 * evaluate([[3.2, 1.3, 0.2, 0.8], [0.1, 2, 0.4, 0.3]], [0, 3]); // { rows: 2, accuracy: 0.5, logLoss: 1.208, … }
 * ```
 */
export function evaluate(x: Logits, targets: ClassTargets, options?: EvaluateOptions): EvaluationResult {
  return evaluateAtOnce(x, targets, options);
}

/**
 * An evaluation whose rows come in batches, so that they need not be in memory together. Its result is that of
 * `evaluate` over all of them, but for rounding (1e-14).
 *
 * @param options - What all batches share.
 * @throws TypeError for an option of the wrong kind, or a misspelled one; RangeError for a wrong value. Both have a
 * stable `code` ({@link ErrorCode}).
 *
 * @example
 * ```ts
 * const evaluation = newEvaluation({ shape: [-1, 10] });
 * for (const { logits, labels } of batches) evaluation.add(logits, labels);
 * evaluation.result().accuracy;
 * ```
 */
export function newEvaluation(options?: EvaluationOptions): Evaluation {
  return new BatchesAtOnce(options);
}

/**
 * The temperature, from 0.01 to 100, that makes the mean log loss least, to six digits: calibration by temperature scaling.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @param targets - A class per row.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value, where no row is left, and where no temperature gives a finite mean. Both have a stable `code` ({@link ErrorCode}).
 *
 * @see C. Guo et al.: On Calibration of Modern Neural Networks (2017).
 *
 * @example
 * ```ts
 * const { temperature } = fitTemperature(logits, labels, { shape: [-1, 10] });
 * softmax(logits, { shape: [-1, 10], temperature });
 * ```
 */
export function fitTemperature(
  x: Logits,
  targets: ClassTargets,
  options?: FitTemperatureOptions,
): TemperatureFit {
  return fitAtOnce(x, targets, options);
}
