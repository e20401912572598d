/** logSumExp: one value per row. */
import { reducedType } from '../arguments/elements.js';
import { type LogSumExpProblem, logSumExp as logSumExpRows } from '../backends/js/softmax.js';
import { type Data, op } from '../backends/problem.js';
import { declare, outPerRow } from './operation.js';

const logSumExpOp = op<LogSumExpProblem>({
  name: 'logSumExp',
  numbers: ['outType'],
  reads: [],
  writes: ['out'],
  solve: logSumExpRows,
});

export const logSumExp = declare<LogSumExpProblem>()({
  name: 'logSumExp',
  op: logSumExpOp,
  memory: ['out'],
  takes: () => ({}),
  writes: (_, request) => [outPerRow(request)],
  pose(problem, _, { x }, [out]) {
    problem.out = out?.memory as Data;
    problem.outType = reducedType(x.type);
  },
});
