/** topK: the k likeliest classes of every row. */
import { checkClasses, most } from '../arguments/counts.js';
import { newData, newIndices } from '../arguments/elements.js';
import { typeError, words } from '../arguments/errors.js';
import { perEntry } from '../arguments/extents.js';
import type { Form } from '../arguments/logits.js';
import { readInteger } from '../arguments/options.js';
import { type Request, readNormalizer, readOutType } from '../arguments/rows.js';
import { NO_CLASS, type TopKProblem, topK as topKRows } from '../backends/js/topK.js';
import { type Data, type ElementType, op } from '../backends/problem.js';
import { type Draft, declare, type Outputs, resultOf, type Write } from './operation.js';

const topKOp = op<TopKProblem>({
  name: 'topK',
  numbers: ['outType', 'k', 'logNormalizerShared'],
  reads: ['logNormalizer'],
  writes: ['out', 'indices'],
  solve: topKRows,
});

export const topK = declare<TopKProblem>()({
  name: 'topK',
  op: topKOp,
  argument: 'k',
  memory: ['out'],
  takes: (reading) => ({
    k: reading.take('k', readK),
    outType: reading.take('outType', readOutType),
    logNormalizer: reading.take('logNormalizer', readNormalizer),
  }),
  writes: ({ k, outType }, request) =>
    writesOfTopK(k, outType, request, readOut(request.options.out), request.x.form),
  pose: poseTopK,
  result: ([probabilities, indices], _, { options }) =>
    options.out ?? { probabilities: resultOf(probabilities), indices: resultOf(indices) },
});

export interface TakenByTopK {
  readonly k: number;
  readonly outType: ElementType;
  readonly logNormalizer: Float64Array | undefined;
}

export function poseTopK(
  problem: Draft<TopKProblem>,
  { k, outType, logNormalizer }: TakenByTopK,
  { rows }: Request,
  [out, indices]: Outputs,
): void {
  problem.out = out?.memory as Data;
  problem.outType = outType;
  problem.k = widthOf(k, rows);
  problem.indices = indices?.memory as Uint32Array;
  problem.logNormalizer = logNormalizer;
  problem.logNormalizerShared = logNormalizer?.length === 1;
}

/** Ragged rows may have fewer classes than k. */
export function readK(value: unknown, name: string, { rows }: Request): number {
  checkClasses(rows.length);
  return rows.offsets !== undefined
    ? readInteger(value, name, 1, most)
    : readInteger(value, name, Math.min(1, rows.length), rows.length);
}

/** How many entries a backend gives: no more than the longest row has classes. */
function widthOf(k: number, { offsets, length }: Request['rows']): number {
  return offsets === undefined ? k : Math.max(1, Math.min(k, length));
}

interface Out {
  readonly probabilities: unknown;
  readonly indices: unknown;
}

export function writesOfTopK(
  k: number,
  outType: ElementType,
  request: Request,
  given: Out | undefined,
  form: Form,
): readonly Write[] {
  const width = widthOf(k, request.rows);
  return [
    {
      array: 'out',
      name: 'out.probabilities',
      type: outType,
      extent: perEntry(request, k, width, 0, (count) => newData(outType, count)),
      given: given?.probabilities,
      form,
      mayBeX: false,
      when: 'always',
    },
    {
      array: 'indices',
      name: 'out.indices',
      type: 'uint32',
      extent: perEntry(request, k, width, NO_CLASS, newIndices),
      given: given?.indices,
      form,
      mayBeX: false,
      when: 'always',
    },
  ];
}

function readOut(out: unknown): Out | undefined {
  if (out === undefined) return undefined;
  if (typeof out !== 'object' || out === null) throw typeError('{ probabilities, indices }', 'out', out);
  const { probabilities, indices } = out as { probabilities?: unknown; indices?: unknown };
  if (probabilities === undefined || indices === undefined)
    throw typeError(
      '{ probabilities, indices }',
      'out',
      words(`keys ${Object.keys(out).join(', ') || 'none'}`),
    );
  return out as Out;
}
