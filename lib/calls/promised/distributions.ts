/** The functions of distributions as promises. */
import { readAbortable } from '../../arguments/options.js';
import * as operations from '../../ops/all.js';
import type { Classes, KlDivergenceOptions, LogProbOptions } from '../../types/distributions.js';
import type { Abortable, EntropyOptions, Float32Form, Logits, Losses, ReducedForm } from '../../types.js';
import { plan, solveAsync } from '../plan.js';

/**
 * As `entropy` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `entropy` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await entropy([3.2, 1.3, 0.2, 0.8]); // [0.760]
 * ```
 */
export async function entropy<X extends Logits, Out extends Losses = never>(
  x: X,
  options?: EntropyOptions<Out> & Abortable,
): Promise<[Out] extends [never] ? ReducedForm<X> : NoInfer<Out>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.entropy, x, undefined, rest), signal) as Promise<
    [Out] extends [never] ? ReducedForm<X> : NoInfer<Out>
  >;
}

/**
 * As `klDivergence` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `klDivergence` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await klDivergence([3.2, 1.3, 0.2, 0.8], [3, 1, 0, 1]); // [0.0067]
 * ```
 */
export async function klDivergence<X extends Logits, Out extends Losses = never>(
  x: X,
  y: Logits,
  options?: KlDivergenceOptions<Out> & Abortable,
): Promise<[Out] extends [never] ? ReducedForm<X> : NoInfer<Out>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.klDivergence, x, y, rest), signal) as Promise<
    [Out] extends [never] ? ReducedForm<X> : NoInfer<Out>
  >;
}

/**
 * As `logProb` of `simd-softmax`, without blocking the event loop.
 *
 * @throws What `logProb` throws, as a rejection; the signal's reason where it is aborted.
 *
 * @example
 * ```ts
 * await logProb([3.2, 1.3, 0.2, 0.8], [0, 3]); // [-0.255, -2.655]
 * ```
 */
export async function logProb<X extends Logits, Out extends Losses = never>(
  x: X,
  classes: Classes,
  options?: LogProbOptions<Out> & Abortable,
): Promise<[Out] extends [never] ? Float32Form<X> : NoInfer<Out>> {
  const { signal, rest } = readAbortable(options);
  return solveAsync(plan(operations.logProb, x, classes, rest), signal) as Promise<
    [Out] extends [never] ? Float32Form<X> : NoInfer<Out>
  >;
}
