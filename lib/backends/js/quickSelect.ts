import { block } from './block.js';
import type { Normalizer } from './normalizer.js';
import { coefficientRoom } from './scratch.js';

/** So many looks at each logit are enough, but for rows that were made to need more. */
const mostLooks = 16;

/**
 * Cuts the open row, an ordinary one of one block, to its k best classes, by narrowing down the k-th largest logit to what is
 * above a pivot, or below it. Where k is not small this is faster than a heap. False, and nothing is cut, where it takes long.
 */
export function cutToBest(row: Normalizer, k: number): boolean {
  const count = row.logits(0);
  const logits = coefficientRoom(count);
  for (let i = 0; i < count; i++) logits[i] = block[i];
  let left = count;
  let wanted = k;
  let pivot = logits[0];
  for (let looks = 0; ; looks += left) {
    if (looks > mostLooks * count) return false;
    pivot = middleOf(logits[0], logits[left >> 1], logits[left - 1]);
    let above = 0;
    let least = 0;
    for (let i = 0; i < left; i++) {
      above += Number(logits[i] > pivot);
      least += Number(logits[i] >= pivot);
    }
    if (above < wanted && wanted <= least) {
      wanted -= above;
      break;
    }
    const goesUp = wanted <= above;
    const sign = goesUp ? 1 : -1;
    let kept = 0;
    for (let i = 0; i < left; i++) {
      const logit = logits[i];
      logits[kept] = logit;
      kept += Number(sign * logit > sign * pivot);
    }
    left = kept;
    if (!goesUp) wanted -= least;
  }
  if (pivot === -Infinity) return true; // fewer take part
  // Of those equal to the k-th largest, the first so many.
  let last = 0;
  for (; wanted > 0; last++) wanted -= Number(block[last] === pivot);
  row.cut(pivot, last - 1);
  return true;
}

function middleOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
