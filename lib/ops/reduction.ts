/** What becomes of the losses of rows or elements: their mean, their sum, or nothing. */
import { reducedType } from '../arguments/elements.js';
import { typeError } from '../arguments/errors.js';
import { type Apart, type Extent, likeX } from '../arguments/extents.js';
import { readWord } from '../arguments/options.js';
import type { Request } from '../arguments/rows.js';
import { type Outputs, resultOf, type Write } from './operation.js';

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

/** What a loss writes: `each` of the losses, or their mean or sum, and the gradient. */
export function lossWrites(
  reduction: Reduction,
  request: Request,
  each: { readonly extent: Extent; readonly mayBeX: boolean },
): Write[] {
  const { x, rows, options } = request;
  const isEach = reduction === 'none';
  if (options.out !== undefined && !isEach)
    throw typeError("reduction 'none' beside it", 'out', options.out, 'ERR_CONFLICTING_OPTIONS');
  return [
    {
      array: 'out',
      name: 'out',
      type: reducedType(x.type),
      extent: isEach ? each.extent : { dims: [1], apart: lossesOf(rows.outer * rows.inner, false) },
      given: options.out,
      form: x.form,
      mayBeX: each.mayBeX,
      when: isEach ? 'always' : 'prepared',
    },
    {
      array: 'gradient',
      name: 'gradient',
      type: x.type,
      extent: likeX(request),
      given: options.gradient,
      form: x.form,
      mayBeX: true,
      when: 'asked',
    },
  ];
}

/** The losses, or their sum over the denominator. */
export function lossResult([out]: Outputs, reduction: Reduction, denominator: () => number): unknown {
  if (reduction === 'none') return resultOf(out);
  const loss = sum(out?.memory as Float64Array) / denominator();
  if (out?.data) out.data[0] = loss;
  return loss;
}

/**
 * A sum in a fixed order, compensated (Neumaier 1974): the error does not grow with the number of losses. Four sums side by
 * side, because the additions of one wait for each other.
 */
function sum(losses: Float64Array): number {
  const count = losses.length;
  let [a, b, c, d] = [0, 0, 0, 0];
  let [lostA, lostB, lostC, lostD] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const nextA = a + losses[i];
    lostA += lostBy(a, losses[i], nextA);
    a = nextA;
    const nextB = b + losses[i + 1];
    lostB += lostBy(b, losses[i + 1], nextB);
    b = nextB;
    const nextC = c + losses[i + 2];
    lostC += lostBy(c, losses[i + 2], nextC);
    c = nextC;
    const nextD = d + losses[i + 3];
    lostD += lostBy(d, losses[i + 3], nextD);
    d = nextD;
  }
  let total = a;
  let lost = lostA + lostB + (lostC + lostD);
  const add = (x: number) => {
    const next = total + x;
    lost += lostBy(total, x, next);
    total = next;
  };
  add(b);
  add(c);
  add(d);
  for (; i < count; i++) add(losses[i]);
  // An infinite or NaN total has lost nothing, but Infinity - Infinity above is NaN.
  return Number.isFinite(total) ? total + lost : total;
}

/** What the rounding of `a + b` to `sum` left out. */
function lostBy(a: number, b: number, sum: number): number {
  return Math.abs(a) >= Math.abs(b) ? a - sum + b : b - sum + a;
}

/** The losses of one call after another use the same memory, unless they are many. */
let spare: Float64Array = new Float64Array(0);
const mostKept = 1 << 18;

function takeLosses(count: number): Float64Array {
  const memory = spare.length >= count ? spare : new Float64Array(count);
  if (memory === spare) spare = new Float64Array(0);
  return memory.length === count ? memory : memory.subarray(0, count);
}

function keepLosses(losses: Float64Array): void {
  if (losses.buffer.byteLength <= mostKept * 8) spare = new Float64Array(losses.buffer);
}
