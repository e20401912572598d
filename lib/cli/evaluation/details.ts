/** What a report tells of single rows and pairs of classes: the most confident mistakes, and what is taken for what. */
import { type Batch, type Layout, numberOf } from '../batch.js';
import { rowOf, typeOf } from './rows.js';

export interface Mistake {
  /** The number of the row in the input. */
  readonly row: number;
  readonly truth: number;
  readonly taken: number;
  /** The probability of the class it was taken for, */
  readonly confidence: number;
  /** and of the true one. */
  readonly probability: number;
}

/** How many rows of one class were taken for another. */
export interface Pair {
  readonly truth: number;
  readonly taken: number;
  readonly rows: number;
}

const MOST_MISTAKES = 25;
/** Pairs that are counted at a time; one of them takes some 50 bytes. */
const MOST_PAIRS = 1 << 20;

export interface Details {
  /** @param top the likeliest class of each row, and its probability. */
  add(batch: Batch, targets: Int32Array, top: Top): void;
  readonly mistakes: readonly Mistake[];
  /** The commonest first. */
  pairs(most: number): readonly Pair[];
}

export interface Top {
  readonly classes: Uint32Array;
  readonly probabilities: ArrayLike<number>;
}

type Softmax = typeof import('../../index.js').softmax;

export function newDetails(
  layout: Layout,
  ignoreIndex: number,
  temperature: number,
  softmax: Softmax,
): Details {
  const mistakes: Mistake[] = [];
  const pairs = newPairs();

  function probabilityOf(batch: Batch, row: number, target: number): number {
    const logits = rowOf(batch, layout, row);
    const half = logits instanceof Uint16Array ? { outType: 'float32' as const } : {};
    return Number(softmax(logits, { ...typeOf(logits, layout), ...half, temperature })[target]);
  }

  return {
    add(batch, targets, { classes, probabilities }) {
      for (let row = 0; row < batch.rows; row++) {
        const [truth, taken, confidence] = [targets[row], classes[row], probabilities[row]];
        if (truth === ignoreIndex || truth === taken || Number.isNaN(confidence)) continue;
        pairs.add(truth, taken);
        const least = mistakes.at(-1);
        if (mistakes.length === MOST_MISTAKES && least && !(confidence > least.confidence)) continue;
        // Of equals the earlier row stands first.
        const at = mistakes.findIndex((other) => other.confidence < confidence);
        mistakes.splice(at < 0 ? mistakes.length : at, 0, {
          ...{ row: numberOf(batch, row), truth, taken, confidence },
          probability: probabilityOf(batch, row, truth),
        });
        mistakes.length = Math.min(mistakes.length, MOST_MISTAKES);
      }
    },
    mistakes,
    pairs: pairs.commonest,
  };
}

/**
 * Counts of pairs in bounded memory, by lossy counting: where there are too many, the rarest are forgotten. What is left is
 * too low by no more than the times that happened.
 */
function newPairs() {
  const counts = new Map<string, number>();
  return {
    add(truth: number, taken: number): void {
      const key = `${truth} ${taken}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      for (let rare = 1; counts.size > MOST_PAIRS; rare++) {
        for (const [pair, count] of counts) if (count <= rare) counts.delete(pair);
      }
    },
    commonest(most: number): Pair[] {
      const all = Array.from(counts, ([key, rows]): Pair => {
        const [truth, taken] = key.split(' ').map(Number);
        return { truth, taken, rows };
      });
      return all.sort(byRows).slice(0, most);
    },
  };
}

/** Off the diagonal, the largest first. */
export function pairsOf(confusion: Uint32Array, most: number): Pair[] {
  const classes = Math.sqrt(confusion.length);
  const pairs: Pair[] = [];
  confusion.forEach((rows, i) => {
    const pair = { truth: Math.floor(i / classes), taken: i % classes, rows };
    if (rows > 0 && pair.truth !== pair.taken) pairs.push(pair);
  });
  return pairs.sort(byRows).slice(0, most);
}

function byRows(a: Pair, b: Pair): number {
  return b.rows - a.rows || a.truth - b.truth || a.taken - b.taken;
}
