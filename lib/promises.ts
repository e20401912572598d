/**
 * The functions of `simd-softmax` as promises: the work is done on other threads (where the backend is native, and there
 * is more of it than handing it over takes), the event loop stays free. Every option has the same meaning; `signal` is new. Wrong arguments reject.
 *
 * Do not touch `x` or the outputs until the promise settles. Outputs are written once, whole.
 *
 * @module simd-softmax/promises
 */

import { readAbortable } from './arguments/options.js';
import { BatchesInTurns, evaluateInTurns } from './calls/evaluation.js';
import { fitInTurns } from './calls/fit.js';
import { plan, solveAsync } from './calls/plan.js';
import * as operations from './ops/all.js';
import type {
  AsyncEvaluation,
  ClassTargets,
  EvaluateOptions,
  EvaluationOptions,
  EvaluationResult,
  FitTemperatureOptions,
  TemperatureFit,
} from './types/evaluation.js';
import type { SampleOptions } from './types/sample.js';
import type {
  Abortable,
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
export { binaryCrossEntropy, logSigmoid, sigmoid } from './calls/promised/binary.js';
export { entropy, klDivergence, logProb } from './calls/promised/distributions.js';
export type * from './prepare.js';
export { prepare } from './prepare.js';
export type * from './types/binary.js';
export type * from './types/distributions.js';
export type * from './types/evaluation.js';
export type * from './types/sample.js';
export type * from './types.js';

/**
 * As `softmax` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `softmax` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * const [dog] = await softmax([3.2, 1.3, 0.2, 0.8]); // 0.775
 * await softmax(logits, { shape: [32, 1000], out: logits }); // in place, row by row
 * ```
 */
export async function softmax<X extends Logits, Out extends Output = never, Type extends ElementType = never>(
  x: X,
  options?: SoftmaxOptions<Out, Type> & Abortable,
): Promise<LikeX<X, Out, Type>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.softmax, x, undefined, rest), signal) as Promise<LikeX<X, Out, Type>>;
}

/**
 * As `logSoftmax` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `logSoftmax` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * const [dog] = await logSoftmax(Float32Array.of(3.2, 1.3, 0.2, 0.8)); // -0.255
 * ```
 */
export async function logSoftmax<
  X extends Logits,
  Out extends Output = never,
  Type extends ElementType = never,
>(x: X, options?: LogSoftmaxOptions<Out, Type> & Abortable): Promise<LikeX<X, Out, Type>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.logSoftmax, x, undefined, rest), signal) as Promise<LikeX<X, Out, Type>>;
}

/**
 * As `logSumExp` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `logSumExp` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await logSumExp(logits, { shape: [32, 1000] }); // 32 values
 * ```
 */
export async function logSumExp<X extends Logits, Out extends Losses = never>(
  x: X,
  options?: LogSumExpOptions<Out> & Abortable,
): Promise<[Out] extends [never] ? ReducedForm<X> : NoInfer<Out>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.logSumExp, x, undefined, rest), signal) as Promise<
    [Out] extends [never] ? ReducedForm<X> : NoInfer<Out>
  >;
}

/**
 * As `topK` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `topK` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await topK([3.2, 1.3, 0.2, 0.8], 2); // { probabilities: [0.775, 0.116], indices: [0, 1] }
 * ```
 */
export async function topK<
  X extends Logits,
  Out extends TopKResult | LogTopKResult = never,
  Type extends ElementType = never,
  Log extends boolean = false,
>(x: X, k: number, options?: TopKOptions<Out, Type, Log> & Abortable): Promise<TopKForm<X, Out, Type, Log>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.topK, x, k, rest), signal) as Promise<TopKForm<X, Out, Type, Log>>;
}

/**
 * As `classify` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `classify` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await classify([3.2, 1.3, 0.2, 0.8], { labels: ['dog', 'cat', 'horse', 'cheetah'], k: 1 });
 * // [{ label: 'dog', score: 0.775 }]
 * ```
 */
export async function classify<X extends Logits>(
  x: X,
  options: ClassifyOptions & Abortable,
): Promise<Labels<X>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.classify, x, undefined, rest), signal) as Promise<Labels<X>>;
}

/**
 * As `sample` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `sample` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * const [token] = await sample(logits, { temperature: 0.8, topP: 0.95, seed: 42, offset: tokens.length });
 * ```
 */
export async function sample<X extends Logits>(
  x: X,
  options?: SampleOptions & Abortable,
): Promise<X extends readonly unknown[] ? number[] : Uint32Array> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.sample, x, undefined, rest), signal) as Promise<
    X extends readonly unknown[] ? number[] : Uint32Array
  >;
}

/**
 * As `crossEntropy` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `crossEntropy` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await crossEntropy([3.2, 1.3, 0.2, 0.8], [0]); // 0.255
 * await crossEntropy(logits, labels, { shape: [-1, 10], gradient: logits }); // the gradient takes the logits' place
 * ```
 */
export async function crossEntropy<X extends Logits, How extends Reduction = 'mean'>(
  x: X,
  targets: Targets,
  options?: CrossEntropyOptions<How> & Abortable,
): Promise<How extends 'none' ? ReducedForm<X> : number> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.crossEntropy, x, targets, rest), signal) as Promise<
    How extends 'none' ? ReducedForm<X> : number
  >;
}

/**
 * As `evaluate` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `evaluate` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * const { accuracy, calibrationError } = await evaluate(logits, labels, { shape: [-1, 10] });
 * ```
 */
export async function evaluate(
  x: Logits,
  targets: ClassTargets,
  options?: EvaluateOptions & Abortable,
): Promise<EvaluationResult> {
  return evaluateInTurns(x, targets, options);
}

/**
 * As `newEvaluation` of `simd-softmax`, but that its `add` returns a promise. This function itself does not: there is
 * nothing to wait for.
 *
 * @throws What `newEvaluation` throws.
 *
 * @example
 * ```ts
 * const evaluation = newEvaluation({ shape: [-1, 10] });
 * for await (const { logits, labels } of batches) await evaluation.add(logits, labels);
 * evaluation.result().accuracy;
 * ```
 */
export function newEvaluation(options?: EvaluationOptions): AsyncEvaluation {
  return new BatchesInTurns(options);
}

/**
 * As `fitTemperature` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `fitTemperature` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * const { temperature } = await fitTemperature(logits, labels, { shape: [-1, 10] });
 * ```
 */
export async function fitTemperature(
  x: Logits,
  targets: ClassTargets,
  options?: FitTemperatureOptions & Abortable,
): Promise<TemperatureFit> {
  return fitInTurns(x, targets, options);
}
