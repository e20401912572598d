/** Plans logSumExp: one value per row. */
import { reducedType } from '../arguments/elements.js';
import { readOptions } from '../arguments/options.js';
import { refuseOverlap, takeOutput } from '../arguments/outputs.js';
import { arrangeAgain, readRows, reducedDims } from '../arguments/rows.js';
import type { Problem } from '../backends/problem.js';
import type { Plan } from './plan.js';

export function planLogSumExp(input: unknown, given: unknown): Plan<unknown> {
  const options = readOptions(given, 'logSumExp');
  const { x, layout, rows, backend } = readRows(input, options);
  const outType = reducedType(x.type);
  const output = takeOutput(options.out, 'out', outType, reducedDims(layout, x), x.form);
  const { where, lengths, offsets } = rows;
  refuseOverlap(output.given, 'out', { x: x.data, where, lengths, offsets });
  const op = 'logSumExp';
  const problem: Problem = Object.assign(rows, { op, out: output.data, outType } as const);
  return { backend, problem, again: arrangeAgain(problem, x, layout), finish: output.result };
}
