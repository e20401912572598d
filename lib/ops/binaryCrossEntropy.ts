/** binaryCrossEntropy: the loss of every element against its target, reduced as PyTorch does. */
import { reducedType } from '../arguments/elements.js';
import { rangeError, words } from '../arguments/errors.js';
import { likeX } from '../arguments/extents.js';
import { readEntries, readNumber } from '../arguments/options.js';
import { type Request, readNumbers } from '../arguments/rowOptions.js';
import { type BinaryTargets, readBinaryTargets } from '../arguments/shares.js';
import { readWeights } from '../arguments/weights.js';
import {
  type BinaryCrossEntropyProblem,
  binaryCrossEntropy as binaryCrossEntropyRows,
} from '../backends/js/binaryCrossEntropy.js';
import { includesNegativeInfinity } from '../backends/js/exactSum.js';
import { RowReader } from '../backends/js/rows.js';
import { type Data, op, type Rows } from '../backends/problem.js';
import { type Draft, declare, type Written } from './operation.js';
import { lossResult, lossWrites, type Reduction, readReduction } from './reduction.js';

const binaryCrossEntropyOp = /* @__PURE__ */ op<BinaryCrossEntropyProblem>({
  name: 'binaryCrossEntropy',
  numbers: ['outType', 'summed', 'each', 'posWeight', 'classCount', 'classStep', 'gradientScale'],
  reads: ['targetProbabilities', 'weights', 'elementWeights', 'posWeights'],
  writes: ['out', 'gradient'],
  solve: binaryCrossEntropyRows,
});

export const binaryCrossEntropy = /* @__PURE__ */ declare({
  name: 'binaryCrossEntropy',
  op: binaryCrossEntropyOp,
  argument: 'targets',
  memory: ['out', 'gradient'],
  takes(reading) {
    const reduction = reading.take('reduction', readReduction);
    const weights = reading.take('weights', readWeights);
    const posWeight = reading.take('posWeight', readPosWeight);
    const targets = reading.take('targets', readBinaryTargets);
    return { reduction, weights, posWeight, targets };
  },
  writes({ reduction, weights, posWeight }, request) {
    const isByClass = weights?.classes !== undefined || typeof posWeight !== 'number';
    if (!isByClass || request.rows.offsets === undefined) cut(request.rows as Draft<Rows>);
    const each = { extent: likeX(request, reducedType(request.x.type)), mayBeX: true };
    return lossWrites(reduction, request, each);
  },
  pose(problem, taken, request, [out, gradient]) {
    const { reduction, weights, posWeight, targets } = taken;
    const { layout, options } = request;
    if (!isCheckedLate(targets, reduction, gradient)) targets.check();
    problem.out = out?.memory as Data;
    problem.outType = reducedType(request.x.type);
    problem.summed = reduction !== 'none';
    problem.each = !problem.summed;
    problem.targetProbabilities = targets.values;
    problem.weights = weights?.classes;
    problem.elementWeights = weights?.elements;
    problem.posWeights = typeof posWeight === 'number' ? undefined : posWeight;
    problem.posWeight = typeof posWeight === 'number' ? posWeight : 1;
    const isCut = problem.offsets !== undefined && options.offsets === undefined;
    problem.classCount = isCut ? layout.length : 0;
    problem.classStep = layout.inner;
    problem.gradient = gradient?.memory as Data | undefined;
    problem.gradientScale = 1 / Math.max(1, denominator(reduction, request));
  },
  result(outputs, { reduction, weights, targets }, request) {
    const [out, gradient] = outputs;
    if (
      isCheckedLate(targets, reduction, gradient) &&
      includesNegativeInfinity(out?.memory as Float64Array)
    ) {
      targets.check();
      // Of good targets, weights alone make a loss negative.
      if (weights === undefined)
        throw rangeError('numbers from 0 to 1', 'targets', words('others while the call was in flight'));
    }
    return lossResult(outputs, reduction, denominator(reduction, request));
  },
  live(request, newMemory, given) {
    const { x } = request;
    const targets = newMemory(x.type, x.data.length) as Data;
    if (given === undefined) return targets;
    const { memory, check } = readBinaryTargets(given, 'targets', request, undefined);
    check();
    targets.set(memory as Data);
    return targets;
  },
});

/** Where nothing but a sum is written, the kernels may meet an impossible target: one pass less over the memory. */
function isCheckedLate(targets: BinaryTargets, reduction: Reduction, gradient: Written | undefined): boolean {
  return targets.areMet && reduction !== 'none' && gradient === undefined;
}

/** One number for all, or one per class. */
function readPosWeight(value: unknown, name: string, { layout }: Request): number | Float64Array {
  if (value === undefined) return 1;
  const readWeight = (weight: unknown, own: string) => readNumber(weight, own, 0, Number.MAX_VALUE);
  if (typeof value === 'number') return readWeight(value, name);
  const list = readNumbers(value, name, layout.length);
  readEntries(list, name, readWeight, () => {});
  return list;
}

/** Elements of which sums are taken side by side: enough that a sum costs nothing, few enough for any cache. */
const pieceLength = 2 ** 12;

/**
 * Where no row differs from another and nothing is masked, pieces of the same length, in the order of memory: whatever the
 * shape, elements lie side by side then, and may be shared out among threads anywhere.
 */
function cut(rows: Draft<Rows>): void {
  const { lengths, where, bitmask, temperatures } = rows;
  // With masks rows stay whole, so that `where` and the bitmask that stands for it add up in one order.
  if (lengths !== undefined || where !== undefined || bitmask !== undefined || temperatures !== undefined)
    return;
  const count = rows.x.length;
  const pieces = Math.ceil(count / pieceLength);
  if (count > 2 ** 32 - 1) return;
  rows.outer = pieces;
  rows.length = Math.min(count, pieceLength);
  rows.inner = 1;
  const offsets = new Uint32Array(pieces + 1);
  for (let i = 0; i <= pieces; i++) offsets[i] = Math.min(i * pieceLength, count);
  rows.offsets = offsets;
}

/** What the sum of the losses is divided by: for a mean, the elements that take part. */
function denominator(reduction: Reduction, request: Request): number {
  if (reduction !== 'mean') return 1;
  let count = counts.get(request);
  if (count === undefined) {
    count = new RowReader(request.rows).allParticipants();
    counts.set(request, count);
  }
  return count;
}

const counts = new WeakMap<Request, number>();
