/** crossEntropy: the loss of every row against its target, reduced as PyTorch does. */
import { typeError } from '../arguments/errors.js';
import { perRow } from '../arguments/extents.js';
import { readNumber } from '../arguments/options.js';
import { readNumbers } from '../arguments/rowOptions.js';
import { readIgnoreIndex, readTargets, type Targets } from '../arguments/targets.js';
import { type CrossEntropyProblem, crossEntropy as crossEntropyRows } from '../backends/js/crossEntropy.js';
import { ExactSum, rounded, TOTAL_LENGTH } from '../backends/js/exactSum.js';
import { type Backend, type Data, op } from '../backends/problem.js';
import { declare } from './operation.js';
import { lossesOf, lossResult, lossWrites, readReduction } from './reduction.js';

const crossEntropyOp = /* @__PURE__ */ op<CrossEntropyProblem>({
  name: 'crossEntropy',
  numbers: ['summed', 'ignoreIndex', 'labelSmoothing', 'gradientScale'],
  reads: ['targets', 'targetProbabilities', 'weights'],
  writes: ['out', 'gradient'],
  solve: crossEntropyRows,
});

export const crossEntropy = /* @__PURE__ */ declare({
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
    const targets = reading.take('targets', (value, _, request, backend) => {
      const read = readTargets(value, request, ignoreIndex, backend);
      return {
        ...read,
        denominator: reduction === 'mean' ? weightOf(read, weights, ignoreIndex, backend) : 1,
      };
    });
    return { reduction, ignoreIndex, labelSmoothing, weights, targets };
  },
  writes({ reduction }, request) {
    const { outer, inner } = request.rows;
    const extent = { dims: perRow(request).dims, apart: lossesOf(outer * inner) };
    return lossWrites(reduction, request, { extent, mayBeX: false });
  },
  pose(problem, taken, _, [out, gradient]) {
    problem.out = out?.memory as Float64Array;
    problem.summed = taken.reduction !== 'none';
    problem.targets = taken.targets.indices;
    problem.targetProbabilities = taken.targets.probabilities;
    problem.ignoreIndex = taken.ignoreIndex;
    problem.labelSmoothing = taken.labelSmoothing;
    problem.weights = taken.weights;
    problem.gradient = gradient?.memory as Data | undefined;
    problem.gradientScale = 1 / taken.targets.denominator;
  },
  result: (outputs, { reduction, targets }) => lossResult(outputs, reduction, targets.denominator),
  live(request, newMemory, given) {
    const { rows, options } = request;
    const { outer, inner, length, offsets } = rows;
    const targets = newMemory('int32', outer * inner) as Int32Array;
    if (given !== undefined) {
      const ignoreIndex = readIgnoreIndex(options.ignoreIndex, 'ignoreIndex');
      const { indices } = readTargets(given, request, ignoreIndex);
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

/** What the sum of the losses is divided by for their mean: the rows, or over classes the weights of those that count. */
function weightOf(
  { indices, counted }: Targets,
  weights: Float64Array | undefined,
  ignoreIndex: number,
  backend: Backend,
): number {
  if (indices === undefined || weights === undefined) return counted;
  const total = new Float64Array(TOTAL_LENGTH);
  if (backend.weighClasses !== undefined) backend.weighClasses(indices, ignoreIndex, weights, total);
  else {
    const sum = new ExactSum(total);
    for (let row = 0; row < indices.length; row++) {
      const target = indices[row];
      if (target !== ignoreIndex) sum.add(weights[target]);
    }
  }
  return rounded(total);
}
