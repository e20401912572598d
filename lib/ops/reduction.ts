/** What becomes of the losses of rows or elements: their mean, their sum, or nothing. */
import { reducedType } from '../arguments/elements.js';
import { typeError } from '../arguments/errors.js';
import { type Apart, type Extent, likeX } from '../arguments/extents.js';
import { readWord } from '../arguments/options.js';
import type { Request } from '../arguments/rowOptions.js';
import { rounded, TOTAL_LENGTH } from '../backends/js/exactSum.js';
import { type Outputs, resultOf, type Write } from './operation.js';

const reductions = ['mean', 'sum', 'none'] as const;
export type Reduction = (typeof reductions)[number];

export function readReduction(value: unknown, name: string): Reduction {
  return value === undefined ? 'mean' : readWord(value, name, reductions);
}

/** Backends give losses in float64: each is rounded once. */
export function lossesOf(count: number): Apart {
  return { memory: () => new Float64Array(count), settle: (from, to) => to.set(from) };
}

/** What a loss writes: `each` of the losses, or their mean or sum, and the gradient. */
export function lossWrites(
  reduction: Reduction,
  request: Request,
  each: { readonly extent: Extent; readonly mayBeX: boolean },
): Write[] {
  const { x, options } = request;
  const isEach = reduction === 'none';
  if (options.out !== undefined && !isEach)
    throw typeError("reduction 'none' together with it", 'out', options.out, 'ERR_CONFLICTING_OPTIONS');
  return [
    {
      array: 'out',
      name: 'out',
      type: reducedType(x.type),
      extent: isEach ? each.extent : { dims: [1], apart: totalOfLosses },
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
export function lossResult([out]: Outputs, reduction: Reduction, denominator: number): unknown {
  if (reduction === 'none') return resultOf(out);
  const loss = rounded(out?.memory as Float64Array) / denominator;
  if (out?.data) out.data[0] = loss;
  return loss;
}

/** The exact sum of the losses, in the same memory call after call. */
const totalOfLosses: Apart = {
  memory() {
    const memory = spare ?? new Float64Array(TOTAL_LENGTH);
    spare = undefined;
    return memory.fill(0);
  },
  settle() {},
  release(from) {
    spare = from as Float64Array;
  },
};
let spare: Float64Array | undefined;
