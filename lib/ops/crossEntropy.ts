/** Plans crossEntropy: the loss of every row against its target, reduced as PyTorch does. */
import { reducedType } from '../arguments/elements.js';
import { typeError } from '../arguments/errors.js';
import { readInteger, readNumber, readOptions, readWord } from '../arguments/options.js';
import { readOutput, refuseOverlap, refusePartialOverlap, takeOutput } from '../arguments/outputs.js';
import {
  arrangeAgain,
  arrangeBack,
  arrangedLike,
  readNumbers,
  readRows,
  reducedDims,
} from '../arguments/rows.js';
import { readTargets } from '../arguments/targets.js';
import type { CrossEntropyProblem, Data } from '../backends/problem.js';
import type { Plan } from './plan.js';

const reductions = ['mean', 'sum', 'none'] as const;
type Reduction = (typeof reductions)[number];

export function planCrossEntropy(input: unknown, wanted: unknown, given: unknown): Plan<unknown> {
  const options = readOptions(given, 'crossEntropy');
  const request = readRows(input, options);
  const { x, layout, rows, backend } = request;
  const { where, lengths, offsets } = rows;
  const count = rows.outer * rows.inner;
  const { reduction: asked = 'mean', ignoreIndex: ignored = -100, labelSmoothing: smoothed = 0 } = options;
  const reduction = readWord(asked, 'reduction', reductions);
  const ignoreIndex = readInteger(ignored, 'ignoreIndex', -(2 ** 31), 2 ** 31 - 1);
  const labelSmoothing = readNumber(smoothed, 'labelSmoothing', 0, 1);
  const weights =
    options.weights === undefined ? undefined : readNumbers(options.weights, 'weights', rows.length);
  const targets = readTargets(wanted, request, ignoreIndex, options.dtype);
  if (options.out !== undefined && reduction !== 'none')
    throw typeError("reduction 'none' beside it", 'out', options.out, 'ERR_CONFLICTING_OPTIONS');
  const output =
    reduction === 'none'
      ? takeOutput(options.out, 'out', reducedType(x.type), reducedDims(layout, x), x.form)
      : undefined;
  const wantedGradient =
    options.gradient === undefined
      ? undefined
      : (readOutput(options.gradient, 'gradient', x.type, x.dims) as Data);
  const inputs = { where, lengths, offsets, weights, targets: targets.memory };
  if (output?.given) refuseOverlap(output.given, 'out', { x: x.data, ...inputs });
  if (wantedGradient) {
    refusePartialOverlap(wantedGradient, 'gradient', x.data);
    refuseOverlap(wantedGradient, 'gradient', { ...inputs, out: output?.given });
  }

  const gradient = wantedGradient && arrangedLike(wantedGradient, x.type, layout);
  const problemOf = ({ indices, probabilities }: ReturnType<typeof readTargets>): CrossEntropyProblem =>
    Object.assign(rows, {
      op: 'crossEntropy' as const,
      targets: indices,
      targetProbabilities: probabilities,
      ignoreIndex,
      labelSmoothing,
      weights,
      out: takeLosses(count),
      gradient,
      gradientScale: 1 / denominator(reduction, indices, ignoreIndex, weights, count),
    });
  const problem = problemOf(targets);
  const arrange = arrangeAgain(problem, x, layout);
  return {
    backend,
    problem,
    again() {
      arrange?.();
      return problemOf(readTargets(wanted, request, ignoreIndex, options.dtype));
    },
    finish() {
      const { out: losses, targets } = problem;
      if (wantedGradient && gradient) arrangeBack(gradient, wantedGradient, x, layout);
      output?.data.set(losses);
      const total = output ? 0 : sum(losses) / denominator(reduction, targets, ignoreIndex, weights, count);
      keepLosses(losses);
      return output ? output.result() : total;
    },
  };
}

/** What the sum of the losses is divided by: for a mean over class indices, the weights of their classes. */
function denominator(
  reduction: Reduction,
  targets: Int32Array | undefined,
  ignoreIndex: number,
  weights: Float64Array | undefined,
  rows: number,
): number {
  if (reduction !== 'mean') return 1;
  if (targets === undefined) return rows;
  let total = 0;
  for (const target of targets) {
    if (target !== ignoreIndex) total += weights ? weights[target] : 1;
  }
  return total;
}

/** A sum in a fixed order, compensated (Neumaier 1974): the error does not grow with the number of rows. */
function sum(losses: Float64Array): number {
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
