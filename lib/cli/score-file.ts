/** One file, or a range of its rows, from logits to scores in constant memory. What `score` and the workers run. */
import type { Layout, Reader, ScoredBatch } from './batch.js';
import { newBlocks } from './blocks.js';
import { readLabels, readTruth } from './classes.js';
import { expected } from './failure.js';
import { canResume, type Format, formatOf, isUniform, openReader, openWriter } from './formats.js';
import { openInput } from './input.js';
import { unlessAborted } from './interruption.js';
import { dropNaN, refuseNaN } from './nan-rows.js';
import { type Output, openOutput } from './output.js';
import { runPipeline } from './pipeline.js';
import type { Report } from './report.js';
import { type Resumption, resumption } from './resumption.js';
import { newScorer, type Operation } from './scoring.js';
import { newCount, newTally } from './tally.js';

/** What to do with rows that cannot be scored. */
export const ERROR_MODES = ['fail', 'skip', 'nan'] as const;
export type ErrorMode = (typeof ERROR_MODES)[number];

/** A job as plain data. */
export interface ScoreJob {
  /** A path, or `-` for stdin. */
  readonly input: string;
  /** Default: by the extension of the input, npy for stdin. */
  readonly format?: Format | undefined;
  /** A path, or `-` for stdout. Default: the scores are only counted and shown. */
  readonly output?: string | undefined;
  /** Default: by the extension of the output, that of the input for stdout. */
  readonly outputFormat?: Format | undefined;
  /** From the first of these rows up to, not including, the second. Default: all. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  readonly op?: Operation | undefined;
  /** Which axis of a .npy holds the classes. Default: -1. */
  readonly axis?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  /** The column (Arrow, Parquet) or field (NDJSON) of the logits. Default: the only one that can be. */
  readonly column?: string | undefined;
  /** The columns of a CSV that are no classes. */
  readonly keep?: readonly string[] | undefined;
  /** The path of the class names, one per line. */
  readonly labels?: string | undefined;
  /** The path of a .npy with the true class of each row. */
  readonly truth?: string | undefined;
  /**
   * Rows that cannot be read, and rows that come out as NaN: `fail` ends the run at the first, `skip` leaves them out,
   * `nan` writes them as NaN. Default: the former end the run, the latter are written and counted.
   */
  readonly errors?: ErrorMode | undefined;
  /** Goes on where an interrupted run with this option stopped, and can be gone on with itself. Default: false. */
  readonly resume?: boolean | undefined;
  /** Bytes of output that an interruption may cost a run with `resume`. Default: 256 MiB, or what 2 seconds write. */
  readonly journalBytes?: number | undefined;
  readonly threads?: number | undefined;
  /** How many rows to keep for printing, and classes of each. Default: 0, 5. */
  readonly shown?: number | undefined;
  /** Bytes of logits that are read at a time, a few of which are in memory. Default: 4 MiB. */
  readonly blockBytes?: number | undefined;
}

export interface ScoreProgress {
  /** Rows of the input that are done. */
  readonly rows: number;
  /** Undefined while it is not known. */
  readonly total: number | undefined;
  /** Rows that an earlier run had done. */
  readonly resumed: number;
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
}

export interface ScoreFileOptions extends ScoreJob {
  /** Ends the run with the signal's reason; nothing is left behind, or with `resume` what it takes to go on. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each block. */
  readonly onProgress?: ((progress: ScoreProgress) => void) | undefined;
}

/** One each that is read, scored and written, and one so that none of them waits. */
const BLOCKS_IN_FLIGHT = 4;
/** Less costs more turns of the event loop; four of them are to stay in the last-level cache. */
const BLOCK_BYTES = 1 << 22;

/**
 * Scores a file. The output appears under its name whole, or not at all.
 *
 * @throws Failure in one line for what the user can mend; the signal's reason where it is aborted.
 */
export async function scoreFile(options: ScoreFileOptions): Promise<Report> {
  const started = performance.now();
  const resuming = options.resume
    ? await resumption(
        options,
        canResume(
          formatOf(options.outputFormat, options.output ?? '', formatOf(options.format, options.input)),
        ),
      )
    : undefined;
  const output = options.output === undefined ? undefined : await openOutput(options.output, resuming?.place);
  try {
    const report = await scoreInto(output, options, resuming);
    await output?.commit();
    await resuming?.remove();
    return { ...report, elapsed: (performance.now() - started) / 1000 };
  } catch (error) {
    await output?.discard(resuming !== undefined);
    throw error;
  }
}

async function scoreInto(
  output: Output | undefined,
  options: ScoreFileOptions,
  resuming: Resumption | undefined,
): Promise<Report> {
  const { op = 'softmax', temperature = 1, topK, threads, errors, signal } = options;
  const since = resuming?.since;
  const source = await unlessAborted(openInput(options.input), signal);
  const format = formatOf(options.format, options.input);
  const bad = newCount(since?.bad);
  const blocks = newBlocks(BLOCKS_IN_FLIGHT, source.name);
  const outputFormat = formatOf(options.outputFormat, options.output ?? '', format);
  // The names of the classes, too, speak of rows of one length.
  const uniform =
    options.labels !== undefined ||
    (output !== undefined && isUniform(outputFormat) && op !== 'logsumexp' && topK === undefined);
  const onBadRow = (row: number, what: string, received: string) => {
    if (errors !== 'skip' && errors !== 'nan') {
      throw expected(what, `row ${row} of ${source.name}`, `${received} (--errors skip or nan goes on)`);
    }
    bad.add(row);
    return errors;
  };
  let reader: Reader | undefined;
  try {
    const opening = openReader(format, source, {
      ...{ axis: options.axis ?? -1, rows: options.rows, column: options.column, keep: options.keep },
      ...{ blocks, blockBytes: options.blockBytes ?? BLOCK_BYTES, done: since?.end ?? 0, onBadRow, uniform },
    });
    reader = await unlessAborted(opening, signal);
    const { layout } = reader;
    const labels =
      options.labels === undefined ? layout.labels : await readLabels(options.labels, layout.classes);
    const truth =
      options.truth === undefined
        ? undefined
        : await readTruth(options.truth, layout.rows, layout.classes ?? Number.POSITIVE_INFINITY);
    const writer =
      output &&
      (await openWriter(outputFormat, output, {
        ...contentOf(op, topK, layout),
        ...{ layout, labels, skips: errors === 'skip', resumed: since?.writer },
      }));
    const scorer = newScorer({ op, temperature, topK, threads }, layout);
    const tally = newTally({ op, layout, labels, truth, shown: options.shown ?? 0, k: topK ?? 5, since });

    let end = since?.end ?? 0;
    async function write(scored: ScoredBatch): Promise<void> {
      if (errors === 'fail') refuseNaN(scored, layout, source.name);
      const batch = errors === 'skip' ? dropNaN(scored, layout, bad) : scored;
      if (truth && scored.end > truth.length) throw wrongTruth(options.truth, scored.end, truth.length);
      tally.add(batch);
      await writer?.write(batch);
      end = scored.end;
      if (output && resuming) {
        const correct = tally.accuracy?.correct ?? 0;
        const { position: bytes } = output;
        const milestone = { end, rows: tally.rows, bytes, bad: bad.value, nan: tally.nan, correct };
        await resuming.reached({ ...milestone, writer: writer?.state?.() }, output);
      }
      options.onProgress?.({
        ...{ rows: end, total: layout.rows, resumed: since?.end ?? 0 },
        ...{ bytesRead: source.position, bytesTotal: source.size },
      });
    }

    if (!since) await writer?.begin();
    await runPipeline({ batches: reader.batches(), blocks, score: scorer.score, write, signal });
    if (truth && truth.length !== end) throw wrongTruth(options.truth, end, truth.length);
    await writer?.end(tally.rows);
    const { backend } = await import('../index.js');
    return {
      ...{ input: options.input, output: options.output, op, temperature },
      shape: layout.shape ?? [end, ...(layout.classes === undefined ? [] : [layout.classes])],
      ...{ dtype: layout.type, axis: layout.axis, rows: tally.rows, classes: layout.classes },
      ...{ seconds: scorer.seconds, elapsed: 0, resumed: since?.end ?? 0 },
      backend: { kind: backend.kind, isa: backend.isa, threads: backend.threads },
      ...{ bad: bad.value, nan: tally.nan, accuracy: tally.accuracy },
      ...(op === 'logsumexp' ? { values: tally.values } : { ranked: tally.ranked }),
    };
  } finally {
    await (reader ?? source).close();
  }
}

/** What a job writes of each row. */
export function contentOf(op: Operation, topK: number | undefined, { classes }: Layout) {
  if (op === 'logsumexp') return { content: 'one', width: 1, name: 'logsumexp' } as const;
  const name = op === 'softmax' ? 'probabilities' : 'log_probabilities';
  if (topK === undefined) return { content: 'all', width: classes ?? 0, name } as const;
  return { content: 'top', width: Math.min(topK, classes ?? topK), name: 'score' } as const;
}

function wrongTruth(path: string | undefined, rows: number, received: number) {
  return expected(`${rows} class numbers, one per row,`, path ?? '', received);
}
