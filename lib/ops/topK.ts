/** Plans topK: the k likeliest classes of every row, and classify, which gives them their labels. */
import { checkClasses, most } from '../arguments/counts.js';
import { newData, reducedType } from '../arguments/elements.js';
import { shapeError, typeError, words } from '../arguments/errors.js';
import { dimsWith, entriesOrder, permute, product } from '../arguments/layout.js';
import { type Options, readInteger, readOptions } from '../arguments/options.js';
import { refuseOverlap, takeIndices, takeOutput } from '../arguments/outputs.js';
import { arrangeAgain, type Request, readNormalizer, readOutType, readRows } from '../arguments/rows.js';
import type { Data, Problem } from '../backends/problem.js';
import type { Plan } from './plan.js';

/** The index that fills the entries of a row in which fewer than k classes take part. */
export const noClass = 0xffffffff;

/** A class by its name. */
export interface Label {
  /** The name, of the option `labels`. */
  readonly label: string;
  /** Its softmax probability, in [0, 1]. */
  readonly score: number;
}

export function planTopK(input: unknown, k: unknown, given: unknown): Plan<unknown> {
  const options = readOptions(given, 'topK');
  return planLikeliest(readRows(input, options), k, options);
}

export function planClassify(input: unknown, given: unknown): Plan<readonly Label[] | readonly Label[][]> {
  const options = readOptions(given, 'classify');
  const request = readRows(input, options);
  const { x, layout, rows } = request;
  const labels = readLabels(options.labels, rows.length, rows.offsets !== undefined);
  const k = options.k ?? (rows.offsets ? Math.max(1, rows.length) : rows.length);
  const asArrays = { ...request, x: { ...x, form: { kind: 'array', float16: false } as const } };
  const plan = planLikeliest(asArrays, k, { ...options, outType: reducedType(x.type) });
  const inner = product(layout.kept.slice(layout.before));
  return {
    ...plan,
    finish() {
      const { probabilities, indices } = plan.finish() as { probabilities: Data; indices: Uint32Array };
      const lists = listsOf(probabilities, indices, labels, k as number, inner);
      return x.dims.length <= 1 && rows.offsets === undefined ? (lists[0] ?? []) : lists;
    },
  };
}

function planLikeliest(request: Request, wanted: unknown, options: Options): Plan<unknown> {
  const { x, layout, rows, backend } = request;
  const isRagged = rows.offsets !== undefined;
  checkClasses(rows.length);
  const k = isRagged
    ? readInteger(wanted, 'k', 1, most)
    : readInteger(wanted, 'k', Math.min(1, rows.length), rows.length);
  const outType = readOutType(options.outType, x.type);
  const logNormalizer = readNormalizer(options.logNormalizer, rows.outer * rows.inner);
  const dims = dimsWith(layout, k);
  const own = readOut(options.out);
  const probabilities = takeOutput(own?.probabilities, 'out.probabilities', outType, dims, x.form);
  const indices = takeIndices(own?.indices, 'out.indices', dims, x.form);
  const { where, lengths, offsets } = rows;
  if (own) {
    const inputs = { x: x.data, where, lengths, offsets, logNormalizer };
    refuseOverlap(probabilities.given, 'out.probabilities', inputs);
    refuseOverlap(indices.given, 'out.indices', inputs);
    refuseOverlap(indices.given, 'out.indices', { 'out.probabilities': probabilities.given });
  }

  // Backends give no more entries than the longest row has classes, and know of no third layout.
  const width = isRagged ? Math.max(1, Math.min(k, rows.length)) : k;
  const direct = width === k && layout.order === undefined;
  const count = rows.outer * rows.inner * width;
  const out = direct ? probabilities.data : newData(outType, count);
  const found = direct ? indices.data : new Uint32Array(count);
  const problem: Problem = Object.assign(rows, {
    op: 'topK' as const,
    k: width,
    out,
    outType,
    indices: found,
    logNormalizer,
    logNormalizerShared: logNormalizer?.length === 1,
  });
  return {
    backend,
    problem,
    again: arrangeAgain(problem, x, layout),
    finish() {
      if (layout.order !== undefined) {
        const order = entriesOrder(layout);
        permute(out, probabilities.data, [...layout.kept, k], order);
        permute(found, indices.data, [...layout.kept, k], order);
      } else if (!direct) {
        widen(out, probabilities.data, width, k, 0);
        widen(found, indices.data, width, k, noClass);
      }
      return own ?? { probabilities: probabilities.result(), indices: indices.result() };
    },
  };
}

/** Rows of `width` entries in the place of rows of `k`, the rest filled. */
function widen(
  from: Data | Uint32Array,
  to: Data | Uint32Array,
  width: number,
  k: number,
  filler: number,
): void {
  to.fill(filler);
  for (let row = 0; row * k < to.length; row++)
    to.set(from.subarray(row * width, (row + 1) * width), row * k);
}

function readOut(out: unknown): { readonly probabilities: unknown; readonly indices: unknown } | undefined {
  if (out === undefined) return undefined;
  if (typeof out !== 'object' || out === null) throw typeError('{ probabilities, indices }', 'out', out);
  const { probabilities, indices } = out as { probabilities?: unknown; indices?: unknown };
  if (probabilities === undefined || indices === undefined)
    throw typeError(
      '{ probabilities, indices }',
      'out',
      words(`keys ${Object.keys(out).join(', ') || 'none'}`),
    );
  return out as { probabilities: unknown; indices: unknown };
}

/** One label per class; ragged rows may have fewer classes than there are labels. */
function readLabels(labels: unknown, classes: number, isRagged: boolean): readonly string[] {
  if (!Array.isArray(labels)) throw typeError('an array of strings', 'labels', labels);
  if (isRagged ? labels.length < classes : labels.length !== classes)
    throw shapeError(`${isRagged ? 'at least ' : ''}${classes} strings, one per class,`, 'labels', labels);
  for (let i = 0; i < labels.length; i++) {
    if (typeof labels[i] !== 'string') throw typeError('a string', `labels[${i}]`, labels[i]);
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
        if (indices[at] !== noClass) list.push({ label: labels[indices[at]], score: probabilities[at] });
      }
      lists.push(list);
    }
  }
  return lists;
}
