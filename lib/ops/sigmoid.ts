/** sigmoid and logSigmoid: every element by itself, so results of the shape of `x`. */
import { readOutType } from '../arguments/rowOptions.js';
import {
  logSigmoid as logSigmoidRows,
  type SigmoidProblem,
  sigmoid as sigmoidRows,
} from '../backends/js/sigmoid.js';
import { type Data, op } from '../backends/problem.js';
import { type Draft, declare, outLikeX } from './operation.js';

export const sigmoid = /* @__PURE__ */ elementwise('sigmoid', sigmoidRows);
export const logSigmoid = /* @__PURE__ */ elementwise('logSigmoid', logSigmoidRows);

function elementwise(name: string, solve: typeof sigmoidRows) {
  return declare({
    name,
    op: op<SigmoidProblem>({ name, numbers: ['outType'], reads: [], writes: ['out'], solve }),
    memory: ['out'],
    takes: (reading) => ({ outType: reading.take('outType', readOutType) }),
    writes: ({ outType }, request) => [outLikeX(outType, request)],
    pose(problem, { outType }, _, [out]) {
      problem.out = out?.memory as Data;
      problem.outType = outType;
      flatten(problem);
    },
  });
}

/**
 * Where no row differs from another, rows of one element each, in the order of memory: whatever the shape, elements lie side
 * by side then, and may be shared out among threads anywhere.
 */
function flatten(problem: Draft<SigmoidProblem>): void {
  const { lengths, whereShared, bitmask, temperatures } = problem;
  if (lengths !== undefined || whereShared || bitmask !== undefined || temperatures !== undefined) return;
  problem.outer = problem.x.length;
  problem.length = 1;
  problem.inner = 1;
  problem.offsets = undefined;
}
