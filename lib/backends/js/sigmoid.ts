import type { Data, ElementType, Problem } from '../problem.js';
import { BLOCK, block, exponentials } from './block.js';
import { logOfOneAnd } from './logarithm.js';
import { originOf, reduction, TOP_EXPONENT } from './reduction.js';
import { load, RowReader, store } from './rows.js';
import { coefficientRoom } from './scratch.js';
import { VANISHING, vanishing } from './softmax.js';
import type { Steps } from './steps.js';

export interface SigmoidProblem extends Problem {
  readonly out: Data;
  readonly outType: ElementType;
}

/** 2^120: what the term of 0 is. */
const ONE = 2 ** TOP_EXPONENT;

/** Elements that are worked on together: they stay in the first cache. */
const PART = 2 ** 12;

/** 1 / (1 + e^(-x/T)): of x below 0, e^(x/T) / (1 + e^(x/T)). A masked element counts as -Infinity. */
export function sigmoid(problem: SigmoidProblem, first: number, end: number): Steps {
  return elementByElement(problem, first, end, (count, logits) => {
    for (let i = 0; i < count; i++) {
      const term = block[i];
      // Signs come as they like: a branch would be predicted wrongly half the time.
      const below = Number(logits[i] < 0);
      block[i] = (below * term + (1 - below) * ONE) / (ONE + term);
    }
  });
}

/** min(x/T, 0) - ln(1 + e^(-|x|/T)): neither part is positive, so nothing cancels. */
export function logSigmoid(problem: SigmoidProblem, first: number, end: number): Steps {
  const { temperature, type } = problem;
  return elementByElement(problem, first, end, (count, logits, largest) => {
    if (!(largest / temperature < Infinity)) {
      for (let i = 0; i < count; i++)
        block[i] = Math.min(logits[i] / temperature, 0) - vanishing(logOfOneAnd(block[i] / ONE), type);
      return;
    }
    const least = type === 'float64' ? 0 : VANISHING;
    for (let i = 0; i < count; i++) {
      const half = (logits[i] / temperature) * 0.5;
      const log = logOfOneAnd(block[i] * (1 / ONE));
      block[i] = half - Math.abs(half) - (log <= least ? 0 : log);
    }
  });
}

type Solve = (count: number, logits: Float64Array, largest: number) => void;

/**
 * Replaces every logit by what `solve` makes of it and of e^(-|x|/T), which it finds in the block in units of `ONE`; the largest
 * logit is NaN where any is.
 */
function* elementByElement(problem: SigmoidProblem, first: number, end: number, solve: Solve): Steps {
  const { x, type, out, outType, inner, length } = problem;
  const row = new RowReader(problem);
  if (!row.masked && problem.offsets === undefined && inner === 1) {
    // Rows that lie one behind the other are one.
    for (let at = first * length; at < end * length; at += PART) {
      if ((at - first * length) % BLOCK === BLOCK - PART) yield;
      const count = Math.min(end * length - at, PART);
      solvePart(problem, count, load(x, type, at, 1, count), solve);
      store(1, count, out, outType, at, 1);
    }
    return;
  }
  for (let r = first; r < end; r++) {
    row.open(r);
    for (let from = 0; from < row.length; from += PART) {
      if (from % BLOCK === BLOCK - PART) yield;
      const count = Math.min(row.length - from, PART);
      solvePart(problem, count, row.load(from, count), solve);
      store(1, count, out, outType, row.base + from * row.stride, row.stride);
    }
  }
}

function solvePart({ temperature }: SigmoidProblem, count: number, place: number, solve: Solve): void {
  const by = reduction(temperature);
  const logits = coefficientRoom(PART);
  const largest = block[place];
  for (let i = 0; i < count; i++) {
    logits[i] = block[i];
    block[i] = -Math.abs(block[i]);
  }
  exponentials(count, by, originOf(0, by));
  solve(count, logits, largest);
}
