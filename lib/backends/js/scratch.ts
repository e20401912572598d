/**
 * Memory for what does not fit the block, kept between calls. Only ever used between two turns of the event
 * loop: no call finds another's numbers in it.
 */
export type Purpose = 'coefficients' | 'candidates' | 'candidate weights';

const kept = new Map<Purpose, Float64Array>();

/** Room for `length` numbers. A nucleus (top-p) takes as much as its longest row, however long. */
export function room(purpose: Purpose, length: number): Float64Array {
  const have = kept.get(purpose);
  if (have && have.length >= length) return have;
  const fresh = new Float64Array(2 ** Math.ceil(Math.log2(Math.max(length, 64))));
  kept.set(purpose, fresh);
  return fresh;
}
