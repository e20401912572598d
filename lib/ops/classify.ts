/** classify: the classes of a row by name, those with the highest scores first. */
import { reducedType } from '../arguments/elements.js';
import { shapeError, typeError } from '../arguments/errors.js';
import { product } from '../arguments/layout.js';
import { readNumber, readWord } from '../arguments/options.js';
import { type Request, readNormalizer } from '../arguments/rowOptions.js';
import { RowReader } from '../backends/js/rows.js';
import { NO_CLASS, type TopKProblem } from '../backends/js/topK.js';
import type { Data, Rows } from '../backends/problem.js';
import { type Draft, declare, outLikeX } from './operation.js';
import { sigmoid } from './sigmoid.js';
import { poseTopK, readK, topKOp, writesOfTopK } from './topK.js';

/** A class by its name. */
export interface Label {
  /** The name, of the option `labels`. */
  readonly label: string;
  /** Its softmax probability, in [0, 1]; or what the option `activation` says. */
  readonly score: number;
}

const activations = ['softmax', 'sigmoid', 'none'] as const;

const flat = { kind: 'array', float16: false } as const;

/** What the pipelines of Hugging Face call these options. */
const foreign: ReadonlyMap<string, string> = new Map([
  ['functiontoapply', 'activation'],
  ['topk', 'k'],
  ['id2label', 'labels'],
]);

export const classify = /* @__PURE__ */ declare({
  name: 'classify',
  op: topKOp,
  foreign,
  memory: [],
  takes(reading) {
    const labels = reading.take('labels', readLabels);
    const k = reading.take('k', readCount);
    // As the pipelines of Hugging Face do: of one class the softmax would always be 1.
    const activation = reading.take('activation', (value, name) =>
      value === undefined
        ? labels?.length === 1
          ? 'sigmoid'
          : 'softmax'
        : readWord(value, name, activations),
    );
    const threshold = reading.take('threshold', (value, name) =>
      value === undefined ? undefined : readNumber(value, name, -Number.MAX_VALUE, Number.MAX_VALUE),
    );
    const logNormalizer = reading.take('logNormalizer', (value, name, request) => {
      if (value !== undefined && activation !== 'softmax')
        throw typeError(`no ${name} together with it`, 'activation', activation, 'ERR_CONFLICTING_OPTIONS');
      return readNormalizer(value, name, request);
    });
    return { labels, k, activation, threshold, logNormalizer };
  },
  writes({ k, activation }, request) {
    const outType = reducedType(request.x.type);
    if (activation !== 'sigmoid') return writesOfTopK({ k, log: false, outType }, request, undefined, flat);
    return [{ ...outLikeX(outType, request), form: flat }];
  },
  pose(problem, { k, activation, logNormalizer }, request, outputs) {
    const outType = reducedType(request.x.type);
    if (activation !== 'sigmoid') {
      poseTopK(problem as Draft<TopKProblem>, { k, log: false, logNormalizer, outType }, request, outputs);
      return;
    }
    // The highest scores are not always those of the highest logits alone: many are 1.
    problem.op = sigmoid.op;
    problem.out = outputs[0]?.memory as Data;
    problem.outType = outType;
  },
  result([out, indices], { labels, k, activation, threshold = -Infinity }, { x, layout, rows }) {
    const inner = product(layout.kept.slice(layout.before));
    const entries =
      activation === 'sigmoid'
        ? highest(rows, out?.memory as Data, k)
        : entriesOf(out?.data as Data, indices?.data as Uint32Array, k, inner);
    if (activation === 'none') scoreByLogits(entries, rows);
    const lists = entries.map(({ classes, scores }) => {
      const list: Label[] = [];
      for (let i = 0; i < classes.length; i++) {
        if (threshold === -Infinity || scores[i] >= threshold)
          list.push({ label: labelAt(labels, classes[i]), score: scores[i] });
      }
      return list;
    });
    return x.dims.length <= 1 && rows.offsets === undefined ? (lists[0] ?? []) : lists;
  },
});

/** The classes of a row that are listed, in order. */
interface Entries {
  readonly classes: number[];
  readonly scores: number[];
}

/** How many classes to list; all of them where it is absent. */
function readCount(value: unknown, name: string, request: Request): number {
  const { offsets, length } = request.rows;
  const all = offsets ? Math.max(1, length) : length;
  return readK(value === undefined ? all : value, name, request, 1);
}

/** How many labels of a list were found to be strings: a list is checked once, and then each label that is returned. */
const checked = new WeakMap<readonly unknown[], number>();

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
  if (checked.get(labels) !== labels.length) {
    for (let c = 0; c < labels.length; c++) labelAt(labels, c);
    checked.set(labels, labels.length);
  }
  return labels;
}

function labelAt(labels: readonly unknown[], c: number): string {
  const label = labels[c];
  if (typeof label !== 'string') throw typeError('a string', `labels[${c}]`, label);
  return label;
}

/** The entries of every row, from what topK gives: [outer, k, inner]. */
function entriesOf(probabilities: Data, indices: Uint32Array, k: number, inner: number): Entries[] {
  const all: Entries[] = [];
  for (let start = 0; start < indices.length; start += k * inner) {
    for (let i = start; i < start + inner; i++) {
      const entries: Entries = { classes: [], scores: [] };
      for (let at = i; at < start + k * inner && indices[at] !== NO_CLASS; at += inner) {
        entries.classes.push(indices[at]);
        entries.scores.push(probabilities[at]);
      }
      all.push(entries);
    }
  }
  return all;
}

/** Logits over the temperature take the place of the scores. */
function scoreByLogits(entries: readonly Entries[], rows: Rows): void {
  const reader = new RowReader(rows);
  for (let row = 0; row < entries.length; row++) {
    const { classes, scores } = entries[row];
    const temperature = rows.temperatures?.[row] ?? rows.temperature;
    reader.open(row);
    for (let i = 0; i < classes.length; i++) scores[i] = reader.logit(classes[i]) / temperature;
  }
}

/** The k classes of every row with the highest scores, which lie as the logits do: ties by lower index, NaN first. */
function highest(rows: Rows, all: Data, k: number): Entries[] {
  const reader = new RowReader(rows);
  const lists: Entries[] = [];
  for (let row = 0; row < reader.rows; row++) {
    reader.open(row);
    const scoreOf = (c: number) => all[reader.base + c * reader.stride];
    const classes: number[] = [];
    if (k > fewClasses) {
      for (let c = 0; c < reader.length; c++) if (!reader.masked || reader.takesPart(c)) classes.push(c);
      classes.sort((a, b) => order(scoreOf(a), scoreOf(b)) || a - b);
      classes.length = Math.min(classes.length, k);
      lists.push({ classes, scores: classes.map(scoreOf) });
      continue;
    }
    for (let c = 0; c < reader.length; c++) {
      if (reader.masked && !reader.takesPart(c)) continue;
      const score = scoreOf(c);
      if (classes.length === k && order(score, scoreOf(classes[k - 1])) >= 0) continue;
      if (classes.length === k) classes.pop();
      let at = classes.length;
      while (at > 0 && order(score, scoreOf(classes[at - 1])) < 0) at--;
      classes.splice(at, 0, c);
    }
    lists.push({ classes, scores: classes.map(scoreOf) });
  }
  return lists;
}

/** Up to so many are inserted where they belong; of more all are sorted. */
const fewClasses = 32;

/** Below 0 where the first of two scores comes first. NaN is above all numbers. */
function order(score: number, other: number): number {
  if (Number.isNaN(score) || Number.isNaN(other))
    return Number(Number.isNaN(other)) - Number(Number.isNaN(score));
  return other - score;
}
