import { readLabels, readTruth } from './classes.js';
import { expected, expectedUsage } from './failure.js';
import { readLogits } from './logits.js';
import { formatNpyHeader } from './npy.js';
import { type Output, openOutput } from './output.js';
import { type Accuracy, type Report, reportJson, reportText } from './report.js';
import { best, type Rows, rowsAlong } from './rows.js';
import { lookOf, write } from './streams.js';
import type { RankedRow } from './table.js';

export const OPERATIONS = ['softmax', 'log-softmax', 'logsumexp'] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface ScoreOptions {
  readonly op: Operation;
  readonly axis: number;
  readonly temperature: number;
  readonly labels?: string;
  readonly truth?: string;
  readonly topK?: number;
  readonly output?: string;
  /** How many rows to print; the default depends on whether the result goes elsewhere. */
  readonly rows?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

type Scores = Float32Array | Float64Array;

export async function score(input: string, options: ScoreOptions): Promise<void> {
  rejectUseless(options);
  const output = options.output === undefined ? undefined : await openOutput(options.output);
  try {
    const report = await scoreInto(output, input, options);
    await output?.commit();
    if (!options.quiet) await print(report, options);
  } catch (error) {
    await output?.discard();
    throw error;
  }
}

/** Options that an operation with one value per row has no use for. */
function rejectUseless({ op, topK, labels, truth }: ScoreOptions): void {
  if (op !== 'logsumexp') return;
  const useless = Object.entries({ '--top-k': topK, '--labels': labels, '--truth': truth });
  const given = useless.find(([, value]) => value !== undefined);
  if (given) throw expectedUsage('an operation with one score per class', given[0], `--op ${op}`);
}

async function scoreInto(output: Output | undefined, input: string, options: ScoreOptions): Promise<Report> {
  const { op, temperature } = options;
  const { data, type, shape } = await readLogits(input);
  const axis = resolveAxis(options.axis, shape, input);
  const rows = rowsAlong(data, shape, axis);
  const labels = options.labels === undefined ? undefined : await readLabels(options.labels, rows.classes);
  const truth =
    options.truth === undefined ? undefined : await readTruth(options.truth, rows.count, rows.classes);

  const { backend, softmax, logSoftmax, logSumExp } = await import('../index.js');
  const call = { shape: [...shape], axis, temperature };
  const start = performance.now();
  const scores: Scores =
    op === 'logsumexp'
      ? logSumExp(data, call)
      : (op === 'softmax' ? softmax : logSoftmax)(data, { ...call, out: data });
  const seconds = (performance.now() - start) / 1000;

  const scored = op === 'logsumexp' ? undefined : rowsAlong(scores, shape, axis);
  if (output)
    await writeNpy(output, scores, shape.toSpliced(axis, scored ? 0 : 1), scored, axis, options.topK);
  return {
    input,
    output: options.output,
    op,
    shape,
    dtype: type,
    axis,
    temperature,
    rows: rows.count,
    classes: rows.classes,
    seconds,
    backend: { kind: backend.kind, isa: backend.isa, threads: backend.threads },
    accuracy: truth && scored ? accuracyOf(scored, truth) : undefined,
    ...shown(scores, scored, labels, truth, options),
  };
}

function resolveAxis(axis: number, { length: rank }: readonly number[], input: string): number {
  if (rank === 0) throw expected('at least one dimension', input, 'a single number');
  if (axis < -rank || axis >= rank) {
    throw expectedUsage(`an integer from ${-rank} to ${rank - 1}`, '--axis', axis);
  }
  return axis < 0 ? axis + rank : axis;
}

function accuracyOf(scored: Rows, truth: Float64Array): Accuracy {
  let correct = 0;
  for (let row = 0; row < scored.count; row++) {
    const scores = scored.at(row);
    const [winner] = best(scores, 1);
    if (winner === truth[row] && !Number.isNaN(scores[winner])) correct++;
  }
  return { correct, rows: scored.count };
}

/** The rows to print. */
function shown(
  scores: Scores,
  scored: Rows | undefined,
  labels: readonly string[] | undefined,
  truth: Float64Array | undefined,
  { rows, output, topK }: ScoreOptions,
): Pick<Report, 'ranked' | 'values'> {
  const limit = rows ?? (output === undefined ? 10 : 0);
  if (!scored) return { values: Array.from(scores.slice(0, limit), (value, row) => ({ row, value })) };
  const ranked = Array.from({ length: Math.min(limit, scored.count) }, (_, row): RankedRow => {
    const values = scored.at(row);
    return {
      row,
      truth: truth && { class: truth[row], label: labels?.[truth[row]] },
      best: best(values, topK ?? 5).map((i) => ({ class: i, label: labels?.[i], score: values[i] })),
    };
  });
  return { ranked };
}

async function writeNpy(
  output: Output,
  scores: Scores,
  shape: readonly number[],
  scored: Rows | undefined,
  axis: number,
  topK: number | undefined,
): Promise<void> {
  const dtype = scores instanceof Float32Array ? '<f4' : '<f8';
  if (!scored || topK === undefined) {
    await output.write(formatNpyHeader(`'${dtype}'`, shape));
    await output.write(new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength));
    return;
  }
  // NumPy reads this as an array of records: `a['class']` and `a['score']`, each [rows…, k].
  const k = Math.min(topK, scored.classes);
  const fields = `[('class', '<u4', (${k},)), ('score', '${dtype}', (${k},))]`;
  await output.write(formatNpyHeader(fields, shape.toSpliced(axis, 1)));
  for (let first = 0; first < scored.count; first += ROWS_PER_WRITE) {
    await output.write(topRecords(scored, first, Math.min(scored.count, first + ROWS_PER_WRITE), k, dtype));
  }
}

const ROWS_PER_WRITE = 4096;

function topRecords(scored: Rows, first: number, end: number, k: number, dtype: '<f4' | '<f8'): Buffer {
  const scoreBytes = dtype === '<f4' ? 4 : 8;
  const records = Buffer.allocUnsafe((end - first) * k * (4 + scoreBytes));
  let at = 0;
  for (let row = first; row < end; row++) {
    const scores = scored.at(row);
    const classes = best(scores, k);
    for (const i of classes) at = records.writeUInt32LE(i, at);
    for (const i of classes) {
      at = dtype === '<f4' ? records.writeFloatLE(scores[i], at) : records.writeDoubleLE(scores[i], at);
    }
  }
  return records;
}

/** To stdout, or to stderr where stdout carries the result. */
async function print(report: Report, { output, json }: ScoreOptions): Promise<void> {
  const stream = output === '-' ? process.stderr : process.stdout;
  await write(stream, json ? reportJson(report) : reportText(report, lookOf(stream)));
}
