/** softmax and logSoftmax: results of the shape of `x`. */
import { readNormalizer, readOutType } from '../arguments/rowOptions.js';
import {
  type LogSoftmaxProblem,
  logSoftmax as logSoftmaxRows,
  type SoftmaxProblem,
  softmax as softmaxRows,
} from '../backends/js/softmax.js';
import { type Data, op } from '../backends/problem.js';
import { type Draft, declare, outLikeX, type Written } from './operation.js';

const softmaxOp = /* @__PURE__ */ op<SoftmaxProblem>({
  name: 'softmax',
  numbers: ['outType', 'logNormalizerShared'],
  reads: ['logNormalizer'],
  writes: ['out'],
  solve: softmaxRows,
});

export const softmax = /* @__PURE__ */ declare({
  name: 'softmax',
  op: softmaxOp,
  memory: ['out'],
  takes: (reading) => ({
    outType: reading.take('outType', readOutType),
    logNormalizer: reading.take('logNormalizer', readNormalizer),
  }),
  writes: ({ outType }, request) => [outLikeX(outType, request)],
  pose(problem, { outType, logNormalizer }, _, [out]) {
    poseOut(problem, outType, out);
    problem.logNormalizer = logNormalizer;
    problem.logNormalizerShared = logNormalizer?.length === 1;
  },
});

const logSoftmaxOp = /* @__PURE__ */ op<LogSoftmaxProblem>({
  name: 'logSoftmax',
  numbers: ['outType'],
  reads: [],
  writes: ['out'],
  solve: logSoftmaxRows,
});

export const logSoftmax = /* @__PURE__ */ declare({
  name: 'logSoftmax',
  op: logSoftmaxOp,
  memory: ['out'],
  takes: (reading) => ({ outType: reading.take('outType', readOutType) }),
  writes: ({ outType }, request) => [outLikeX(outType, request)],
  pose(problem, { outType }, _, [out]) {
    poseOut(problem, outType, out);
  },
});

/** Rows without classes have no results: however many a shape says there are, nobody looks at them. */
function poseOut(
  problem: Draft<LogSoftmaxProblem>,
  outType: LogSoftmaxProblem['outType'],
  out: Written | undefined,
): void {
  problem.out = out?.memory as Data;
  problem.outType = outType;
  if (problem.x.length === 0) problem.outer = 0;
}
