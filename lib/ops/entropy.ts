/** entropy: one value per row. */
import { reducedType } from '../arguments/elements.js';
import { type EntropyProblem, entropy as entropyRows } from '../backends/js/entropy.js';
import { type Data, op } from '../backends/problem.js';
import { declare, outPerRow } from './operation.js';

const entropyOp = op<EntropyProblem>({
  name: 'entropy',
  numbers: ['outType'],
  reads: [],
  writes: ['out'],
  solve: entropyRows,
});

export const entropy = declare<EntropyProblem>()({
  name: 'entropy',
  op: entropyOp,
  memory: ['out'],
  takes: () => ({}),
  writes: (_, request) => [outPerRow(request)],
  pose(problem, _, { x }, [out]) {
    problem.out = out?.memory as Data;
    problem.outType = reducedType(x.type);
  },
});
