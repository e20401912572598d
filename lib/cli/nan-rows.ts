/** Rows that cannot be read, and rows that come out as NaN: of NaN, of +Infinity, or of nothing but -Infinity. */
import { type Layout, numberOf, type ScoredBatch } from './batch.js';
import { expected, type Failure } from './failure.js';
import { isNaNRow, type newCount } from './tally.js';

/** What becomes of a row that cannot be read. */
export function newBadRows(
  errors: 'fail' | 'skip' | 'nan' | undefined,
  name: string,
  bad: ReturnType<typeof newCount>,
): (row: number, what: string, received: string) => 'skip' | 'nan' {
  return (row, what, received) => {
    if (errors !== 'skip' && errors !== 'nan') {
      throw expected(what, `row ${row} of ${name}`, `${received} (--errors skip or nan goes on)`);
    }
    bad.add(row);
    return errors;
  };
}

export function refuseNaN(batch: ScoredBatch, layout: Layout, input: string): void {
  for (let row = 0; row < batch.rows; row++) {
    if (isNaNRow(batch, layout, row)) {
      throw nanRow(numberOf(batch, row), input);
    }
  }
}

export function nanRow(row: number, input: string): Failure {
  const received = 'a row that comes out as NaN (--errors skip or nan goes on)';
  return expected('finite logits', `row ${row} of ${input}`, received);
}

/** The batch without them. */
export function dropNaN(batch: ScoredBatch, layout: Layout, bad: ReturnType<typeof newCount>): ScoredBatch {
  const kept: number[] = [];
  for (let row = 0; row < batch.rows; row++) {
    if (isNaNRow(batch, layout, row)) bad.add(numberOf(batch, row));
    else kept.push(row);
  }
  if (kept.length === batch.rows) return batch;

  const { scores, width, indices } = batch;
  const starts = batch.offsets ?? Int32Array.from({ length: batch.rows + 1 }, (_, row) => row * width);
  const offsets = new Int32Array(kept.length + 1);
  kept.forEach((row, i) => {
    const [start, end] = [starts[row], starts[row + 1]];
    // Rows move towards the front, so none is written over before it has moved.
    scores.copyWithin(offsets[i], start, end);
    indices?.copyWithin(offsets[i], start, end);
    offsets[i + 1] = offsets[i] + end - start;
  });
  return {
    ...batch,
    rows: kept.length,
    numbers: kept.map((row) => numberOf(batch, row)),
    scores: scores.subarray(0, offsets[kept.length]),
    indices: indices?.subarray(0, offsets[kept.length]),
    offsets: batch.offsets && offsets,
    columns: batch.columns.map(
      (column) => column.pick?.(kept) ?? { get: (row: number) => column.get(kept[row]) },
    ),
  };
}
