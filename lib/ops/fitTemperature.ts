/** fitTemperature: the loss of every row and its derivatives, pass by pass; lib/calls/fit.ts looks for the least. */
import { readClassTargets, readIgnoreIndex } from '../arguments/targets.js';
import { SLOPED, type SlopeProblem, slope } from '../backends/js/slope.js';
import { op } from '../backends/problem.js';
import { type Declared, declare } from './operation.js';
import { ofPart } from './parts.js';

const slopeOp = /* @__PURE__ */ op<SlopeProblem>({
  name: 'slope',
  numbers: ['count', 'ignoreIndex'],
  reads: ['targets'],
  writes: ['out'],
  solve: slope,
});

const declared = /* @__PURE__ */ declare({
  name: 'fitTemperature',
  op: slopeOp,
  argument: 'targets',
  memory: [],
  takes(reading) {
    const ignoreIndex = reading.take('ignoreIndex', readIgnoreIndex);
    const targets = reading.take('targets', (value, _, request, backend) =>
      readClassTargets(value, request, ignoreIndex, backend),
    );
    return { ignoreIndex, targets };
  },
  writes: (_, request) => [ofPart(request, 'out', 'float64', SLOPED)],
  pose(problem, { ignoreIndex, targets }, _, [out]) {
    problem.out = out?.memory as Float64Array;
    problem.count = SLOPED;
    problem.targets = targets;
    problem.ignoreIndex = ignoreIndex;
  },
  result: () => undefined,
});

export const fitTemperature = /* @__PURE__ */ without('temperature', declared);

/** The temperature is what is looked for: there is no such option. */
function without(name: string, operation: Declared): Declared {
  return { ...operation, options: operation.options.filter((option) => option !== name) };
}
