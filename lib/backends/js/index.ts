/**
 * The pure-TypeScript backend: the readable specification of what every backend computes, and what serves the
 * whole API where nothing native loads.
 */
import { onPrivateMemory } from '../memory.js';
import type { Backend, Problem } from '../problem.js';
import { crossEntropy } from './crossEntropy.js';
import { sample } from './sample.js';
import { inSlices } from './slices.js';
import { logSoftmax, logSumExp, softmax } from './softmax.js';
import { topK } from './topK.js';

/** Solves rows [first, end) of a problem. */
function solve(problem: Problem, first: number, end: number): void {
  if (problem.op === 'softmax') softmax(problem, first, end);
  else if (problem.op === 'logSoftmax') logSoftmax(problem, first, end);
  else if (problem.op === 'logSumExp') logSumExp(problem, first, end);
  else if (problem.op === 'topK') topK(problem, first, end);
  else if (problem.op === 'sample') sample(problem, first, end);
  else crossEntropy(problem, first, end);
}

export const jsBackend: Backend = {
  kind: 'js',
  isa: 'js',
  run(problem) {
    solve(problem, 0, problem.outer * problem.inner);
  },
  runAsync(problem, signal) {
    return onPrivateMemory(problem, signal, (own) => inSlices(own, solve, signal));
  },
};
