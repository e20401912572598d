/** `score` where the engine both reads and writes: one statement for a file, one for each block of a pipe. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newBlocks } from '../blocks.js';
import { readLabels, readTruth } from '../classes.js';
import { freeName, labelled } from '../columns.js';
import { expected } from '../failure.js';
import { compressionByName, type Format } from '../formats.js';
import type { Output } from '../output.js';
import type { Report } from '../report.js';
import { contentOf, type ErrorMode, needsUniform, type ScoreFileOptions } from '../score-job.js';
import { backendInUse, newScorer, type Operation } from '../scoring.js';
import type { RankedRow } from '../table.js';
import { newCount, newTally, type Tally } from '../tally.js';
import { newNaming, type TruthOf, wrongTruth } from '../truth.js';
import type { Content } from './content.js';
import { type Engine, literal } from './engine.js';
import { type EngineInput, relationOf, tellChanges } from './input.js';
import { newPump } from './pump.js';
import { newEngineReader } from './reader.js';
import { firstLength, type Relation, refuseOtherCount } from './relation.js';
import { newSeen, type Seen } from './scoring-function.js';
import { type Asked, runStatement, type Truth, typedRelation } from './statement.js';

export interface Scored {
  readonly op: Operation;
  readonly temperature: number;
  readonly topK: number | undefined;
  readonly threads: number | undefined;
  readonly errors: ErrorMode | undefined;
}

/** The first rows with their scores, for printing: read once more. */
export async function showRows(
  engine: Engine,
  asked: Asked,
  scored: Scored,
  labels: readonly string[] | undefined,
  truth: Parameters<typeof newTally>[0]['truth'],
  shown: number,
): Promise<Tally> {
  const blocks = newBlocks(1, asked.name);
  const from = asked.range?.[0] ?? 0;
  const end = asked.range?.[1] ?? Number.MAX_SAFE_INTEGER;
  const reader = newEngineReader(engine, {
    ...{ ...asked, range: [from, Math.min(end, from + shown)], blocks, blockBytes: 1 << 20, done: 0 },
    truthColumn: asked.truth?.kind === 'column' ? asked.truth.name : undefined,
    onBadRow: () => (asked.errors === 'skip' ? 'skip' : 'nan'),
  });
  const scorer = newScorer(scored, reader.layout);
  const { op, topK } = scored;
  const tally = newTally({ op, layout: reader.layout, labels, truth, shown, k: topK ?? 5 });
  for await (const batch of reader.batches()) {
    const done = await scorer.score(batch);
    tally.add(done);
    done.release();
  }
  return tally;
}

/** Bytes that a column beside the logits has in a row, or so. */
const KEPT_BYTES = 32;
const PROGRESS_MS = 200;

export async function scoreStatements(
  input: EngineInput,
  output: Output,
  to: Format,
  options: ScoreFileOptions,
  format: Format,
): Promise<Report> {
  const { op = 'softmax', temperature = 1, topK, threads, errors, signal, onProgress } = options;
  const { engine, name, choice } = input;
  const shown = options.shown ?? 0;
  const uniform = needsUniform(options, to);
  const totals = { ...newSeen(), written: 0 };
  const bad = newCount();
  const nan = newCount();
  const ranked: RankedRow[] = [];
  const values: { row: number; value: number }[] = [];
  let relation: Relation | undefined;
  let labels: readonly string[] | undefined;
  let classes: number | undefined;
  let width = 0;
  let truthFile: Float64Array | undefined;
  const folder =
    output.path === undefined || input.pieces ? await mkdtemp(join(tmpdir(), 'simd-softmax-')) : '';
  const removeFolder = () => folder && rmSync(folder, { recursive: true, force: true });
  process.on('exit', removeFolder);
  const compression = compressionByName(options.output ?? '');
  const pump = folder === '' ? undefined : newPump(output, compression);
  let current: Seen | undefined;
  const tell = () =>
    onProgress?.({
      ...{ rows: totals.rows + (current?.rows ?? 0), total: relation?.rows, resumed: 0 },
      ...{ bytesRead: input.bytesRead(), bytesTotal: input.pieces ? undefined : input.bytes },
    });
  const timer = setInterval(tell, PROGRESS_MS);
  try {
    for await (const place of input.places()) {
      const begun = relation !== undefined;
      const known: Relation | undefined = relation;
      let one = known?.next
        ? await known.next(place)
        : await relationOf(engine, format, place, choice, signal);
      if (known && to !== 'ndjson') refuseNewColumns(known, one, name);
      if (to === 'parquet') one = await typedRelation(engine, one, signal);
      relation = one;
      if (!begun) {
        if (one.chosen !== undefined) options.onNotice?.(one.chosen);
        if (to === 'parquet' && one.metadata) {
          const { changesOf } = await import('./metadata.js');
          tellChanges(options, [...changesOf(one), ...(one.changes ?? [])]);
        }
        const length = await firstLength(engine, one, signal);
        width = length;
        classes = one.classes ?? (uniform ? length : undefined);
        labels = options.labels === undefined ? one.names : await readLabels(options.labels, classes);
        if (options.truth !== undefined && choice.truth === undefined) {
          truthFile = await readTruth(options.truth, one.rows, classes ?? Number.POSITIVE_INFINITY);
        }
      }
      const asked: Asked = {
        ...{ relation: one, name, first: totals.rows, range: options.rows, op, errors, classes, signal },
        truth: truthFile
          ? { kind: 'file', name: options.truth ?? '', classes: truthFile }
          : choice.truth === undefined
            ? undefined
            : truthColumnOf(one, choice.truth, labels),
      };
      const content: Content = {
        ...{ ...contentOf(op, topK, classes), labels },
        top: labelled(one.kept, options.labels === undefined && one.names === undefined ? undefined : labels),
      };
      const path = folder === '' ? output.path! : join(folder, 'scores');
      const { seen, rows, ...positions } = await runStatement(engine, {
        ...{
          ...asked,
          to: path,
          format: to,
          header: !begun,
          content: { ...content, name: freeName(one.kept, content.name) },
          temperature,
          topK,
          threads,
        },
        rowBytes: (topK ?? width) * (one.type === 'float32' ? 4 : 8) + KEPT_BYTES * one.kept.length,
        metadata:
          one.metadata && (await (await import('./metadata.js')).carriedOver(engine, one, content, signal)),
        compression: pump ? pump.compression : compression,
        onStart: (started) => {
          current = started;
        },
      });
      current = undefined;
      if (truthFile && totals.rows + seen.rows > truthFile.length) {
        throw wrongTruth(options.truth, totals.rows + seen.rows, truthFile.length);
      }
      if (ranked.length + values.length < shown) {
        const left = shown - ranked.length - values.length;
        const truth = truthOfRows(asked, labels);
        const tally = await showRows(
          engine,
          asked,
          { op, temperature, topK, threads, errors },
          labels,
          truth,
          left,
        );
        ranked.push(...tally.ranked.map((row) => ({ ...row, row: row.row + totals.rows })));
        values.push(...tally.values.map((row) => ({ ...row, row: row.row + totals.rows })));
      }
      await pump?.put(path);
      totals.rows += seen.rows;
      totals.correct += seen.correct;
      totals.seconds += seen.seconds;
      totals.written += rows;
      bad.join(positions.bad);
      nan.join(positions.nan);
    }
    await pump?.end();
  } finally {
    clearInterval(timer);
    removeFolder();
    process.off('exit', removeFolder);
  }
  if (relation && !options.rows) refuseOtherCount(relation, totals.rows, name);
  if (truthFile && truthFile.length !== totals.rows) {
    throw wrongTruth(options.truth, totals.rows, truthFile.length);
  }
  tell();
  return {
    ...{ input: options.input, output: options.output, op, temperature },
    shape: [totals.rows, ...(classes === undefined ? [] : [classes])],
    ...{ dtype: relation?.type ?? 'float64', axis: 1, rows: totals.written, classes },
    ...{ seconds: totals.seconds, elapsed: 0, resumed: 0, bytes: input.bytes },
    backend: await backendInUse(),
    ...{ bad: bad.value, nan: nan.value },
    accuracy: options.truth === undefined ? undefined : { correct: totals.correct, rows: totals.written },
    ...(op === 'logsumexp' ? { values } : { ranked }),
  };
}

/** A pipe's header is written before its end is known. */
function refuseNewColumns(known: Relation, next: Relation, name: string): void {
  const names = new Set(known.kept.map((kept) => kept.name));
  const late = next.kept.find((kept) => !names.has(kept.name));
  if (!late) return;
  throw expected('a file instead of a pipe', name, `a field ${late.name} that first comes late`);
}

/** The true class in a column: a number, or the name of a class. */
const INTEGER = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/;

export function truthColumnOf(
  { kept }: Relation,
  name: string,
  labels: readonly string[] | undefined,
): Truth & { readonly kind: 'column' } {
  const column = kept.find((one) => one.name === name);
  if (!column)
    throw expected(`a column ${name}`, '--truth', kept.map((one) => one.name).join(', ') || 'none');
  const text = column.type === 'JSON' ? `(${column.sql}->>'$')` : `${column.sql}::VARCHAR`;
  // An integer is one without a detour over text.
  const number = `TRY_CAST(${INTEGER.test(column.type) ? column.sql : text} AS BIGINT)`;
  // As `newNaming` has it.
  const isText =
    column.type === 'JSON' ? `json_type(${column.sql}) = 'VARCHAR'` : `${column.type === 'VARCHAR'}`;
  const named = labels && `nullif(list_position([${labels.map(literal).join(', ')}], ${text}), 0) - 1`;
  const sql = named ? `coalesce(CASE WHEN ${isText} THEN ${named} END, ${number})` : number;
  return { kind: 'column', name, sql: `${sql}::BIGINT`, text };
}

function truthOfRows({ truth, relation }: Asked, labels: readonly string[] | undefined): TruthOf | undefined {
  if (truth?.kind === 'file') return (_, __, number) => truth.classes[number];
  if (!truth) return undefined;
  const at = relation.kept.findIndex(({ name }) => name === truth.name);
  const classOf = newNaming(labels);
  return (batch, row) => classOf(batch.columns[at].get(row));
}
