/** What the engine reads as batches, for outputs that it does not write. */
import type { Batch, Column, Layout, Reader } from '../batch.js';
import { type Blocks, logitsOn } from '../blocks.js';
import type { Node } from '../formats/arrow/nodes.js';
import type { Travelling } from './arrow/travel.js';
import type { Chunk } from './bindings.js';
import { type Engine, engineFailure } from './engine.js';
import { badRows, type Lists } from './lists.js';
import { refuseOtherCount } from './relation.js';
import { type Asked, describe, reasonOf, sourceOf } from './statement.js';

export interface EngineReaderOptions extends Asked {
  readonly blocks: Blocks;
  readonly blockBytes: number;
  /** Rows to pass over: those that an interrupted run has done. */
  readonly done: number;
  /** The columns beside the logits, where they travel: to Arrow. */
  readonly travelling?: Travelling | undefined;
  /** A column beside the logits that is asked for by value: the true classes. */
  readonly truthColumn?: string | undefined;
  onBadRow(row: number): 'skip' | 'nan';
}

/** No batch has more rows, however short they are. */
const MOST_ROWS = 16_384;

/** What a Parquet file says of itself; of its columns the Arrow schema tells. */
function withoutSchema(metadata: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...metadata].filter(([key]) => key !== 'ARROW:schema'));
}

/** A column that does not travel. */
const NOTHING: Column = { get: () => null };

export function newEngineReader(engine: Engine, options: EngineReaderOptions): Reader {
  const { relation, classes, range, errors, signal, name, travelling } = options;
  const { bindings, vectors } = engine;
  const tolerant = errors === 'skip' || errors === 'nan';
  const { from, logits } = tolerant ? relation.tolerant : relation;
  const truth = travelling ? undefined : relation.kept.find((kept) => kept.name === options.truthColumn);
  const bytes = relation.type === 'float32' ? 4 : 8;
  const layout: Layout = {
    type: relation.type,
    classes,
    ...{ axis: 1, inner: 1 },
    rows: range ? range[1] - range[0] : relation.rows,
    fields: travelling?.fields ?? relation.kept.map(({ name }) => ({ name })),
    native: travelling && relation.metadata && withoutSchema(relation.metadata),
    column: relation.column,
    labels: relation.names,
  };

  async function* batches(): AsyncGenerator<Batch> {
    if (tolerant) await relation.refuseUnclosed?.(signal);
    const start = (range?.[0] ?? 0) + options.done;
    const rest = [start, range?.[1] ?? Number.MAX_SAFE_INTEGER] as const;
    const others = travelling?.sql ?? (truth ? [`${truth.sql}::VARCHAR`] : []);
    const columns = [`${logits} AS l`, ...others.map((sql, i) => `${sql} AS k${i}`)];
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
    if (!range) refuseOtherCount(relation, number, name);
    if (number > first) yield await pending.take(first, number);
  }

  interface Piece {
    readonly rows: number;
    readonly lists: Lists;
    readonly bad: ReadonlySet<number>;
    /** Those that travel, */
    readonly nodes: readonly Node[];
    /** and the true classes as text. */
    readonly truths: readonly (string | null)[];
  }

  function pieceOf(chunk: Chunk): Piece {
    const rows = bindings.data_chunk_get_size(chunk);
    const vector = (i: number) => bindings.data_chunk_get_vector(chunk, i);
    const lists = vectors.readLists(bindings, vector(0), rows, relation.type);
    return {
      ...{ rows, lists, bad: badRows(lists) },
      nodes: travelling?.read(chunk, 1) ?? [],
      truths: truth ? vectors.textsOf(bindings, vector(1), rows) : [],
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
          columns: relation.kept.map((kept, i) => {
            if (!travelling) return kept === truth ? truthOf(taken, starts) : NOTHING;
            return travelling.column(
              i,
              taken.map(({ piece, from, to }) => ({ node: piece.nodes[i], from, to })),
            );
          }),
          numbers: rows < end - first ? numbers() : undefined,
        };
      },
    };
  }

  /** @param starts the row of the batch that each run begins with. */
  function truthOf(runs: readonly Run[], starts: Int32Array): Column {
    const isText = truth?.type === 'VARCHAR' || truth?.type === 'JSON';
    // Rows are mostly asked for in their order.
    let i = 0;
    return {
      get(row) {
        while (row < starts[i]) i--;
        while (row >= starts[i + 1]) i++;
        const text = runs[i].piece.truths[runs[i].from + row - starts[i]];
        return isText || text === null ? text : Number(text);
      },
    };
  }

  // The engine belongs to the input.
  return { layout, batches, close: async () => {} };
}
