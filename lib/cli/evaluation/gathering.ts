/** The engine gives two thousand rows at a time. More of them are work for several threads: they are gathered. */
import type { Batch, Layout } from '../batch.js';
import type { Judge } from './judge.js';
import { type Logits, newLogits } from './rows.js';

/** Judged together. */
const ROWS = 1 << 15;
const LOGITS = 1 << 19;

/** The memory is the engine's, or ours, and holds other rows when the call returns. */
const NO_BLOCK = { memory: new SharedArrayBuffer(0), release() {} };

/** Rows, as a batch has them. */
export interface Piece extends Pick<Batch, 'rows' | 'logits' | 'offsets' | 'width'> {
  readonly numbers?: ArrayLike<number> | undefined;
}

export interface Gathering {
  /** Nothing is kept of what is given. */
  add(piece: Piece, targets: Int32Array): void;
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
    const piece: Piece = {
      ...{ rows, width },
      logits: logits.subarray(0, size),
      offsets: classes === undefined ? offsets.subarray(0, rows + 1) : undefined,
      numbers: numbers.length > 0 ? numbers : undefined,
    };
    const targets = classOf.subarray(0, rows);
    numbers = [];
    rows = size = 0;
    judge(batchOf(piece), targets);
  }

  /** Says where the rows lie that come next. */
  function layOut({ rows: count, offsets: own, width: length }: Piece): void {
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
    add(piece, targets) {
      const { rows: count, logits: values, numbers: own } = piece;
      if (piece.width !== width) end();
      if (rows + count > ROWS || size + values.length > LOGITS) end();
      if (count > ROWS || 2 * values.length > LOGITS) {
        end();
        judge(batchOf(piece), targets);
        return;
      }
      logits ??= newLogits(values, LOGITS);
      logits.set(values, size);
      classOf.set(targets, rows);
      layOut(piece);
      for (let row = 0; own && row < count; row++) numbers.push(own[row]);
      rows += count;
      size += values.length;
    },
    end,
  };
}

function batchOf({ numbers, ...rows }: Piece): Batch {
  const common = { first: 0, end: 0, block: NO_BLOCK, columns: [] };
  return { ...common, ...rows, numbers: numbers && Array.from(numbers) };
}
