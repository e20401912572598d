/** The functions of single elements: each logit is a question of its own, with a yes and a no. */
import * as operations from '../ops/all.js';
import type { BinaryCrossEntropyOptions, BinaryTargets, SigmoidOptions } from '../types/binary.js';
import type { ElementType, LikeX, Logits, Output, Reduction } from '../types.js';
import { plan, solve } from './plan.js';

/**
 * The logistic function of every element: 1 / (1 + exp(-x / temperature)).
 *
 * Elements are apart: a NaN stays in its own, +Infinity gives 1 and -Infinity 0. An element that a mask leaves out is
 * exactly 0. float32 results are within 1 ULP of the exact ones, float64 within 4.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns Probabilities, of the shape and kind of `x`, or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * sigmoid(Float32Array.of(0, 2, -2)); // 0.5, 0.881, 0.119
 * ```
 */
export function sigmoid<X extends Logits, Out extends Output = never, Type extends ElementType = never>(
  x: X,
  options?: SigmoidOptions<Out, Type>,
): LikeX<X, Out, Type> {
  return solve(plan(operations.sigmoid, x, undefined, options)) as LikeX<X, Out, Type>;
}

/**
 * The natural logarithm of `sigmoid`, without a detour through its small numbers: -log(1 + exp(-x / temperature)).
 *
 * As exact as `sigmoid`, near 0 too. An element that a mask leaves out is -Infinity.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns Log-probabilities (nats), of the shape and kind of `x`, or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * logSigmoid(Float32Array.of(0, 100)); // -0.693, -3.78e-44
 * ```
 */
export function logSigmoid<X extends Logits, Out extends Output = never, Type extends ElementType = never>(
  x: X,
  options?: SigmoidOptions<Out, Type>,
): LikeX<X, Out, Type> {
  return solve(plan(operations.logSigmoid, x, undefined, options)) as LikeX<X, Out, Type>;
}

/**
 * The binary cross entropy (nats) between the sigmoid of every element and its target, as PyTorch defines it of logits.
 *
 * No loss is infinite but where the exact one is. Elements that a mask leaves out have no loss, no gradient and no part in
 * the mean.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @param targets - A number from 0 to 1 for each element, in the shape of `x`.
 * @returns The mean or sum; with reduction `'none'`, the loss of every element in the form of `x`, float32 where it is
 * 16-bit.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html
 *
 * @example
 * ```ts
 * binaryCrossEntropy([3.2, -1.3], [1, 0]); // 0.141
 * binaryCrossEntropy(logits, labels, { shape: [-1, 20], posWeight, gradient: logits });
 * ```
 */
export function binaryCrossEntropy<
  X extends Logits,
  How extends Reduction = 'mean',
  Out extends Output = never,
>(
  x: X,
  targets: BinaryTargets,
  options?: BinaryCrossEntropyOptions<How, Out>,
): How extends 'none' ? LikeX<X, Out, 'float32'> : number {
  return solve(plan(operations.binaryCrossEntropy, x, targets, options)) as How extends 'none'
    ? LikeX<X, Out, 'float32'>
    : number;
}
