/**
 * Memory for what does not fit the block, kept between calls. Only ever used between two turns of the event
 * loop: no call finds another's numbers in it.
 */
let kept = new Float64Array(0);

/** Room for the coefficients of `length` classes. */
export function coefficientRoom(length: number): Float64Array {
  if (kept.length < length) kept = new Float64Array(2 ** Math.ceil(Math.log2(Math.max(length, 64))));
  return kept;
}

let keptPlaces = new Uint32Array(0);

/** Room for the places of so many classes in the block. */
export function placeRoom(length: number): Uint32Array {
  if (keptPlaces.length < length)
    keptPlaces = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(length, 64))));
  return keptPlaces;
}
