/** logProb: the log-probabilities of given classes of every row, and their ranks. */

import { firstClasses, readGiven } from '../arguments/classes.js';
import { newData, newIndices, reducedType } from '../arguments/elements.js';
import { perEntry } from '../arguments/extents.js';
import { readFlag } from '../arguments/options.js';
import { readIgnoreIndex } from '../arguments/targets.js';
import { type LogProbProblem, logProb as logProbRows } from '../backends/js/logProb.js';
import { type Data, op } from '../backends/problem.js';
import { declare } from './operation.js';

const logProbOp = /* @__PURE__ */ op<LogProbProblem>({
  name: 'logProb',
  numbers: ['outType', 'k', 'classesShared', 'ignoreIndex', 'renormalize'],
  reads: ['classes'],
  writes: ['out', 'ranks'],
  solve: logProbRows,
});

export const logProb = /* @__PURE__ */ declare({
  name: 'logProb',
  op: logProbOp,
  argument: 'classes',
  memory: ['out', 'ranks'],
  takes(reading) {
    const ignoreIndex = reading.take('ignoreIndex', readIgnoreIndex);
    const renormalize = reading.take('renormalize', readFlag);
    const shared = reading.take('shared', readFlag);
    const classes = reading.take('classes', (value, name, request, backend) =>
      readGiven(value, name, request, shared, ignoreIndex, backend),
    );
    return { ignoreIndex, renormalize, shared, classes };
  },
  writes({ classes: { n } }, request) {
    const type = reducedType(request.x.type);
    const { options, x } = request;
    return [
      {
        array: 'out',
        name: 'out',
        type,
        extent: perEntry(request, n, n, 0, (count) => newData(type, count)),
        given: options.out,
        form: x.form,
        mayBeX: false,
        when: 'always',
      },
      {
        array: 'ranks',
        name: 'ranks',
        type: 'uint32',
        extent: perEntry(request, n, n, 0, newIndices),
        given: options.ranks,
        form: x.form,
        mayBeX: false,
        when: 'asked',
      },
    ];
  },
  pose(problem, { ignoreIndex, renormalize, shared, classes }, { x }, [out, ranks]) {
    problem.out = out?.memory as Data;
    problem.outType = reducedType(x.type);
    problem.k = classes.n;
    problem.classes = classes.indices;
    problem.classesShared = shared;
    problem.ignoreIndex = ignoreIndex;
    problem.renormalize = renormalize;
    problem.ranks = ranks?.memory as Uint32Array | undefined;
  },
  live: (request, newMemory, given) => firstClasses(given, request, newMemory),
});
