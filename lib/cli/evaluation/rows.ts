/** Single rows of a batch. */
import type { Batch, Layout, Values } from '../batch.js';

export type Logits = Values | Uint16Array;

/** The logits of one row: a part of the batch's, or a copy where the rows are interleaved. */
export function rowOf({ logits, offsets }: Batch, { classes = 0, inner }: Layout, row: number): Logits {
  if (offsets) return logits.subarray(offsets[row], offsets[row + 1]);
  if (inner === 1) return logits.subarray(row * classes, (row + 1) * classes);
  const start = Math.floor(row / inner) * classes * inner + (row % inner);
  return newLogits(logits, classes).map((_, i) => logits[start + i * inner]);
}

/** Room for so many logits of the same type. */
export function newLogits({ BYTES_PER_ELEMENT: bytes }: Logits, length: number): Logits {
  if (bytes === 8) return new Float64Array(length);
  return bytes === 4 ? new Float32Array(length) : new Uint16Array(length);
}

/** What a call needs to be told of a batch. Rows of one length are quicker as a matrix. */
export function callOf(batch: Batch, layout: Layout) {
  const { offsets, logits, rows, width } = batch;
  const { inner } = layout;
  const type = typeOf(logits, layout);
  const classes = offsets ? (width ?? lengthOf(offsets)) : (layout.classes ?? 0);
  if (offsets && classes === undefined) return { ...type, offsets };
  const shape = [
    inner === 0 ? 0 : rows / inner,
    classes ?? 0,
    logits.length === 0 && inner === 0 ? 0 : inner,
  ];
  return { ...type, shape, axis: 1 };
}

/** The length of every row; undefined where they differ, or there is none. */
export function lengthOf(offsets: Int32Array): number | undefined {
  const length = offsets[1];
  for (let row = 1; row < offsets.length; row++) {
    if (offsets[row] - offsets[row - 1] !== length) return undefined;
  }
  return length;
}

export function typeOf(logits: Logits, { type }: Layout) {
  return logits instanceof Uint16Array ? { dtype: type as 'float16' | 'bfloat16' } : {};
}
