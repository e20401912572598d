/** Random logits, the same for every contender and every run. */
import { allocate, type Case, type Logits, layoutOf } from './case.js';

/** Uniform in ±range: xorshift32, which is plenty for timing and errors, and fast enough for 33 million. */
export function randomLogits(of: Case): Logits {
  const logits = allocate(of.dtype, layoutOf(of).elements);
  let state = 0x9e3779b9;
  for (let i = 0; i < logits.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    logits[i] = ((state >>> 0) / 2 ** 31 - 1) * of.range;
  }
  return logits;
}
