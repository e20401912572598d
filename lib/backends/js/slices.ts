/** How a problem is solved without holding up the event loop: in slices of rows. */
import { nextTurn } from '../memory.js';
import type { Problem } from '../problem.js';

/** About this many logits are worked on between two turns of the event loop: well under a millisecond. */
const SLICE = 2 ** 15;

export async function inSlices(
  problem: Problem,
  solve: (problem: Problem, first: number, end: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const rows = problem.outer * problem.inner;
  const step = Math.max(1, Math.floor(SLICE / Math.max(1, problem.length)));
  for (let first = 0; first < rows; first += step) {
    await nextTurn();
    signal?.throwIfAborted();
    solve(problem, first, Math.min(first + step, rows));
  }
}
