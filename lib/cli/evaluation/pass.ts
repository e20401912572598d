/** One pass over a file: every row with its true class, batch by batch, in constant memory. */
import { type Batch, type Layout, numberOf, type Reader } from '../batch.js';
import { newBlocks } from '../blocks.js';
import { readLabels } from '../classes.js';
import { type EngineInput, openEngineInput } from '../engine/input.js';
import { expected } from '../failure.js';
import { openReader } from '../formats/open.js';
import { type Format, inputFormat, isEngineFormat } from '../formats.js';
import { type Bytes, openInput } from '../input.js';
import { unlessAborted } from '../interruption.js';
import { newBadRows } from '../nan-rows.js';
import { runPipeline } from '../pipeline.js';
import { needsUniform, refuseUseless, type ScoreFileOptions } from '../score-job.js';
import { type Count, newCount } from '../tally.js';
import { openTruth, refuseOtherRows, type Truth, wrongTruth } from '../truth.js';
import { lengthOf } from './rows.js';

export interface PassOptions
  extends Pick<
    ScoreFileOptions,
    | ('input' | 'format' | 'axis' | 'dtype' | 'column' | 'keep' | 'header' | 'delimiter' | 'labels')
    | ('errors' | 'threads' | 'blockBytes' | 'signal' | 'onProgress' | 'onNotice')
  > {
  /** A path, or `column:NAME`. */
  readonly truth: string;
  /** The target of rows that are not judged. */
  readonly ignoreIndex: number;
}

/** What is known before the first row. */
export interface Opened {
  readonly name: string;
  readonly layout: Layout;
  readonly labels: readonly string[] | undefined;
  readonly bad: ReturnType<typeof newCount>;
}

/** Sees the batches in their order, one at a time. The targets may be changed. */
export type Judge = (batch: Batch, targets: Int32Array) => Promise<void>;

export interface Passed extends Pick<Opened, 'labels'> {
  /** Undefined where rows differ in length. */
  readonly classes: number | undefined;
  /** Rows of the input. */
  readonly rows: number;
  /** Rows that could not be read, or were left out. */
  readonly bad: Count;
  /** Of the input. */
  readonly bytes: number | undefined;
}

/** One that is read, one that is judged, and one so that neither waits. */
const BLOCKS_IN_FLIGHT = 3;
const BLOCK_BYTES = 1 << 22;

/** @param begin makes what judges, once the input is open. */
export async function passOver(
  options: PassOptions,
  begin: (opened: Opened) => Judge | Promise<Judge>,
): Promise<Passed> {
  const format = await inputFormat(options.format, options.input);
  refuseUseless(options, format);
  if (!isEngineFormat(format)) {
    const source = await unlessAborted(openInput(options.input), options.signal);
    return await read(options, format, begin, { source });
  }
  const input = await openEngineInput(options, format, undefined);
  try {
    return await read(options, format, begin, { input });
  } catch (error) {
    throw input.failure(error);
  } finally {
    await input.close();
  }
}

interface From {
  /** What is read by us, */
  readonly source?: Bytes;
  /** or by the engine. */
  readonly input?: EngineInput;
}

async function read(
  options: PassOptions,
  format: Format,
  begin: (opened: Opened) => Judge | Promise<Judge>,
  { source, input }: From,
): Promise<Passed> {
  const { signal, errors } = options;
  const name = source?.name ?? input!.name;
  const bad = newCount();
  const blocks = newBlocks(BLOCKS_IN_FLIGHT, name);
  const reading = {
    ...{ blocks, blockBytes: options.blockBytes ?? BLOCK_BYTES, done: 0 },
    ...{ uniform: needsUniform(options, undefined), onBadRow: newBadRows(errors, name, bad) },
  };
  let reader: Reader | undefined;
  try {
    reader = await unlessAborted(
      input
        ? input.reader({ ...reading, typed: false, truthOnly: true })
        : openReader(format, source!, {
            ...{ axis: options.axis ?? -1, dtype: options.dtype, column: options.column },
            ...reading,
          }),
      signal,
    );
    const { layout } = reader;
    const labels =
      options.labels === undefined ? layout.labels : await readLabels(options.labels, layout.classes);
    const truth = await openTruth({ ...options, layout, labels, input: name });
    const judge = await begin({ name, layout, labels, bad });
    let end = 0;
    const lengths = new Set<number | undefined>();
    await runPipeline({
      batches: reader.batches(),
      blocks,
      signal,
      async score(batch) {
        await judge(batch, targetsOf(batch, truth, options, name));
        lengths.add(batch.offsets ? lengthOf(batch.offsets) : layout.classes);
        return { end: batch.end, release: () => batch.block.release() };
      },
      async write(judged) {
        ({ end } = judged);
        options.onProgress?.({
          ...{ rows: end, total: layout.rows, resumed: 0 },
          ...(source
            ? { bytesRead: source.position, bytesTotal: source.size }
            : { bytesRead: input!.bytesRead(), bytesTotal: input!.bytes }),
        });
      },
    });
    refuseOtherRows(truth, options.truth, end);
    const bytes = source ? source.position : input?.bytes;
    const [classes] = lengths.size === 1 ? lengths : [layout.classes];
    return { labels, classes, rows: end, bad: bad.value, bytes };
  } finally {
    await (reader ?? source)?.close();
  }
}

/** The true classes of a batch. A row that was left out has none here, and that of no other row moves. */
function targetsOf(
  batch: Batch,
  truth: Truth,
  { truth: path, ignoreIndex, errors }: PassOptions,
  input: string,
): Int32Array {
  const { rows, offsets } = batch;
  if (truth.rows !== undefined && batch.end > truth.rows) throw wrongTruth(path, batch.end, truth.rows);
  const targets = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const number = numberOf(batch, row);
    const target = truth.of(batch, row, number);
    const length = offsets ? offsets[row + 1] - offsets[row] : Number.POSITIVE_INFINITY;
    if (target < length || target === ignoreIndex) targets[row] = target;
    else if (errors !== 'nan' || length !== 1) {
      throw expected(`a class below ${length}`, `row ${number} of ${input}`, `${target} in ${path}`);
    }
    // Else it may be a row that could not be read: a single NaN, which is wrong whatever its true class is.
  }
  return targets;
}
