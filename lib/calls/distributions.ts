/** What there is to know of a row's distribution: the entropy, the divergence from another, given log-probabilities. */

import * as operations from '../ops/all.js';
import type { Classes, KlDivergenceOptions, LogProbOptions } from '../types/distributions.js';
import type { EntropyOptions, Float32Form, Logits, Losses, ReducedForm } from '../types.js';
import { plan, solve } from './plan.js';

/**
 * The entropy (nats) of the softmax of every row: -Σ p ln p.
 *
 * A row that a mask leaves empty has entropy 0. float32 results are within 4 ULP of the exact ones, float64 within 16.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @returns One value per row, in the form that `logSumExp` gives; or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * entropy([3.2, 1.3, 0.2, 0.8]); // [0.760]
 * ```
 */
export function entropy<X extends Logits, Out extends Losses = never>(
  x: X,
  options?: EntropyOptions<Out>,
): [Out] extends [never] ? ReducedForm<X> : NoInfer<Out> {
  return solve(plan(operations.entropy, x, undefined, options)) as [Out] extends [never]
    ? ReducedForm<X>
    : NoInfer<Out>;
}

/**
 * The Kullback-Leibler divergence (nats) of the softmax p of every row of `x` from the softmax q of that of `y`:
 * Σ p (ln p - ln q). The temperature divides both, and masks hold for both.
 *
 * A class where p is 0 adds nothing; one where q is 0 and p is not makes it Infinity. It is never negative, and exact for
 * distributions that are all but equal: within 4 ULP in float32, 16 in float64, or 1e-30.
 *
 * @param x - Logits of p, [x.length] unless `shape` says otherwise.
 * @param y - Logits of q, in the type and shape of `x`; their form may differ.
 * @returns One value per row, in the form that `logSumExp` gives; or `out`. A row that a mask leaves empty has 0.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * klDivergence([3.2, 1.3, 0.2, 0.8], [3, 1, 0, 1]); // [0.0067]
 * ```
 */
export function klDivergence<X extends Logits, Out extends Losses = never>(
  x: X,
  y: Logits,
  options?: KlDivergenceOptions<Out>,
): [Out] extends [never] ? ReducedForm<X> : NoInfer<Out> {
  return solve(plan(operations.klDivergence, x, y, options)) as [Out] extends [never]
    ? ReducedForm<X>
    : NoInfer<Out>;
}

/**
 * The log-probabilities (nats) of given classes of every row: what gathering them from `logSoftmax` gives, to the bit. The
 * full row is never written.
 *
 * A class that a mask leaves out, or past its row's length, has -Infinity; the same class may be given twice.
 *
 * @param x - Logits, [x.length] unless `shape` says otherwise.
 * @param classes - Class indices, [rows, n] row-major with n in the place of the (first) axis, flat or nested; with
 * `shared: true` n for all rows.
 * @returns Log-probabilities, [rows, n] in the form that `logSoftmax` gives, float32 where `x` is 16-bit; or `out`.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code` ({@link ErrorCode}), and nothing has been written to any output by then.
 *
 * @example
 * ```ts
 * logProb([3.2, 1.3, 0.2, 0.8], [0, 3]); // [-0.255, -2.655]
 * logProb([3.2, 1.3, 0.2, 0.8], [0, 3], { renormalize: true }); // [-0.087, -2.487]
 * ```
 */
export function logProb<X extends Logits, Out extends Losses = never>(
  x: X,
  classes: Classes,
  options?: LogProbOptions<Out>,
): [Out] extends [never] ? Float32Form<X> : NoInfer<Out> {
  return solve(plan(operations.logProb, x, classes, options)) as [Out] extends [never]
    ? Float32Form<X>
    : NoInfer<Out>;
}
