/** One file, or a range of its rows, from logits to scores in constant memory. What `score` and the workers run. */
import { readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { Reader, ScoredBatch, Writer } from './batch.js';
import { newBlocks } from './blocks.js';
import { readLabels } from './classes.js';
import { freeName } from './columns.js';
import type { EngineInput } from './duckdb/input.js';
import { expectedUsage } from './failure.js';
import { openReader, openWriter } from './formats/open.js';
import {
  canResume,
  compressionByName,
  type Format,
  inputFormat,
  isEngineFormat,
  outputFormat,
  takesArrow,
} from './formats.js';
import { type Bytes, openInput } from './input.js';
import { unlessAborted } from './interruption.js';
import { dropNaN, newBadRows, refuseNaN } from './nan-rows.js';
import { type Output, openOutput } from './output.js';
import { runPipeline } from './pipeline.js';
import type { Report } from './report.js';
import { type Resumption, resumption } from './resumption.js';
import { statOf } from './root.js';
import { contentOf, needsUniform, refuseUseless, type ScoreFileOptions, type ScoreJob } from './score-job.js';
import { backendInUse, newScorer } from './scoring.js';
import { newCount, newTally } from './tally.js';
import { openTruth, refuseOtherRows, wrongTruth } from './truth.js';

/** How much is read at a time, and how many blocks of it there are. */
interface Portions {
  readonly bytes: number;
  readonly blocks: number;
}

/**
 * One block each that is read, scored and written, and one so that none of them waits. Smaller ones cost more turns of the
 * event loop; four of them are to stay in the last-level cache.
 */
const ROWS: Portions = { bytes: 1 << 22, blocks: 4 };
/** Arrays go to arrays without a detour: what has been read is still in the cache when it is written. */
const PIPED_ARRAYS: Portions = { bytes: 1 << 18, blocks: 4 };
/** Files are read and written on this thread: more blocks win no time, and would not stay in the cache. */
const ARRAYS: Portions = { bytes: 1 << 19, blocks: 2 };

function portionsOf({ input, output }: ScoreJob, format: Format, to: Format | undefined): Portions {
  if (format !== 'npy' || (to ?? 'npy') !== 'npy') return ROWS;
  return input === '-' || output === '-' ? PIPED_ARRAYS : ARRAYS;
}

/**
 * Scores a file. The output appears under its name whole, or not at all.
 *
 * @throws Failure in one line for what the user can mend; the signal's reason where it is aborted.
 */
export async function scoreFile(options: ScoreFileOptions): Promise<Report> {
  const started = performance.now();
  const format = await inputFormat(options.format, options.input);
  const to =
    options.output === undefined ? undefined : outputFormat(options.outputFormat, options.output, format);
  refuseUseless(options, format);
  refuseSame(options);
  const resuming = options.resume ? await resumption(options, to !== undefined && canResume(to)) : undefined;
  if (resuming && to && !canResume(to)) {
    options.onNotice?.(`${to} begins anew: only .npy and Arrow go on where a run stopped`);
  }
  // What begins anew has a name of its own, and keeps nothing.
  const place = to !== undefined && canResume(to) ? resuming?.place : undefined;
  try {
    const output = options.output === undefined ? undefined : await openOutput(options.output, place);
    try {
      const report = await scoreInto(output, options, resuming, format, to);
      await output?.commit();
      await resuming?.remove();
      return { ...report, elapsed: (performance.now() - started) / 1000 };
    } catch (error) {
      await output?.discard(place !== undefined);
      throw error;
    }
  } finally {
    await resuming?.unlock();
  }
}

/** An output that is also read would be gone when it is needed again. */
export function refuseSame({ input, output, labels, truth }: ScoreJob, flag = '-o'): void {
  if (output === undefined || output === '-') return;
  const target = idOf(output);
  if (isOfFolder(input, output, target))
    throw expectedUsage('a file outside the folder that is read', flag, output);
  if (target === undefined) return;
  for (const path of [input, labels, truth]) {
    if (path !== undefined && path !== '-' && idOf(path) === target) {
      throw expectedUsage('another file than is read', flag, output);
    }
  }
}

/** Whether the input is a folder, and the output in it, or one of its files by another name. */
function isOfFolder(input: string, output: string, target: string | undefined): boolean {
  try {
    if (!statOf(input).isDirectory()) return false;
    const folder = realpathSync(input);
    const place = join(realpathSync(dirname(resolve(output))), basename(output));
    if (place.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return true;
    return (
      target !== undefined &&
      readdirSync(folder, { recursive: true }).some((name) => idOf(join(folder, String(name))) === target)
    );
  } catch {
    return false; // what is not there is told of when it is opened
  }
}

/** Undefined where there is no regular file. */
function idOf(path: string): string | undefined {
  try {
    const found = statOf(path);
    return found.isFile() ? `${found.dev}:${found.ino}` : undefined;
  } catch {
    return undefined;
  }
}

async function scoreInto(
  output: Output | undefined,
  options: ScoreFileOptions,
  resuming: Resumption | undefined,
  format: Format,
  to: Format | undefined,
): Promise<Report> {
  if (!isEngineFormat(format)) {
    const source = await unlessAborted(openInput(options.input), options.signal);
    return await scoreBatches({ output, options, resuming, format, to, source });
  }
  const { openEngineInput } = await import('./duckdb/input.js');
  const input = await openEngineInput(options, format, to);
  try {
    const report =
      output && to && isEngineFormat(to)
        ? await (await import('./duckdb/score.js')).scoreStatements(input, output, to, options, format)
        : await scoreBatches({ output, options, resuming, format, to, input });
    await input.refuseLoss(report.shape[0]);
    return report;
  } catch (error) {
    throw input.failure(error);
  } finally {
    await input.close();
  }
}

interface Batches {
  readonly output: Output | undefined;
  readonly options: ScoreFileOptions;
  readonly resuming: Resumption | undefined;
  readonly format: Format;
  readonly to: Format | undefined;
  /** What is read by us, */
  readonly source?: Bytes;
  /** or by the engine. */
  readonly input?: EngineInput;
}

/** Batch by batch: what the engine does not read, or not write. */
async function scoreBatches({
  output,
  options,
  resuming,
  format,
  to,
  source,
  input,
}: Batches): Promise<Report> {
  const { op = 'softmax', temperature = 1, topK, threads, errors, signal } = options;
  const since = resuming?.since;
  const name = source?.name ?? input!.name;
  const bad = newCount(since?.bad);
  const portions = portionsOf(options, format, to);
  const blocks = newBlocks(portions.blocks, name);
  const uniform = needsUniform(options, to);
  const onBadRow = newBadRows(errors, name, bad);
  const blockBytes = options.blockBytes ?? portions.bytes;
  const common = { blocks, blockBytes, done: since?.end ?? 0 };
  let reader: Reader | undefined;
  let writer: Writer | undefined;
  try {
    reader = await unlessAborted(
      input
        ? input.reader({ ...common, uniform, travels: to !== undefined && takesArrow(to), onBadRow })
        : openReader(format, source!, {
            ...{ axis: options.axis ?? -1, dtype: options.dtype, rows: options.rows, column: options.column },
            ...{ ...common, onBadRow, uniform },
          }),
      signal,
    );
    const { layout } = reader;
    const labels =
      options.labels === undefined ? layout.labels : await readLabels(options.labels, layout.classes);
    const truth =
      options.truth === undefined
        ? undefined
        : await openTruth({ truth: options.truth, layout, labels, input: name });
    const content = contentOf(op, topK, layout.classes);
    writer =
      output &&
      to &&
      (await openWriter(to, output, {
        ...{ ...content, name: freeName(layout.fields, content.name) },
        ...{ layout, labels, skips: errors === 'skip', resumed: since?.writer, threads },
        compression: compressionByName(options.output ?? ''),
        onNotice: options.onNotice,
      }));
    const scorer = newScorer({ op, temperature, topK, threads }, layout);
    const tally = newTally({
      op,
      layout,
      labels,
      truth: truth?.of,
      shown: options.shown ?? 0,
      k: topK ?? 5,
      since,
    });

    let end = since?.end ?? 0;
    async function write(scored: ScoredBatch): Promise<void> {
      if (errors === 'fail') refuseNaN(scored, layout, name);
      const batch = errors === 'skip' ? dropNaN(scored, layout, bad) : scored;
      if (truth?.rows !== undefined && scored.end > truth.rows)
        throw wrongTruth(options.truth, scored.end, truth.rows);
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
        ...(source
          ? { bytesRead: source.position, bytesTotal: source.size }
          : { bytesRead: input!.bytesRead(), bytesTotal: input!.bytes }),
      });
    }

    if (!since) await writer?.begin();
    await runPipeline({ batches: reader.batches(), blocks, score: scorer.score, write, signal });
    if (truth) refuseOtherRows(truth, options.truth, end);
    await writer?.end(tally.rows);
    blocks.end();
    scorer.end();
    return {
      ...{ input: options.input, output: options.output, op, temperature },
      shape: layout.shape ?? [end, ...(layout.classes === undefined ? [] : [layout.classes])],
      ...{ dtype: layout.type, axis: layout.axis, rows: tally.rows, classes: layout.classes },
      ...{
        seconds: scorer.seconds,
        elapsed: 0,
        resumed: since?.end ?? 0,
        bytes: source ? source.position : input?.bytes,
      },
      backend: await backendInUse(),
      ...{ bad: bad.value, nan: tally.nan, accuracy: tally.accuracy },
      ...(op === 'logsumexp' ? { values: tally.values } : { ranked: tally.ranked }),
    };
  } finally {
    await writer?.close?.();
    await (reader ?? source)?.close();
  }
}
