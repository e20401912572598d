/** One pass over a file: every row with its true class, batch by batch, in constant memory. */
import { type Batch, numberOf, type Reader } from '../batch.js';
import { newBlocks } from '../blocks.js';
import { readLabels } from '../classes.js';
import { openEngineInput } from '../duckdb/input.js';
import { expected } from '../failure.js';
import { openReader } from '../formats/open.js';
import { type Format, inputFormat, isEngineFormat } from '../formats.js';
import { type Bytes, openInput } from '../input.js';
import { unlessAborted } from '../interruption.js';
import { newBadRows } from '../nan-rows.js';
import { runPipeline } from '../pipeline.js';
import { needsUniform, refuseUseless } from '../score-job.js';
import { newCount } from '../tally.js';
import { openTruth, refuseOtherRows, type Truth, wrongTruth } from '../truth.js';
import { passByStatement } from './engine-pass.js';
import type { Begin, Passed, PassOptions } from './judge.js';
import { lengthOf } from './rows.js';

/** One that is read, one that is judged, and one so that neither waits. */
const BLOCKS_IN_FLIGHT = 3;
const BLOCK_BYTES = 1 << 22;

export async function passOver(options: PassOptions, begin: Begin): Promise<Passed> {
  const format = await inputFormat(options.format, options.input);
  refuseUseless(options, format);
  if (!isEngineFormat(format)) {
    const source = await unlessAborted(openInput(options.input), options.signal);
    return await read(source, format, options, begin);
  }
  const input = await openEngineInput(options, format, undefined);
  try {
    const passed = await passByStatement(input, format, options, begin);
    await input.refuseLoss(passed.rows);
    return passed;
  } catch (error) {
    throw input.failure(error);
  } finally {
    await input.close();
  }
}

async function read(source: Bytes, format: Format, options: PassOptions, begin: Begin): Promise<Passed> {
  const { signal, errors } = options;
  const { name } = source;
  const bad = newCount();
  const blocks = newBlocks(BLOCKS_IN_FLIGHT, name);
  let reader: Reader | undefined;
  try {
    reader = await unlessAborted(
      openReader(format, source, {
        ...{ axis: options.axis ?? -1, dtype: options.dtype, column: options.column },
        ...{ blocks, blockBytes: options.blockBytes ?? BLOCK_BYTES, done: 0 },
        ...{ uniform: needsUniform(options, undefined), onBadRow: newBadRows(errors, name, bad) },
      }),
      signal,
    );
    const { layout } = reader;
    const labels =
      options.labels === undefined ? layout.labels : await readLabels(options.labels, layout.classes);
    const truth = await openTruth({ ...options, layout, labels, input: name });
    const judge = begin({ name, layout, labels, bad }, await import('../../promises.js'));
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
          ...{ bytesRead: source.position, bytesTotal: source.size },
        });
      },
    });
    refuseOtherRows(truth, options.truth, end);
    const [classes] = lengths.size === 1 ? lengths : [layout.classes];
    return { labels, classes, rows: end, bad: bad.value, bytes: source.position };
  } finally {
    await (reader ?? source).close();
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
