/** The functions of single elements as promises. */
import { readAbortable } from '../../arguments/options.js';
import * as operations from '../../ops/all.js';
import type { BinaryCrossEntropyOptions, BinaryTargets, SigmoidOptions } from '../../types/binary.js';
import type { Abortable, ElementType, LikeX, Logits, Output, Reduction } from '../../types.js';
import { plan, solveAsync } from '../plan.js';

/**
 * As `sigmoid` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `sigmoid` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await sigmoid(Float32Array.of(0, 2, -2)); // 0.5, 0.881, 0.119
 * ```
 */
export async function sigmoid<X extends Logits, Out extends Output = never, Type extends ElementType = never>(
  x: X,
  options?: SigmoidOptions<Out, Type> & Abortable,
): Promise<LikeX<X, Out, Type>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.sigmoid, x, undefined, rest), signal) as Promise<LikeX<X, Out, Type>>;
}

/**
 * As `logSigmoid` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `logSigmoid` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await logSigmoid(Float32Array.of(0, 100)); // -0.693, -3.78e-44
 * ```
 */
export async function logSigmoid<
  X extends Logits,
  Out extends Output = never,
  Type extends ElementType = never,
>(x: X, options?: SigmoidOptions<Out, Type> & Abortable): Promise<LikeX<X, Out, Type>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.logSigmoid, x, undefined, rest), signal) as Promise<LikeX<X, Out, Type>>;
}

/**
 * As `binaryCrossEntropy` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `binaryCrossEntropy` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await binaryCrossEntropy([3.2, -1.3], [1, 0]); // 0.141
 * ```
 */
export async function binaryCrossEntropy<
  X extends Logits,
  How extends Reduction = 'mean',
  Out extends Output = never,
>(
  x: X,
  targets: BinaryTargets,
  options?: BinaryCrossEntropyOptions<How, Out> & Abortable,
): Promise<How extends 'none' ? LikeX<X, Out, 'float32'> : number> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.binaryCrossEntropy, x, targets, rest), signal) as Promise<
    How extends 'none' ? LikeX<X, Out, 'float32'> : number
  >;
}
