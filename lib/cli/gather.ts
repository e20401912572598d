/** Rows that come one by one, as text formats have them, gathered into batches. */
import type { Batch, Column, Layout } from './batch.js';
import { logitsOn } from './blocks.js';
import type { ReaderOptions } from './formats.js';

/** One row of an input. */
export interface Row {
  /** Undefined where they cannot be read. */
  readonly logits: ArrayLike<number> | undefined;
  /** Why not: what was wanted, and what came. */
  readonly wanted?: string;
  readonly received?: string;
  /** Of the columns beside the logits. */
  readonly cells: readonly unknown[];
  /** The row in the words of its format. */
  readonly native?: unknown;
}

/** No batch has more rows, however short they are. */
const MOST_ROWS = 16_384;

/**
 * The borders of the batches depend on the rows alone, not on how they come: a run that goes on after an interruption
 * has the same.
 * @param chunks some rows at a time, from the first of the input on.
 */
export async function* gather(
  chunks: AsyncIterable<readonly Row[]>,
  layout: Layout,
  options: ReaderOptions,
): AsyncGenerator<Batch> {
  const { classes, type, fields } = layout;
  const [from, to] = options.rows ?? [0, Number.POSITIVE_INFINITY];
  const most = options.blockBytes / (type === 'float64' ? 8 : 4);
  const start = from + options.done;
  let number = 0;
  let first = start;
  let elements = 0;
  let rows: Row[] = [];
  let numbers: number[] = [];

  async function take(): Promise<Batch> {
    const bytes = elements * (type === 'float64' ? 8 : 4);
    const block = await options.blocks.take(bytes);
    const logits = logitsOn(block, type, elements);
    const offsets = new Int32Array(rows.length + 1);
    rows.forEach((row, i) => {
      logits.set(row.logits!, offsets[i]);
      offsets[i + 1] = offsets[i] + row.logits!.length;
    });
    const taken = rows;
    const skipped = numbers.length < number - first;
    const batch: Batch = {
      first: first - from,
      end: number - from,
      rows: rows.length,
      logits,
      offsets: classes === undefined ? offsets : undefined,
      block,
      columns: fields.map((_, i): Column => ({ get: (row) => taken[row].cells[i] })),
      natives: taken[0]?.native === undefined ? undefined : taken.map(({ native }) => native),
      numbers: skipped ? numbers.map((n) => n - from) : undefined,
    };
    first = number;
    elements = 0;
    rows = [];
    numbers = [];
    return batch;
  }

  for await (const chunk of chunks) {
    for (const row of chunk) {
      if (number >= to) break;
      if (number < start) {
        number++;
        continue;
      }
      const good = accept(row, number);
      if (good) {
        rows.push(good);
        numbers.push(number);
        elements += good.logits!.length;
      }
      number++;
      if (elements >= most || number - first >= MOST_ROWS) yield await take();
    }
    if (number >= to) break;
  }
  if (number > first) yield await take();

  function accept(row: Row, at: number): Row | undefined {
    let { wanted, received } = row;
    if (row.logits) {
      if (classes === undefined || row.logits.length === classes) return row;
      wanted = `${classes} logits`;
      received = String(row.logits.length);
    }
    const mode = options.onBadRow(at - from, wanted ?? 'logits', received ?? 'none');
    return mode === 'skip' ? undefined : { ...row, logits: new Array(classes ?? 1).fill(Number.NaN) };
  }
}

/** The first chunk, to learn from, and all of them. */
export async function peek<Item>(items: AsyncGenerator<Item>) {
  const { value: head, done } = await items.next();
  async function* all(): AsyncGenerator<Item> {
    if (!done) yield head;
    yield* items;
  }
  return { head: done ? undefined : (head as Item), all: all() };
}
