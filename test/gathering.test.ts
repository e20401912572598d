/** What the engine gives in pieces is judged many rows at a time: each row once, in its place, with what belongs to it. */
import { expect, test } from 'vitest';
import type { Layout } from '../lib/cli/batch.js';
import { newGathering, type Piece } from '../lib/cli/evaluation/gathering.js';

interface Row {
  readonly logits: readonly number[];
  readonly target: number;
  readonly number: number;
}

/** Pieces of so many rows, whose memory is overwritten once they are given. */
function gather(sizes: readonly number[], lengthOf: (row: number) => number, classes?: number) {
  const layout = { classes } as Layout;
  const judged: Row[] = [];
  const calls: number[] = [];
  const gathering = newGathering(layout, ({ rows, logits, offsets, numbers, width }, targets) => {
    calls.push(rows);
    for (let row = 0; width !== undefined && row < rows; row++) {
      expect(offsets![row + 1] - offsets![row]).toBe(width);
    }
    expect(targets).toHaveLength(rows);
    for (let row = 0; row < rows; row++) {
      const [from, to] = offsets
        ? [offsets[row], offsets[row + 1]]
        : [row * (classes ?? 0), (row + 1) * (classes ?? 0)];
      judged.push({
        logits: [...logits.subarray(from, to)],
        target: targets[row],
        number: numbers?.[row] ?? -1,
      });
    }
  });
  const wanted: Row[] = [];
  for (const rows of sizes) {
    const first = wanted.length;
    for (let row = first; row < first + rows; row++) {
      const logits = Array.from({ length: lengthOf(row) }, (_, c) => (row * 31 + c) % 1000);
      wanted.push({ logits, target: row % 7, number: row + 5 });
    }
    const own = wanted.slice(first);
    const offsets = new Int32Array(rows + 1);
    own.forEach(({ logits }, i) => {
      offsets[i + 1] = offsets[i] + logits.length;
    });
    const logits = Float32Array.from(own.flatMap(({ logits }) => logits));
    const isAlike = classes === undefined && new Set(own.map(({ logits }) => logits.length)).size === 1;
    const targets = Int32Array.from(own.map(({ target }) => target));
    const piece: Piece = {
      ...{ rows, logits },
      offsets: classes === undefined ? offsets : undefined,
      width: isAlike ? own[0].logits.length : undefined,
      numbers: own.map(({ number }) => number),
    };
    gathering.add(piece, targets);
    for (const array of [logits, targets, offsets]) array.fill(-1);
  }
  gathering.end();
  expect(judged).toEqual(wanted);
  return calls;
}

test('rows of one length, as many as go together', () => {
  expect(gather(Array(33).fill(2048), () => 3, 3)).toEqual([32768, 32768, 2048]);
});

test('rows of any length, none and one among them', () => {
  gather([1, 0, 2048, 7, 2048, 2048, 2000, 100], (row) => row % 5);
});

test('rows of one length go together until there is another', () => {
  const lengths = (row: number) => (row < 5000 ? 3 : row < 7000 ? row % 4 : 6);
  expect(gather([2000, 2000, 1000, 2000, 2000, 500], lengths)).toEqual([5000, 2000, 2500]);
  gather([3, 3, 3, 3, 3, 3], (row) => (row % 9 < 3 ? 4 : row % 9 < 6 ? 2 : row % 3));
});

test('what is large already is judged as it is, in its order', () => {
  expect(gather([10, 300, 10, 33000, 10], (row) => (row >= 10 && row < 310 ? 1000 : 2))).toEqual([
    10, 300, 10, 33000, 10,
  ]);
});

test('nothing is judged where there is nothing', () => {
  expect(gather([], () => 2)).toEqual([]);
  expect(gather([0], () => 2)).toEqual([]);
});
