/**
 * The pure-TypeScript backend: the readable specification of what every backend computes, and what serves the
 * whole API where nothing native loads.
 */
import { onPrivateMemory } from '../asyncCopies.js';
import type { Backend, Problem } from '../problem.js';
import { atOnce, inTurns, type Steps } from './steps.js';

/** Rows [first, end) of a problem, step by step. */
export function solve(problem: Problem, first: number, end: number): Steps {
  return problem.temperatures === undefined
    ? problem.op.solve(problem, first, end)
    : solveByTemperature(problem, problem.temperatures, first, end);
}

/** Rows that share a temperature are a problem of their own, at that temperature: no operation knows of temperatures by row. */
function* solveByTemperature(
  problem: Problem,
  temperatures: Float64Array,
  first: number,
  end: number,
): Steps {
  const part = { ...problem, temperatures: undefined } as PartOfProblem;
  for (let from = first; from < end; ) {
    const temperature = temperatures[from];
    let to = from + 1;
    while (to < end && temperatures[to] === temperature) to++;
    part.temperature = temperature;
    yield* problem.op.solve(part, from, to);
    from = to;
  }
}

type PartOfProblem = Problem & { temperature: number };

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
