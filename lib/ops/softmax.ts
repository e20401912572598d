/** Plans softmax and logSoftmax: results of the shape of `x`. */
import { readOptions } from '../arguments/options.js';
import { refuseOverlap, refusePartialOverlap, takeOutput } from '../arguments/outputs.js';
import {
  arrangeAgain,
  arrangeBack,
  arrangedLike,
  readNormalizer,
  readOutType,
  readRows,
} from '../arguments/rows.js';
import type { Problem } from '../backends/problem.js';
import type { Plan } from './plan.js';

export function planSoftmax(x: unknown, options: unknown): Plan<unknown> {
  return planLikeX('softmax', x, options);
}

export function planLogSoftmax(x: unknown, options: unknown): Plan<unknown> {
  return planLikeX('logSoftmax', x, options);
}

function planLikeX(op: 'softmax' | 'logSoftmax', input: unknown, given: unknown): Plan<unknown> {
  const options = readOptions(given, op);
  const { x, layout, rows, backend } = readRows(input, options);
  const outType = readOutType(options.outType, x.type);
  const logNormalizer = readNormalizer(options.logNormalizer, rows.outer * rows.inner);
  const output = takeOutput(options.out, 'out', outType, x.dims, x.form);
  const { where, lengths, offsets } = rows;
  refusePartialOverlap(output.given, 'out', x.data);
  refuseOverlap(output.given, 'out', { where, lengths, offsets, logNormalizer });
  const out = arrangedLike(output.data, outType, layout);
  const problem: Problem =
    op === 'softmax'
      ? Object.assign(rows, {
          op,
          out,
          outType,
          logNormalizer,
          logNormalizerShared: logNormalizer?.length === 1,
        })
      : Object.assign(rows, { op, out, outType });
  return {
    backend,
    problem,
    again: arrangeAgain(problem, x, layout),
    finish() {
      arrangeBack(out, output.data, x, layout);
      return output.result();
    },
  };
}
