/** A pass over what the engine reads: one statement of SQL, whose rows are judged while it runs. */
import type { Layout } from '../batch.js';
import { readLabels, readTruth } from '../classes.js';
import { aloneIfShort, engineFailure, ranOutOfMemory } from '../duckdb/engine.js';
import { type EngineInput, relationOf } from '../duckdb/input.js';
import { firstLength, type Place, refuseOtherCount } from '../duckdb/relation.js';
import { registerTakeRows, type TakenRows } from '../duckdb/rows-function.js';
import { truthColumnOf } from '../duckdb/score.js';
import { type Asked, describe, reasonOf } from '../duckdb/statement.js';
import { expected } from '../failure.js';
import type { Format } from '../formats.js';
import { needsUniform } from '../score-job.js';
import { newCount } from '../tally.js';
import { truthColumn, wrongTruth } from '../truth.js';
import { newGathering, type Piece } from './gathering.js';
import type { Begin, Passed, PassOptions } from './judge.js';
import { lengthOf } from './rows.js';

const PROGRESS_MS = 200;

export async function passByStatement(
  input: EngineInput,
  format: Format,
  options: PassOptions,
  begin: Begin,
): Promise<Passed> {
  const { value: place } = await input.places().next();
  return await aloneIfShort(input.engine, options.signal, (alone) =>
    passOver(
      input,
      place as Place,
      format,
      alone ? { ...options, onNotice: undefined, threads: 1 } : options,
      begin,
    ),
  );
}

async function passOver(
  input: EngineInput,
  place: Place,
  format: Format,
  options: PassOptions,
  begin: Begin,
): Promise<Passed> {
  const { engine, name, choice } = input;
  const { signal, errors, ignoreIndex, truth: truthPath } = options;
  const tolerant = errors === 'skip' || errors === 'nan';
  const relation = await relationOf(engine, format, place, choice, signal);
  if (relation.chosen !== undefined) options.onNotice?.(relation.chosen);
  if (tolerant) await relation.refuseUnclosed?.(signal);
  const uniform = needsUniform(options, undefined);
  const classes = uniform ? await firstLength(engine, relation, signal) : relation.classes;
  const labels = options.labels === undefined ? relation.names : await readLabels(options.labels, classes);
  const column = truthColumn(truthPath);
  const most = classes ?? Number.POSITIVE_INFINITY;
  const ofFile =
    column === undefined ? await readTruth(truthPath, relation.rows, most, ignoreIndex) : undefined;
  const ofColumn = column === undefined ? undefined : truthColumnOf(relation, column, labels);
  const layout: Layout = {
    ...{ type: relation.type, classes, axis: 1, inner: 1, rows: relation.rows, fields: [], labels },
  };
  const bad = newCount();
  const lengths = new Set<number | undefined>();
  const library = await import('../../index.js');
  const judge = await begin({ name, layout, labels, bad }, library);
  const gathering = newGathering(layout, judge);
  let seen = 0;
  /** Whether rows have to have their numbers. */
  const numbered = ofFile !== undefined || errors !== undefined || options.numbered;

  /** What ends the statement; the engine would wrap it. */
  let failure: unknown;
  let stopped: 'bad' | 'truth' | undefined;
  let fewer = false;
  function stop(why: NonNullable<typeof stopped>): never {
    stopped ??= why;
    throw new Error(`stopped: ${why}`);
  }

  function keepingFailure(task: () => void): void {
    try {
      task();
    } catch (error) {
      failure ??= error;
      if (ofWrongTarget(error)) stopped ??= 'truth';
      throw error;
    }
  }

  function take(taken: TakenRows): void {
    keepingFailure(() => {
      const kept = keptOf(taken);
      const piece = pieceOf(taken, kept);
      const length = kept && piece.offsets ? lengthOf(piece.offsets) : taken.lists.width;
      lengths.add(classes ?? length);
      gathering.add(piece, targetsOf(taken, kept, piece));
      seen += taken.rows;
    });
  }

  const isBad = ({ bad, lists: { offsets } }: TakenRows, row: number) =>
    bad.has(row) || (classes !== undefined && offsets[row + 1] - offsets[row] !== classes);

  const numberOf = ({ numbers }: TakenRows, row: number) => numbers?.[row] ?? Number.NaN;

  /** Which rows are judged, where it is not all of them as they are. */
  function keptOf(taken: TakenRows): number[] | undefined {
    const { rows, lists } = taken;
    if (taken.bad.size === 0 && (classes === undefined || lists.width === classes)) return undefined;
    const kept: number[] = [];
    for (let row = 0; row < rows; row++) {
      if (isBad(taken, row)) {
        if (!tolerant) stop('bad');
        bad.add(numberOf(taken, row));
        if (errors === 'skip') continue;
      }
      kept.push(row);
    }
    return kept;
  }

  function pieceOf(taken: TakenRows, kept: readonly number[] | undefined): Piece {
    const { rows, lists, numbers } = taken;
    if (!kept) {
      const { values: logits, offsets, width } = lists;
      return classes === undefined ? { rows, logits, offsets, width, numbers } : { rows, logits, numbers };
    }
    // A row that could not be read is one of NaN.
    const offsets = new Int32Array(kept.length + 1);
    kept.forEach((row, i) => {
      const length = isBad(taken, row) ? (classes ?? 1) : lists.offsets[row + 1] - lists.offsets[row];
      offsets[i + 1] = offsets[i] + length;
    });
    const size = offsets[kept.length];
    const logits = relation.type === 'float32' ? new Float32Array(size) : new Float64Array(size);
    kept.forEach((row, i) => {
      if (isBad(taken, row)) logits.fill(Number.NaN, offsets[i], offsets[i + 1]);
      else logits.set(lists.values.subarray(lists.offsets[row], lists.offsets[row + 1]), offsets[i]);
    });
    return {
      ...{ rows: kept.length, logits, offsets: classes === undefined ? offsets : undefined },
      numbers: kept.map((row) => numberOf(taken, row)),
    };
  }

  function targetsOf(
    taken: TakenRows,
    kept: readonly number[] | undefined,
    { rows, offsets }: Piece,
  ): Int32Array {
    const { truths, untrue, numbers } = taken;
    // `newEvaluation` looks at each of them.
    if (truths && !untrue && !kept && !numbered) return truths;
    const targets = new Int32Array(rows);
    for (let i = 0; i < rows; i++) {
      const row = kept ? kept[i] : i;
      const ofRow = truths && untrue?.[row] !== 1 ? truths[row] : Number.NaN;
      const target = ofFile && numbers ? ofFile[numbers[row]] : ofRow;
      if (target === undefined) {
        fewer = true;
        stop('truth');
      }
      const length = offsets ? offsets[i + 1] - offsets[i] : most;
      if ((target >= 0 && target < length) || target === ignoreIndex) targets[i] = target;
      // One that could not be read is wrong whatever its true class is.
      else if (!kept || !offsets || !isBad(taken, row)) {
        if (!ofFile) stop('truth');
        throw expected(
          `a class below ${length}`,
          `row ${numberOf(taken, row)} of ${name}`,
          `${target} in ${truthPath}`,
        );
      }
    }
    return targets;
  }

  const { from, logits } = tolerant ? relation.tolerant : relation;
  const asks = { truths: ofColumn !== undefined, numbers: numbered };
  const function_ = registerTakeRows(engine, relation.type, asks, take);
  const row = numbered ? 'row_number() OVER () - 1' : 'NULL::BIGINT';
  const truth = `TRY_CAST(${ofColumn?.sql ?? 'NULL'} AS INTEGER)`;
  const rows = `${function_}(${logits}, ${truth}, ${row})`;
  // While one of the engine's threads waits for this one, every core has another.
  if (options.threads === undefined) await engine.run(`SET threads = current_setting('threads') + 1`, signal);
  // The engine works out how far it is again and again, which takes a tenth of its time: where rows tell it, it need not.
  if (relation.rows !== undefined) await engine.run('SET enable_progress_bar = false', signal);
  const bytesRead = () =>
    relation.rows === undefined
      ? input.bytesRead()
      : Math.round((seen / Math.max(relation.rows, 1)) * (input.bytes ?? 0));
  const timer = setInterval(() => {
    options.onProgress?.({
      ...{ rows: seen, total: relation.rows, resumed: 0 },
      ...{ bytesRead: bytesRead(), bytesTotal: input.bytes },
    });
  }, PROGRESS_MS);
  const countRows = async () => {
    const [[count]] = await engine.texts(`SELECT count(*)::VARCHAR FROM ${from}`, signal);
    return Number(count);
  };
  try {
    const running = engine.texts(`SELECT count(p)::VARCHAR FROM (SELECT ${rows} AS p FROM ${from})`, signal);
    // The engine reads the first rows meanwhile.
    library.backend.kind;
    await running;
    keepingFailure(gathering.end);
  } catch (error) {
    if (signal?.aborted || (failure === undefined && ranOutOfMemory(error))) throw error;
    if (fewer && ofFile) throw wrongTruth(truthPath, await countRows(), ofFile.length);
    if (stopped === undefined && failure !== undefined) throw failure;
    const asked: Asked = {
      ...{ relation, name, first: 0, range: undefined, op: 'softmax', errors, classes, signal },
      // Here the ignored index is as good as a class.
      truth: ofColumn && {
        ...ofColumn,
        sql: `CASE WHEN ${ofColumn.sql} = ${ignoreIndex} THEN 0 ELSE ${ofColumn.sql} END`,
      },
    };
    const reason = await reasonOf(engine, asked, { stopped });
    throw reason ?? engineFailure(error, describe(relation), name);
  } finally {
    clearInterval(timer);
  }
  refuseOtherCount(relation, seen, name);
  if (ofFile && ofFile.length !== seen) throw wrongTruth(truthPath, seen, ofFile.length);
  const [ofAll] = lengths.size === 1 ? lengths : [classes];
  return { labels, classes: ofAll, rows: seen, bad: bad.value, bytes: input.bytes };
}

/** What the package says of a target that is no class of its row. */
function ofWrongTarget(error: unknown): boolean {
  return error instanceof RangeError && / for targets\[\d+\] /.test(error.message);
}
