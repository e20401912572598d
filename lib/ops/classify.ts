/** classify: what topK finds, by name. */
import { reducedType } from '../arguments/elements.js';
import { shapeError, typeError } from '../arguments/errors.js';
import { product } from '../arguments/layout.js';
import { type Request, readNormalizer } from '../arguments/rows.js';
import { NO_CLASS, type TopKProblem } from '../backends/js/topK.js';
import type { Data } from '../backends/problem.js';
import { declare } from './operation.js';
import { poseTopK, readK, topK, writesOfTopK } from './topK.js';

/** A class by its name. */
export interface Label {
  /** The name, of the option `labels`. */
  readonly label: string;
  /** Its softmax probability, in [0, 1]. */
  readonly score: number;
}

const flat = { kind: 'array', float16: false } as const;

export const classify = declare<TopKProblem>()({
  name: 'classify',
  op: topK.op,
  memory: [],
  takes: (reading) => ({
    labels: reading.take('labels', readLabels),
    k: reading.take('k', readCount),
    logNormalizer: reading.take('logNormalizer', readNormalizer),
  }),
  writes: ({ k }, request) =>
    writesOfTopK({ k, log: false, outType: reducedType(request.x.type) }, request, undefined, flat),
  pose(problem, { k, logNormalizer }, request, outputs) {
    const outType = reducedType(request.x.type);
    poseTopK(problem, { k, log: false, logNormalizer, outType }, request, outputs);
  },
  result([out, indices], { labels, k }, { x, layout, rows }) {
    const inner = product(layout.kept.slice(layout.before));
    const lists = listsOf(out?.data as Data, indices?.data as Uint32Array, labels, k, inner);
    return x.dims.length <= 1 && rows.offsets === undefined ? (lists[0] ?? []) : lists;
  },
});

/** How many classes to list; all of them where it is absent. */
function readCount(value: unknown, name: string, request: Request): number {
  const { offsets, length } = request.rows;
  return readK(value ?? (offsets ? Math.max(1, length) : length), name, request, 1);
}

/** One label per class; ragged rows may have fewer classes than there are labels. */
function readLabels(
  labels: unknown,
  name: string,
  { rows: { length, offsets } }: Request,
): readonly string[] {
  const isRagged = offsets !== undefined;
  if (!Array.isArray(labels)) throw typeError('an array of strings', name, labels);
  if (isRagged ? labels.length < length : labels.length !== length)
    throw shapeError(`${isRagged ? 'at least ' : ''}${length} strings, one per class,`, name, labels);
  for (let i = 0; i < labels.length; i++) {
    if (typeof labels[i] !== 'string') throw typeError('a string', `${name}[${i}]`, labels[i]);
  }
  return labels;
}

/** The entries of every row as a list, from probabilities of [outer, k, inner]. */
function listsOf(
  probabilities: Data,
  indices: Uint32Array,
  labels: readonly string[],
  k: number,
  inner: number,
): Label[][] {
  const lists: Label[][] = [];
  for (let start = 0; start < indices.length; start += k * inner) {
    for (let i = start; i < start + inner; i++) {
      const list: Label[] = [];
      for (let at = i; at < start + k * inner; at += inner) {
        if (indices[at] !== NO_CLASS) list.push({ label: labels[indices[at]], score: probabilities[at] });
      }
      lists.push(list);
    }
  }
  return lists;
}
