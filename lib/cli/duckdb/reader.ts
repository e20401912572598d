/** What the engine reads as batches, for outputs that it does not write. */
import type { Batch, Column, ColumnType, Field, Layout, Reader } from '../batch.js';
import { type Blocks, logitsOn } from '../blocks.js';
import type { Chunk, Vector } from './bindings.js';
import { type Engine, engineFailure } from './engine.js';
import { badRows, type Lists } from './lists.js';
import type { Kept } from './relation.js';
import { type Asked, describe, reasonOf, sourceOf } from './statement.js';

export interface EngineReaderOptions extends Asked {
  readonly blocks: Blocks;
  readonly blockBytes: number;
  /** Rows to pass over: those that an interrupted run has done. */
  readonly done: number;
  onBadRow(row: number): 'skip' | 'nan';
}

/** No batch has more rows, however short they are. */
const MOST_ROWS = 16_384;

export function newEngineReader(engine: Engine, options: EngineReaderOptions): Reader {
  const { relation, classes, range, errors, signal, name } = options;
  const { bindings, vectors } = engine;
  const tolerant = errors === 'skip' || errors === 'nan';
  const { from, logits } = tolerant ? relation.tolerant : relation;
  const ways = relation.kept.map(wayOf);
  const bytes = relation.type === 'float32' ? 4 : 8;
  const layout: Layout = {
    type: relation.type,
    classes,
    ...{ axis: 1, inner: 1 },
    rows: range ? range[1] - range[0] : relation.rows,
    fields: relation.kept.map(
      ({ name, type }, i): Field => ({ name, type: ways[i].type, sql: EXACT.test(type) ? type : undefined }),
    ),
    column: relation.column,
    labels: relation.names,
  };

  async function* batches(): AsyncGenerator<Batch> {
    const start = (range?.[0] ?? 0) + options.done;
    const rest = [start, range?.[1] ?? Number.MAX_SAFE_INTEGER] as const;
    const columns = [`${logits} AS l`, ...relation.kept.map(({ sql }, i) => `${ways[i].cast(sql)} AS k${i}`)];
    const sql = `SELECT ${columns.join(', ')} FROM ${sourceOf(from, start > 0 || range ? rest : undefined)}`;
    const pending = newPending();
    let number = options.done;
    let first = number;
    try {
      for await (const chunk of engine.chunks(sql, signal)) {
        const piece = pieceOf(chunk);
        const { bad, lists } = piece;
        const { offsets } = lists;
        const clean = bad.size === 0 && (classes === undefined || lists.width === classes);
        for (let row = 0; row < piece.rows; ) {
          const from = row;
          if (clean) {
            // All rows up to where the batch is full.
            const end = Math.min(piece.rows, row + MOST_ROWS - (number - first));
            const most = offsets[row] + options.blockBytes / bytes - pending.elements;
            while (row < end && offsets[row] < most) row++;
            pending.add({ piece, from, to: row, bad: false, number });
          } else {
            const isBad =
              bad.has(row) || (classes !== undefined && offsets[row + 1] - offsets[row] !== classes);
            if (isBad && !tolerant) throw await reasonOf(engine, options, { stopped: 'bad' });
            row++;
            if (!isBad || options.onBadRow(number) === 'nan')
              pending.add({ piece, from, to: row, bad: isBad, number });
          }
          number += row - from;
          if (pending.elements >= options.blockBytes / bytes || number - first >= MOST_ROWS) {
            yield await pending.take(first, number);
            first = number;
          }
        }
      }
    } catch (error) {
      if (signal?.aborted) throw error;
      throw engineFailure(
        (error instanceof Error && 'exitCode' in error
          ? undefined
          : await reasonOf(engine, options, { stopped: undefined })) ?? error,
        describe(relation),
        name,
      );
    }
    if (number > first) yield await pending.take(first, number);
  }

  interface Piece {
    readonly rows: number;
    readonly lists: Lists;
    readonly bad: ReadonlySet<number>;
    readonly columns: readonly (readonly unknown[])[];
  }

  function pieceOf(chunk: Chunk): Piece {
    const rows = bindings.data_chunk_get_size(chunk);
    const vector = (i: number) => bindings.data_chunk_get_vector(chunk, i);
    const lists = vectors.readLists(bindings, vector(0), rows, relation.type);
    return {
      ...{ rows, lists, bad: badRows(lists) },
      columns: ways.map((way, i) => way.read(engine, vector(i + 1), rows)),
    };
  }

  /** Consecutive rows of a piece, all of which can be scored, or a single one that cannot. */
  interface Run {
    readonly piece: Piece;
    readonly from: number;
    readonly to: number;
    readonly bad: boolean;
    /** That of the first in the input. */
    readonly number: number;
  }

  /** Rows that wait until there are enough of them. */
  function newPending() {
    let runs: Run[] = [];
    let elements = 0;
    const width = classes ?? 1;
    const lengthOf = ({ piece: { lists }, from, to, bad }: Run) =>
      bad ? width : lists.offsets[to] - lists.offsets[from];
    return {
      get elements() {
        return elements;
      },
      add(run: Run) {
        runs.push(run);
        elements += lengthOf(run);
      },
      async take(first: number, end: number): Promise<Batch> {
        const taken = runs;
        const rows = taken.reduce((sum, { from, to }) => sum + to - from, 0);
        const block = await options.blocks.take(elements * bytes);
        const logits = logitsOn(block, relation.type, elements) as Float64Array;
        const offsets = new Int32Array(classes === undefined ? rows + 1 : 0);
        const starts = new Int32Array(taken.length + 1);
        let at = 0;
        taken.forEach((run, i) => {
          const { piece, from, to, bad } = run;
          const { lists } = piece;
          if (bad) logits.fill(Number.NaN, at, at + width);
          else logits.set(lists.values.subarray(lists.offsets[from], lists.offsets[to]), at);
          for (let row = from; classes === undefined && row < to; row++) {
            const length = bad ? width : lists.offsets[row + 1] - lists.offsets[from];
            offsets[starts[i] + row - from + 1] = at + length;
          }
          at += lengthOf(run);
          starts[i + 1] = starts[i] + to - from;
        });
        runs = [];
        elements = 0;
        const numbers = () =>
          taken.flatMap(({ from, to, number }) => Array.from({ length: to - from }, (_, i) => number + i));
        return {
          ...{ first, end, rows, logits, block },
          offsets: classes === undefined ? offsets : undefined,
          columns: ways.map((_, column) => columnOf(taken, starts, column)),
          numbers: rows < end - first ? numbers() : undefined,
        };
      },
    };
  }

  /** @param starts the row of the batch that each run begins with. */
  function columnOf(runs: readonly Run[], starts: Int32Array, column: number): Column {
    // Rows are mostly asked for in their order.
    let i = 0;
    return {
      get(row) {
        while (row < starts[i]) i--;
        while (row >= starts[i + 1]) i++;
        return runs[i].piece.columns[column][runs[i].from + row - starts[i]];
      },
    };
  }

  return { layout, batches, close: async () => engine.close() };
}

/** How a column comes out of the engine. */
interface Way {
  readonly type: ColumnType;
  cast(sql: string): string;
  read(engine: Engine, vector: Vector, rows: number): unknown[];
}

function numbers(
  type: ColumnType,
  as: string,
  bytes: number,
  get: (view: DataView, at: number) => unknown,
): Way {
  return {
    type,
    cast: (sql) => `${sql}::${as}`,
    read({ bindings, vectors }, vector, rows) {
      const view = vectors.dataOf(bindings, vector, rows, bytes);
      const nulls = vectors.nullsOf(bindings, vector, rows);
      return Array.from({ length: rows }, (_, row) => (nulls?.[row] === 1 ? null : get(view, row * bytes)));
    },
  };
}

const INT32 = numbers('int32', 'INTEGER', 4, (view, at) => view.getInt32(at, true));
const INT64 = numbers('int64', 'BIGINT', 8, (view, at) => view.getBigInt64(at, true));
const UINT64 = numbers('uint64', 'UBIGINT', 8, (view, at) => view.getBigUint64(at, true));
const DAY_MS = 86_400_000;
const DAY = numbers('day', 'DATE', 4, (view, at) => new Date(view.getInt32(at, true) * DAY_MS));
const TIME: Way = {
  ...numbers('date', 'BIGINT', 8, (view, at) => new Date(Number(view.getBigInt64(at, true)))),
  cast: (sql) => `epoch_ms(${sql}::TIMESTAMP)`,
};
/** What a text keeps whole, and a JavaScript value does not. */
const EXACT = /^(DECIMAL\(.*\)|TIMESTAMP|TIMESTAMP WITH TIME ZONE|TIMESTAMP_NS)$/;
const TEXT: Way = {
  type: 'string',
  cast: (sql) => `${sql}::VARCHAR`,
  read: ({ bindings, vectors }, vector, rows) => vectors.textsOf(bindings, vector, rows),
};
const JSON_TEXT: Way = { ...TEXT, cast: (sql) => `to_json(${sql})::VARCHAR` };

const WAYS: Readonly<Record<string, Way>> = {
  ...{ TINYINT: INT32, SMALLINT: INT32, INTEGER: INT32, UTINYINT: INT32, USMALLINT: INT32 },
  ...{ UINTEGER: INT64, BIGINT: INT64, UBIGINT: UINT64, DATE: DAY },
  FLOAT: numbers('float32', 'FLOAT', 4, (view, at) => view.getFloat32(at, true)),
  DOUBLE: numbers('float64', 'DOUBLE', 8, (view, at) => view.getFloat64(at, true)),
  BOOLEAN: numbers('boolean', 'BOOLEAN', 1, (view, at) => view.getUint8(at) === 1),
  ...{ TIMESTAMP_S: TIME, TIMESTAMP_MS: TIME },
  JSON: TEXT,
};

function wayOf({ type }: Kept): Way {
  if (Object.hasOwn(WAYS, type)) return WAYS[type];
  return /[[(]|^MAP|^STRUCT|^UNION/.test(type) && !type.startsWith('DECIMAL') ? JSON_TEXT : TEXT;
}
