/**
 * A problem is solved in steps of at most a few milliseconds. Synchronous calls take one after another; asynchronous ones
 * let other events have their turn in between, so that nothing in shared scratch memory outlives a step.
 */
import { nextTurn } from '../asyncCopies.js';
import type { Problem, Steps } from '../problem.js';

export type { Steps } from '../problem.js';

/** Solves rows [first, end) of a problem. */
export type Solve = (problem: Problem, first: number, end: number) => Steps;

/** Rows of about this many logits are worked on between two turns of the event loop: well under a millisecond. */
const turnLogits = 2 ** 15;

/** Rows that take longer per logit, by filters or draws, are looked at the clock for after so many of them. */
const turnRows = 64;
const turnMilliseconds = 2;

/** Counts the times that other calls may have used the scratch memory. */
export const turns = { count: 0 };

/** Rows are solved so many at a time: V8 would not replace the code of a generator that runs by better code (sample: 2.5 times). */
const sliceRows = 256;

export function atOnce(problem: Problem, solve: Solve): void {
  const rows = problem.outer * problem.inner;
  for (let first = 0; first < rows; first += sliceRows) {
    const steps = solve(problem, first, Math.min(first + sliceRows, rows));
    while (steps.next().done !== true);
  }
}

export async function inTurns(
  problem: Problem,
  solve: Solve,
  signal: AbortSignal | undefined,
): Promise<void> {
  const rows = problem.outer * problem.inner;
  const { length } = problem;
  const step = Math.min(turnRows, Math.max(1, Math.floor(turnLogits / Math.max(1, length))));
  let began = 0;
  let logits = 0;
  const nextStep = async () => {
    await nextTurn();
    signal?.throwIfAborted();
    turns.count++;
    began = performance.now();
    logits = 0;
  };
  await nextStep();
  for (let first = 0; first < rows; first += step) {
    if (logits + step * length > turnLogits || performance.now() - began > turnMilliseconds) await nextStep();
    logits += step * length;
    const steps = solve(problem, first, Math.min(first + step, rows));
    try {
      while (steps.next().done !== true) await nextStep();
    } finally {
      steps.return();
    }
  }
}
