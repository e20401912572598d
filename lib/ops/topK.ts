/** topK: the k likeliest classes of every row. */
import { checkClasses, most } from '../arguments/counts.js';
import { newData, newIndices } from '../arguments/elements.js';
import { typeError, words } from '../arguments/errors.js';
import { perEntry } from '../arguments/extents.js';
import type { Form } from '../arguments/logits.js';
import { readFlag, readInteger } from '../arguments/options.js';
import { type Request, readNormalizer, readOutType } from '../arguments/rowOptions.js';
import { NO_CLASS, type TopKProblem, topK as topKRows } from '../backends/js/topK.js';
import { type Data, type ElementType, op } from '../backends/problem.js';
import { type Draft, declare, type Outputs, resultOf, type Write } from './operation.js';

export const topKOp = /* @__PURE__ */ op<TopKProblem>({
  name: 'topK',
  numbers: ['outType', 'k', 'log', 'logNormalizerShared'],
  reads: ['logNormalizer'],
  writes: ['out', 'indices'],
  solve: topKRows,
});

export const topK = /* @__PURE__ */ declare({
  name: 'topK',
  op: topKOp,
  argument: 'k',
  memory: ['out'],
  takes: (reading) => ({
    k: reading.take('k', (value, name, request) => readK(value, name, request, 0)),
    log: reading.take('log', readFlag),
    outType: reading.take('outType', readOutType),
    logNormalizer: reading.take('logNormalizer', readNormalizer),
  }),
  writes: ({ k, log, outType }, request) =>
    writesOfTopK({ k, log, outType }, request, readOut(request.options.out, log), request.x.form),
  pose: poseTopK,
  result: ([out, indices], { log }, { options }) =>
    options.out ?? { [nameOf(log)]: resultOf(out), indices: resultOf(indices) },
});

export interface TakenByTopK {
  readonly k: number;
  readonly log: boolean;
  readonly outType: ElementType;
  readonly logNormalizer: Float64Array | undefined;
}

export function poseTopK(
  problem: Draft<TopKProblem>,
  { k, log, outType, logNormalizer }: TakenByTopK,
  { rows }: Request,
  [out, indices]: Outputs,
): void {
  problem.out = out?.memory as Data;
  problem.outType = outType;
  problem.k = widthOf(k, rows);
  problem.log = log;
  problem.indices = indices?.memory as Uint32Array;
  problem.logNormalizer = logNormalizer;
  problem.logNormalizerShared = logNormalizer?.length === 1;
}

/** Ragged rows may have fewer classes than k. */
export function readK(value: unknown, name: string, { rows }: Request, least: number): number {
  checkClasses(rows.length);
  return rows.offsets !== undefined
    ? readInteger(value, name, least, most)
    : readInteger(value, name, Math.min(least, rows.length), rows.length);
}

/** How many entries a backend gives: no more than the longest row has classes. */
function widthOf(k: number, { offsets, length }: Request['rows']): number {
  return offsets === undefined ? k : Math.min(k, Math.max(1, length));
}

interface Out {
  readonly probabilities?: unknown;
  readonly logProbabilities?: unknown;
  readonly indices: unknown;
}

function nameOf(log: boolean): 'probabilities' | 'logProbabilities' {
  return log ? 'logProbabilities' : 'probabilities';
}

export function writesOfTopK(
  { k, log, outType }: Pick<TakenByTopK, 'k' | 'log' | 'outType'>,
  request: Request,
  given: Out | undefined,
  form: Form,
): readonly Write[] {
  const width = widthOf(k, request.rows);
  return [
    {
      array: 'out',
      name: `out.${nameOf(log)}`,
      type: outType,
      extent: perEntry(request, k, width, log ? -Infinity : 0, (count) => newData(outType, count)),
      given: given?.[nameOf(log)],
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

function readOut(out: unknown, log: boolean): Out | undefined {
  if (out === undefined) return undefined;
  const wanted = `{ ${nameOf(log)}, indices }`;
  if (typeof out !== 'object' || out === null) throw typeError(wanted, 'out', out);
  const given = out as Partial<Out>;
  if (
    given[nameOf(log)] === undefined ||
    given.indices === undefined ||
    (log && given.probabilities !== undefined)
  )
    throw typeError(wanted, 'out', words(`keys ${Object.keys(out).join(', ') || 'none'}`));
  return given as Out;
}
