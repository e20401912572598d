/** What a run has seen so far: all that its report says of the rows. */
import { type Layout, numberOf, type ScoredBatch, type Values } from './batch.js';
import { best } from './rows.js';
import { NO_CLASS, type Operation, scoresOf } from './scoring.js';
import type { RankedRow } from './table.js';
import type { TruthOf } from './truth.js';

/** How many there were of a kind of row, and the numbers of the first. */
export interface Count {
  readonly count: number;
  readonly first: readonly number[];
}

/** How many of the numbers are kept. */
export const POSITIONS = 5;

export function newCount({ count, first }: Count = { count: 0, first: [] }) {
  const positions = [...first];
  let total = count;
  return {
    add(row: number) {
      total++;
      // Rows that are read ahead may be known before those that are scored.
      let at = positions.length;
      while (at > 0 && positions[at - 1] > row) at--;
      positions.splice(at, 0, row);
      positions.length = Math.min(positions.length, POSITIONS);
    },
    /** Those of what follows. */
    join({ count, first }: Count) {
      total += count;
      positions.push(...first.slice(0, POSITIONS - positions.length));
    },
    get value(): Count {
      return { count: total, first: [...positions] };
    },
  };
}

export interface Accuracy {
  readonly correct: number;
  readonly rows: number;
}

export interface Tally {
  add(batch: ScoredBatch): void;
  readonly rows: number;
  readonly nan: Count;
  readonly accuracy: Accuracy | undefined;
  readonly ranked: readonly RankedRow[];
  readonly values: readonly { readonly row: number; readonly value: number }[];
}

export interface TallyOptions {
  readonly op: Operation;
  readonly layout: Layout;
  readonly labels?: readonly string[] | undefined;
  readonly truth?: TruthOf | undefined;
  /** How many rows to keep for printing, and how many classes of each. */
  readonly shown: number;
  readonly k: number;
  /** The state of an interrupted run that goes on. */
  readonly since?: { readonly rows: number; readonly nan: Count; readonly correct: number } | undefined;
}

export function newTally({ op, layout, labels, truth, shown, k, since }: TallyOptions): Tally {
  const ranked: RankedRow[] = [];
  const values: { row: number; value: number }[] = [];
  const nan = newCount(since?.nan);
  let rows = since?.rows ?? 0;
  let correct = since?.correct ?? 0;

  function add(batch: ScoredBatch): void {
    for (let row = 0; row < batch.rows; row++) {
      const number = numberOf(batch, row);
      if (op === 'logsumexp') {
        if (Number.isNaN(batch.scores[row])) nan.add(number);
        if (values.length < shown) values.push({ row: number, value: batch.scores[row] });
        continue;
      }
      if (isNaNRow(batch, layout, row)) nan.add(number);
      else if (truth && winnerOf(batch, layout, row) === truth(batch, row, number)) correct++;
      if (ranked.length < shown) ranked.push(rankedRow(batch, row, number));
    }
    rows += batch.rows;
  }

  function rankedRow(batch: ScoredBatch, row: number, number: number): RankedRow {
    const right = truth?.(batch, row, number);
    return {
      row: number,
      truth: right === undefined ? undefined : { class: right, label: labels?.[right] },
      best: bestOf(batch, layout, row, k).map(([i, score]) => ({ class: i, label: labels?.[i], score })),
    };
  }

  return {
    add,
    get rows() {
      return rows;
    },
    get nan() {
      return nan.value;
    },
    get accuracy() {
      return truth && { correct, rows };
    },
    ranked,
    values,
  };
}

/** Whether a row came out as NaN: then all of it did. */
export function isNaNRow(batch: ScoredBatch, layout: Layout, row: number): boolean {
  const { scores, width, offsets } = batch;
  if (offsets) return offsets[row] < offsets[row + 1] && Number.isNaN(scores[offsets[row]]);
  if (width === 0) return false;
  if (layout.inner === 1 || batch.indices) return Number.isNaN(scores[row * width]);
  return Number.isNaN(scoresOf(batch, layout, row)[0]);
}

function winnerOf(batch: ScoredBatch, layout: Layout, row: number): number | undefined {
  return bestOf(batch, layout, row, 1)[0]?.[0];
}

function bestOf(batch: ScoredBatch, layout: Layout, row: number, k: number): [number, number][] {
  const { indices, scores, width } = batch;
  if (!indices) {
    const all: Values = scoresOf(batch, layout, row);
    return best(all, k).map((i) => [i, all[i]]);
  }
  const pairs: [number, number][] = [];
  for (let at = row * width; at < row * width + Math.min(k, width); at++) {
    if (indices[at] !== NO_CLASS) pairs.push([indices[at], scores[at]]);
  }
  return pairs;
}
