/** The engine gives two thousand rows at a time. To begin a call takes longer than to judge them: they are gathered. */
import type { Batch, Layout } from '../batch.js';
import type { Judge } from './judge.js';
import { type Logits, newLogits } from './rows.js';

/** Judged together. */
const ROWS = 1 << 13;
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

  function end(): void {
    if (!logits || rows === 0) return;
    const batch: Batch = {
      ...{ first: 0, end: 0, block: NO_BLOCK, columns: [], rows },
      logits: logits.subarray(0, size),
      offsets: classes === undefined ? offsets.subarray(0, rows + 1) : undefined,
      numbers: numbers.length > 0 ? numbers : undefined,
    };
    const targets = classOf.subarray(0, rows);
    numbers = [];
    rows = size = 0;
    judge(batch, targets);
  }

  return {
    add(batch, targets) {
      if (rows + batch.rows > ROWS || size + batch.logits.length > LOGITS) end();
      if (batch.rows > ROWS || 2 * batch.logits.length > LOGITS) {
        end();
        judge(batch, targets);
        return;
      }
      logits ??= newLogits(batch.logits, LOGITS);
      logits.set(batch.logits, size);
      classOf.set(targets, rows);
      for (let row = 1; batch.offsets && row <= batch.rows; row++) {
        offsets[rows + row] = size + batch.offsets[row];
      }
      if (batch.numbers) for (const number of batch.numbers) numbers.push(number);
      rows += batch.rows;
      size += batch.logits.length;
    },
    end,
  };
}
