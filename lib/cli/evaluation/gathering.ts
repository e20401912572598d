/** The engine gives two thousand rows at a time. To begin a call takes longer than to judge them: they are gathered. */
import type { Batch, Layout } from '../batch.js';
import type { Judge } from './judge.js';
import { type Logits, newLogits } from './rows.js';

/** Judged together. */
const ROWS = 1 << 14;
const LOGITS = 1 << 18;

/** The memory is the engine's, or ours, and holds other rows when the call returns. */
export const NO_BLOCK = { memory: new SharedArrayBuffer(0), release() {} };

export interface Gathering {
  /** Nothing is kept of what is given. */
  add(batch: Batch, targets: Int32Array): void;
  /** What is left is judged. */
  end(): void;
}

/** @param judge has done all when it returns. */
export function newGathering({ classes }: Layout, judge: Judge): Gathering {
  const classOf = new Int32Array(ROWS);
  const offsets = new Int32Array(classes === undefined ? ROWS + 1 : 1);
  let logits: Logits | undefined;
  let numbers: number[] = [];
  let rows = 0;
  let size = 0;
  /** The length of every row that is gathered, where it is known that they have the same. */
  let width: number | undefined;
  /** Whose offsets of as many rows as there is room for are there already. */
  let laidOut: number | undefined;

  function end(): void {
    if (!logits || rows === 0) return;
    const batch: Batch = {
      ...{ first: 0, end: 0, block: NO_BLOCK, columns: [], rows },
      logits: logits.subarray(0, size),
      offsets: classes === undefined ? offsets.subarray(0, rows + 1) : undefined,
      width,
      numbers: numbers.length > 0 ? numbers : undefined,
    };
    const targets = classOf.subarray(0, rows);
    numbers = [];
    rows = size = 0;
    judge(batch, targets);
  }

  /** Says where the rows lie that come next. */
  function layOut({ rows: count, offsets: own, width: length }: Batch): void {
    if (!own) return;
    width = length;
    if (length === undefined) {
      laidOut = undefined;
      for (let row = 1; row <= count; row++) offsets[rows + row] = size + own[row];
    } else if (laidOut !== length) {
      laidOut = length;
      for (let row = 0; row <= ROWS; row++) offsets[row] = row * length;
    }
  }

  return {
    add(batch, targets) {
      if (batch.width !== width) end();
      if (rows + batch.rows > ROWS || size + batch.logits.length > LOGITS) end();
      if (batch.rows > ROWS || 2 * batch.logits.length > LOGITS) {
        end();
        judge(batch, targets);
        return;
      }
      logits ??= newLogits(batch.logits, LOGITS);
      logits.set(batch.logits, size);
      classOf.set(targets, rows);
      layOut(batch);
      if (batch.numbers) for (const number of batch.numbers) numbers.push(number);
      rows += batch.rows;
      size += batch.logits.length;
    },
    end,
  };
}
