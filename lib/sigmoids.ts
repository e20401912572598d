/** Element by element: the functions of models with several labels at once. `index.ts` exports them. */
import { plan, solve } from './calls/plan.js';
import { operations } from './ops/all.js';
import type { ElementType, LikeX, Logits, Output, SigmoidOptions } from './types.js';

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
