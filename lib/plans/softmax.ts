/** Plans softmax and logSoftmax: results of the shape of `x`. */
import { readOptions } from '../options.js';
import { refuseOverlap, refusePartialOverlap, takeOutput } from '../outputs.js';
import type { Plan } from '../plan.js';
import { arrangeBack, arrangedLike, readNormalizer, readOutType, readRows } from '../rows.js';
import { planPlain } from './plain.js';

export function planSoftmax(x: unknown, options: unknown): Plan<unknown> {
  return planPlain('softmax', x, options) ?? planLike('softmax', x, options);
}

export function planLogSoftmax(x: unknown, options: unknown): Plan<unknown> {
  return planPlain('logSoftmax', x, options) ?? planLike('logSoftmax', x, options);
}

function planLike(op: 'softmax' | 'logSoftmax', input: unknown, given: unknown): Plan<unknown> {
  const options = readOptions(given, op);
  const { x, layout, rows, backend } = readRows(input, options);
  const outType = readOutType(options.outType, x.type);
  const logNormalizer = readNormalizer(options.logNormalizer, rows.outer * rows.inner);
  const output = takeOutput(options.out, 'out', outType, x.dims, x.form);
  refusePartialOverlap(output.data, 'out', x.data);
  refuseOverlap(output.data, 'out', {
    where: rows.where,
    lengths: rows.lengths,
    offsets: rows.offsets,
    logNormalizer,
  });
  const out = arrangedLike(output.data, outType, layout);
  return {
    backend,
    problem: op === 'softmax' ? { op, ...rows, out, outType, logNormalizer } : { op, ...rows, out, outType },
    finish() {
      arrangeBack(out, output.data, x, layout);
      return output.result();
    },
  };
}
