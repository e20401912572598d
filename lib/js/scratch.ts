/**
 * Memory for rows in progress, kept between calls so that a call with `out` allocates nothing that grows with
 * its data. Only ever used between two turns of the event loop: no call finds another's numbers in it.
 */

/** A longer row is worked on in blocks of this many classes, and its terms are computed twice. 2 MiB. */
export const BLOCK = 2 ** 18;

export type Purpose = 'logits' | 'coefficients' | 'candidates' | 'candidate terms';

const kept = new Map<Purpose, Float64Array>();

/** A block for rows of this length. */
export function scratch(purpose: Purpose, length: number): Float64Array {
  return room(purpose, Math.min(length, BLOCK));
}

/** Room for a whole row, however long: what sampling needs of the rows it draws from. */
export function room(purpose: Purpose, length: number): Float64Array {
  const have = kept.get(purpose);
  if (have && have.length >= length) return have;
  const block = new Float64Array(2 ** Math.ceil(Math.log2(Math.max(length, 64))));
  kept.set(purpose, block);
  return block;
}
