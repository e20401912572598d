import type { Data, ElementType, Problem } from '../problem.js';
import { BLOCK, block, exponentials } from './block.js';
import { originOf, reduction, TOP_EXPONENT } from './reduction.js';
import { load, RowReader, store } from './rows.js';
import { coefficientRoom } from './scratch.js';
import { vanishing } from './softmax.js';
import type { Steps } from './steps.js';

export interface SigmoidProblem extends Problem {
  readonly out: Data;
  readonly outType: ElementType;
}

/** 2^120: what the term of 0 is. */
const ONE = 2 ** TOP_EXPONENT;

/** 1 / (1 + e^(-x/T)): of x below 0, e^(x/T) / (1 + e^(x/T)). A masked element counts as -Infinity. */
export function sigmoid(problem: SigmoidProblem, first: number, end: number): Steps {
  return elementByElement(problem, first, end, (x, term) => (x < 0 ? term : ONE) / (ONE + term));
}

/** min(x/T, 0) - ln(1 + e^(-|x|/T)): neither part is positive, so nothing cancels. */
export function logSigmoid(problem: SigmoidProblem, first: number, end: number): Steps {
  const { temperature, type } = problem;
  return elementByElement(problem, first, end, (x, term) => {
    return Math.min(x / temperature, 0) - vanishing(Math.log1p(term / ONE), type);
  });
}

/** Replaces every logit by what `value` makes of it and of e^(-|x|/T), in units of `ONE`. */
function* elementByElement(
  problem: SigmoidProblem,
  first: number,
  end: number,
  value: (x: number, term: number) => number,
): Steps {
  const { x, type, out, outType, inner, length } = problem;
  const row = new RowReader(problem);
  const logits = coefficientRoom(Math.min(x.length, BLOCK));
  const solve = (count: number): void => {
    const by = reduction(problem.temperature);
    for (let i = 0; i < count; i++) {
      logits[i] = block[i];
      block[i] = -Math.abs(block[i]);
    }
    exponentials(count, by, originOf(0, by));
    for (let i = 0; i < count; i++) block[i] = value(logits[i], block[i]);
  };
  if (!row.masked && problem.offsets === undefined && inner === 1) {
    // Rows that lie one behind the other are one.
    for (let at = first * length; at < end * length; at += BLOCK) {
      if (at > first * length) yield;
      const count = Math.min(end * length - at, BLOCK);
      load(x, type, at, 1, count);
      solve(count);
      store(1, count, out, outType, at, 1);
    }
    return;
  }
  for (let r = first; r < end; r++) {
    row.open(r);
    for (let from = 0; from < row.length; from += BLOCK) {
      if (from > 0) yield;
      const count = Math.min(row.length - from, BLOCK);
      row.load(from, count);
      solve(count);
      store(1, count, out, outType, row.base + from * row.stride, row.stride);
    }
  }
}
