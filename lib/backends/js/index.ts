/**
 * The pure-TypeScript backend: the readable specification of what every backend computes, and what serves the
 * whole API where nothing native loads.
 */
import { onPrivateMemory } from '../memory.js';
import type { Backend, Problem } from '../problem.js';
import { atOnce, inTurns, type Steps } from './steps.js';

/** Rows [first, end) of a problem, step by step. */
export function solve(problem: Problem, first: number, end: number): Steps {
  return problem.op.solve(problem, first, end);
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
