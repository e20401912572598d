/**
 * The pure-TypeScript backend: the readable specification of what every backend computes, and what serves the
 * whole API where nothing native loads.
 */
import type { Backend, Problem } from '../problem.js';
import { inSlices } from './slices.js';
import { logSoftmax, logSumExp, softmax } from './softmax.js';

/** Solves rows [first, end) of a problem. */
function solve(problem: Problem, first: number, end: number): void {
  if (problem.op === 'softmax') softmax(problem, first, end);
  else if (problem.op === 'logSoftmax') logSoftmax(problem, first, end);
  else if (problem.op === 'logSumExp') logSumExp(problem, first, end);
  else throw new Error(`not yet: ${problem.op}`);
}

export const jsBackend: Backend = {
  kind: 'js',
  isa: 'js',
  run(problem) {
    solve(problem, 0, problem.outer * problem.inner);
  },
  runAsync(problem, signal) {
    return inSlices(problem, solve, signal);
  },
};
