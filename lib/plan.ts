/** A call that is ready to run: arguments are known to be good, memory is there. */
import type { Backend, Problem } from './problem.js';

export interface Plan<Result> {
  readonly backend: Backend;
  readonly problem: Problem;
  /** Hands back the result in the caller's form, once the problem is solved. */
  finish(): Result;
}

/** Runs a plan before it returns. */
export function solve<Result>(plan: Plan<Result>): Result {
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
