/**
 * `score_rows(logits, truth, row)`: the package's own functions as a function of SQL. It is called on this thread with some
 * two thousand rows at a time, in any order; the rows that it returns go where they belong. As a volatile function it is
 * given every row, and once; otherwise the engine would give it each value of a dictionary alone.
 */
import type { Values } from '../batch.js';
import { best } from '../rows.js';
import { NO_CLASS, type Operation } from '../scoring.js';
import type { Chunk, Vector } from './bindings.js';
import type { Engine } from './engine.js';
import { badRows, type Lists } from './lists.js';

export interface ScoreRows {
  readonly op: Operation;
  readonly temperature: number;
  readonly topK: number | undefined;
  readonly threads: number | undefined;
  readonly type: 'float32' | 'float64';
  /** How long every row has to be; undefined where they may differ. */
  readonly classes: number | undefined;
  /** What becomes of a row that cannot be scored: the statement ends, the row is NULL, or all NaN. */
  readonly onBad: 'fail' | 'skip' | 'nan';
  /** What becomes of a row that comes out as NaN. */
  readonly onNaN: 'fail' | 'skip' | 'keep';
  /** The true classes by row, or whether they come with the rows. */
  readonly truth?: Float64Array | 'column' | undefined;
}

/** What the function has seen. */
export interface Seen {
  rows: number;
  bad: number;
  nan: number;
  correct: number;
  /** Whether any score was NaN or infinite. */
  nonfinite: boolean;
  /** Why the function ended the statement. */
  stopped: 'bad' | 'nan' | 'truth' | undefined;
  seconds: number;
}

export const newSeen = (): Seen => ({
  ...{ rows: 0, bad: 0, nan: 0, correct: 0, nonfinite: false, stopped: undefined, seconds: 0 },
});

/** Rows that all can be scored. */
interface Filled {
  readonly values: Values;
  readonly offsets: Int32Array;
  /** The length that every row has; undefined where they differ. */
  readonly classes: number | undefined;
  /** Those that stand for rows that cannot. */
  readonly bad: ReadonlySet<number>;
}

const TOP = ['class', 'score'];

/** Registers it on the engine's connection; returns what it sees, from now on. */
export async function registerScoreRows(engine: Engine, name: string, options: ScoreRows): Promise<Seen> {
  const library = await import('../../index.js');
  const { bindings, connection, vectors } = engine;
  const { op, temperature, topK, threads, type, classes, onBad, onNaN } = options;
  const bytes = type === 'float32' ? 4 : 8;
  const seen = newSeen();
  const call = { temperature, threads };

  function main(input: Chunk, output: Vector): void {
    const start = performance.now();
    const rows = bindings.data_chunk_get_size(input);
    const lists = vectors.readLists(bindings, bindings.data_chunk_get_vector(input, 0), rows, type);
    const filled = fill(lists, rows);
    const dropped = new Set<number>();
    seen.rows += rows;
    seen.bad += filled.bad.size;
    if (filled.bad.size > 0 && onBad === 'fail') stop('bad');
    if (onBad === 'skip') for (const row of filled.bad) dropped.add(row);
    if (op === 'logsumexp') {
      const out = library.logSumExp(filled.values, { ...call, ...shapeOf(filled, rows) });
      for (let row = 0; row < rows; row++) {
        if (filled.bad.has(row)) out[row] = Number.NaN;
        note(out, row, row + 1, row, dropped, filled.bad);
      }
      if (seen.stopped) stop(seen.stopped);
      vectors.writeValues(bindings, output, out);
    } else {
      const all = op === 'softmax' && topK !== undefined ? undefined : scoresOf(filled, rows);
      const top = topK === undefined ? undefined : topOf(filled, rows, topK, all);
      const scores = top?.scores ?? all!;
      const offsets = top?.offsets ?? filled.offsets;
      for (let row = 0; row < rows; row++) {
        note(scores, offsets[row], offsets[row + 1], row, dropped, filled.bad);
      }
      if (seen.stopped) stop(seen.stopped);
      tellTruth(input, rows, scores, offsets, top?.indices);
      if (top) {
        vectors.writeLists(bindings, bindings.struct_vector_get_child(output, 0), top, top.indices);
        vectors.writeLists(bindings, bindings.struct_vector_get_child(output, 1), top, top.scores);
      } else vectors.writeLists(bindings, output, { offsets }, scores);
    }
    if (dropped.size > 0) {
      const nulls = new Uint8Array(rows);
      for (const row of dropped) nulls[row] = 1;
      vectors.writeNulls(bindings, output, nulls);
    }
    vectors.release(lists.values);
    seen.seconds += (performance.now() - start) / 1000;
  }

  function stop(why: NonNullable<Seen['stopped']>): never {
    seen.stopped = why;
    throw new Error(`stopped: ${why}`);
  }

  /** Rows of other lengths are bad too; bad rows become rows of NaN, so that they have a place. */
  function fill(lists: Lists, rows: number): Filled {
    const bad = badRows(lists);
    if (bad.size === 0 && lists.width !== undefined && (classes === undefined || lists.width === classes)) {
      return { values: lists.values, offsets: lists.offsets, classes: lists.width, bad };
    }
    if (classes !== undefined) {
      for (let row = 0; row < rows; row++) {
        if (lists.offsets[row + 1] - lists.offsets[row] !== classes) bad.add(row);
      }
    }
    if (bad.size === 0) return { values: lists.values, offsets: lists.offsets, classes, bad };
    const offsets = new Int32Array(rows + 1);
    for (let row = 0; row < rows; row++) {
      const length = bad.has(row) ? (classes ?? 1) : lists.offsets[row + 1] - lists.offsets[row];
      offsets[row + 1] = offsets[row] + length;
    }
    const values = new (bytes === 4 ? Float32Array : Float64Array)(offsets[rows]);
    for (let row = 0; row < rows; row++) {
      if (bad.has(row)) values.fill(Number.NaN, offsets[row], offsets[row + 1]);
      else values.set(lists.values.subarray(lists.offsets[row], lists.offsets[row + 1]), offsets[row]);
    }
    return { values, offsets, classes, bad };
  }

  function shapeOf(lists: Filled, rows: number) {
    return lists.classes === undefined ? { offsets: lists.offsets } : { shape: [rows, lists.classes] };
  }

  function scoresOf(lists: Filled, rows: number): Values {
    const function_ = op === 'softmax' ? library.softmax : library.logSoftmax;
    return function_(lists.values, { ...call, ...shapeOf(lists, rows), out: lists.values }) as Values;
  }

  /** The best of each row: fewer where it has fewer. */
  function topOf(lists: Filled, rows: number, k: number, all: Values | undefined) {
    const offsets = new Int32Array(rows + 1);
    for (let row = 0; row < rows; row++) {
      offsets[row + 1] = offsets[row] + Math.min(k, lists.offsets[row + 1] - lists.offsets[row]);
    }
    const indices = new Uint32Array(offsets[rows]);
    const scores = new (bytes === 4 ? Float32Array : Float64Array)(offsets[rows]);
    if (all) {
      for (let row = 0; row < rows; row++) {
        const one = all.subarray(lists.offsets[row], lists.offsets[row + 1]);
        best(one, k).forEach((i, rank) => {
          indices[offsets[row] + rank] = i;
          scores[offsets[row] + rank] = one[i];
        });
      }
    } else if (offsets[rows] > 0) {
      const width = Math.min(k, lists.classes ?? k);
      const found = library.topK(lists.values, width, { ...call, ...shapeOf(lists, rows) });
      let at = 0;
      for (let i = 0; i < found.indices.length; i++) {
        if (found.indices[i] === NO_CLASS) continue;
        indices[at] = found.indices[i];
        scores[at++] = found.probabilities[i];
      }
    }
    return { offsets, indices, scores };
  }

  /** Counts a row, and says what becomes of it. */
  function note(
    scores: Values,
    from: number,
    to: number,
    row: number,
    dropped: Set<number>,
    bad: ReadonlySet<number>,
  ): void {
    if (from === to) return;
    if (Number.isNaN(scores[from])) {
      seen.nonfinite = true;
      if (onNaN === 'skip') {
        if (!bad.has(row)) seen.bad++;
        dropped.add(row);
      } else {
        seen.nan++;
        if (onNaN === 'fail') seen.stopped = 'nan';
      }
    } else if (op !== 'softmax' && !seen.nonfinite) {
      for (let i = from; i < to; i++) if (!Number.isFinite(scores[i])) seen.nonfinite = true;
    }
  }

  function tellTruth(
    input: Chunk,
    rows: number,
    scores: Values,
    offsets: Int32Array,
    indices: Uint32Array | undefined,
  ): void {
    if (!options.truth) return;
    const column = bindings.data_chunk_get_vector(input, options.truth === 'column' ? 1 : 2);
    const nulls = vectors.nullsOf(bindings, column, rows);
    const numbers = vectors.dataOf(bindings, column, rows, 8);
    for (let row = 0; row < rows; row++) {
      const one = scores.subarray(offsets[row], offsets[row + 1]);
      const number = nulls?.[row] === 1 ? -1 : Number(numbers.getBigInt64(row * 8, true));
      const truth = options.truth === 'column' ? number : options.truth[number];
      if (options.truth === 'column' && !(number >= 0 && number < (classes ?? Number.POSITIVE_INFINITY)))
        stop('truth');
      if (one.length === 0 || Number.isNaN(one[0])) continue;
      const winner = indices ? indices[offsets[row]] : best(one, 1)[0];
      if (winner === truth) seen.correct++;
    }
  }

  const number = bindings.create_logical_type(
    type === 'float32' ? bindings.Type.FLOAT : bindings.Type.DOUBLE,
  );
  const list = bindings.create_list_type(number);
  const bigint = bindings.create_logical_type(bindings.Type.BIGINT);
  const classList = bindings.create_list_type(bindings.create_logical_type(bindings.Type.UINTEGER));
  const returned =
    op === 'logsumexp'
      ? number
      : topK === undefined
        ? list
        : bindings.create_struct_type([classList, list], TOP);
  const definition = bindings.create_scalar_function();
  bindings.scalar_function_set_name(definition, name);
  for (const parameter of [list, bigint, bigint]) {
    bindings.scalar_function_add_parameter(definition, parameter);
  }
  bindings.scalar_function_set_return_type(definition, returned);
  bindings.scalar_function_set_special_handling(definition);
  bindings.scalar_function_set_volatile(definition);
  bindings.scalar_function_set_function(definition, (_, input, output) => main(input, output));
  bindings.register_scalar_function(connection, definition);
  return seen;
}
