/** New logits of some classes of a row, laid over those in memory. */

/** Classes ascending. */
export interface Patches {
  readonly classes: Uint32Array;
  readonly logits: Float64Array;
}

/** The place of the first of ascending classes that is not below `index`. */
export function firstFrom(classes: Uint32Array, index: number): number {
  let low = 0;
  let high = classes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (classes[middle] < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
