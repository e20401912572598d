/** A call that is ready to run: its arguments are known to be good, its memory is there. */
import { refuseLost } from '../backends/memory.js';
import type { Backend, Problem } from '../backends/problem.js';

export interface Plan<Result> {
  readonly backend: Backend;
  readonly problem: Problem;
  /** Hands back the result in the caller's form, once the problem is solved. */
  finish(): Result;
  /**
   * For prepared calls, which run one plan many times: the problem as it has to be for the next run, where
   * something depends on the contents of the inputs (or on how many runs there were).
   */
  readonly again?: (() => Problem) | undefined;
}

/** Runs a plan before it returns. */
export function solve<Result>(plan: Plan<Result>): Result {
  refuseLost(plan.problem);
  plan.backend.run(plan.problem);
  return plan.finish();
}

/** Runs a plan without blocking the event loop. */
export async function solveAsync<Result>(
  plan: Plan<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  await plan.backend.runAsync(plan.problem, signal);
  return plan.finish();
}
