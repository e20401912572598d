/** crossEntropy: the loss of every row against its target, reduced as PyTorch does. */
import { typeError } from '../arguments/errors.js';
import { perRow } from '../arguments/extents.js';
import { readNumber } from '../arguments/options.js';
import { readNumbers } from '../arguments/rows.js';
import { readIgnoreIndex, readTargets, type Targets } from '../arguments/targets.js';
import { type CrossEntropyProblem, crossEntropy as crossEntropyRows } from '../backends/js/crossEntropy.js';
import { type Data, op } from '../backends/problem.js';
import { declare } from './operation.js';
import { lossesOf, lossResult, lossWrites, type Reduction, readReduction } from './reduction.js';

const crossEntropyOp = op<CrossEntropyProblem>({
  name: 'crossEntropy',
  numbers: ['ignoreIndex', 'labelSmoothing', 'gradientScale'],
  reads: ['targets', 'targetProbabilities', 'weights'],
  writes: ['out', 'gradient'],
  solve: crossEntropyRows,
});

export const crossEntropy = declare<CrossEntropyProblem>()({
  name: 'crossEntropy',
  op: crossEntropyOp,
  argument: 'targets',
  memory: ['out', 'gradient'],
  takes(reading) {
    const reduction = reading.take('reduction', readReduction);
    const ignoreIndex = reading.take('ignoreIndex', readIgnoreIndex);
    const labelSmoothing = reading.take('labelSmoothing', (value, name) =>
      value === undefined ? 0 : readNumber(value, name, 0, 1),
    );
    const weights = reading.take('weights', (value, name, { rows }) =>
      value === undefined ? undefined : readNumbers(value, name, rows.length),
    );
    const targets = reading.take('targets', (value, _, request) => readTargets(value, request, ignoreIndex));
    return { reduction, ignoreIndex, labelSmoothing, weights, targets };
  },
  writes({ reduction }, request) {
    const { outer, inner } = request.rows;
    const extent = { dims: perRow(request).dims, apart: lossesOf(outer * inner, true) };
    return lossWrites(reduction, request, { extent, mayBeX: false });
  },
  pose(problem, taken, { rows }, [out, gradient]) {
    problem.out = out?.memory as Float64Array;
    problem.targets = taken.targets.indices;
    problem.targetProbabilities = taken.targets.probabilities;
    problem.ignoreIndex = taken.ignoreIndex;
    problem.labelSmoothing = taken.labelSmoothing;
    problem.weights = taken.weights;
    problem.gradient = gradient?.memory as Data | undefined;
    // Nothing reads it where no gradient is written: then the targets are not counted for it.
    problem.gradientScale = gradient === undefined ? 1 : 1 / denominator(taken, rows.outer * rows.inner);
  },
  result(outputs, taken, { rows }) {
    return lossResult(outputs, taken.reduction, () => denominator(taken, rows.outer * rows.inner));
  },
  live(request, newMemory, given) {
    const { rows, options } = request;
    const { outer, inner, length, offsets } = rows;
    const targets = newMemory('int32', outer * inner) as Int32Array;
    if (given !== undefined) {
      const { indices } = readTargets(given, request, readIgnoreIndex(options.ignoreIndex, 'ignoreIndex'));
      if (indices === undefined) throw typeError('a class per row', 'targets', given);
      targets.set(indices);
      return targets;
    }
    // Rows without classes have no class 0: their targets are ignored from the start.
    for (let row = 0; row < targets.length; row++) {
      const isEmpty = offsets === undefined ? length === 0 : offsets[row] === offsets[row + 1];
      const { ignoreIndex = -100 } = options;
      if (isEmpty && typeof ignoreIndex === 'number') targets[row] = ignoreIndex;
    }
    return targets;
  },
});

interface Weighed {
  readonly reduction: Reduction;
  readonly targets: Targets;
  readonly ignoreIndex: number;
  readonly weights: Float64Array | undefined;
}

/** What the sum of the losses is divided by: for a mean over class indices, the weights of their classes. */
function denominator({ reduction, targets, ignoreIndex, weights }: Weighed, rows: number): number {
  if (reduction !== 'mean') return 1;
  if (targets.indices === undefined) return rows;
  let total = 0;
  const { indices } = targets;
  for (let row = 0; row < indices.length; row++) {
    const target = indices[row];
    if (target !== ignoreIndex) total += weights ? weights[target] : 1;
  }
  return total;
}
