/** What becomes of the losses of rows or elements: their mean, their sum, or nothing. */
import type { Apart } from '../arguments/extents.js';
import { readWord } from '../arguments/options.js';

const reductions = ['mean', 'sum', 'none'] as const;
export type Reduction = (typeof reductions)[number];

export function readReduction(value: unknown, name: string): Reduction {
  return value === undefined ? 'mean' : readWord(value, name, reductions);
}

/** Backends give losses in float64: each is rounded once, or added to others. */
export function lossesOf(count: number, isEach: boolean): Apart {
  return {
    memory: () => takeLosses(count),
    settle(from, to) {
      if (isEach) to.set(from);
    },
    release: (from) => keepLosses(from as Float64Array),
  };
}

/** A sum in a fixed order, compensated (Neumaier 1974): the error does not grow with the number of losses. */
export function sum(losses: Float64Array): number {
  let total = 0;
  let lost = 0;
  for (const loss of losses) {
    const next = total + loss;
    lost += Math.abs(total) >= Math.abs(loss) ? total - next + loss : loss - next + total;
    total = next;
  }
  // An infinite or NaN total has lost nothing, but Infinity - Infinity above is NaN.
  return Number.isFinite(total) ? total + lost : total;
}

/** The losses of one call after another use the same memory, unless they are many. */
let spare: Float64Array = new Float64Array(0);
const mostKept = 1 << 16;

function takeLosses(count: number): Float64Array {
  const memory = spare.length >= count ? spare : new Float64Array(count);
  if (memory === spare) spare = new Float64Array(0);
  return memory.length === count ? memory : memory.subarray(0, count);
}

function keepLosses(losses: Float64Array): void {
  if (losses.buffer.byteLength <= mostKept * 8) spare = new Float64Array(losses.buffer);
}
