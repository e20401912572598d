/**
 * The pure-TypeScript backend: the readable specification of what every backend computes, and what serves the
 * whole API where nothing native loads.
 */
import { onPrivateMemory } from '../memory.js';
import type { Backend, Problem } from '../problem.js';
import { crossEntropy } from './crossEntropy.js';
import { sample } from './sample.js';
import { logSoftmax, logSumExp, softmax } from './softmax.js';
import { atOnce, inTurns, type Steps } from './steps.js';
import { topK } from './topK.js';

/** Rows [first, end) of a problem, step by step. */
export function solve(problem: Problem, first: number, end: number): Steps {
  if (problem.op === 'softmax') return softmax(problem, first, end);
  if (problem.op === 'logSoftmax') return logSoftmax(problem, first, end);
  if (problem.op === 'logSumExp') return logSumExp(problem, first, end);
  if (problem.op === 'topK') return topK(problem, first, end);
  if (problem.op === 'sample') return sample(problem, first, end);
  return crossEntropy(problem, first, end);
}

export const jsBackend: Backend = {
  kind: 'js',
  isa: 'js',
  run(problem) {
    atOnce(problem, solve);
  },
  runAsync(problem, signal) {
    return onPrivateMemory(problem, signal, (own) => inTurns(own, solve, signal));
  },
};
