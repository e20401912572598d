/** Plain loops over weights or probabilities: what follows a softmax where nothing does it all in one. */
import type { Logits } from '../measure/case.js';

/** The class that a uniform random number picks from a row of weights with the given sum. */
export function drawRow(weights: ArrayLike<number>, start: number, classes: number, sum: number): number {
  let rest = Math.random() * sum;
  for (let j = 0; j < classes; j++) {
    rest -= weights[start + j];
    if (rest < 0) return j;
  }
  return classes - 1;
}

/** The k largest of a row, descending, by insertion into a short sorted list that starts at `at`. */
export function largestOf(
  row: Logits,
  start: number,
  classes: number,
  k: number,
  values: Logits,
  indices: Uint32Array,
  at: number,
): void {
  let found = 0;
  for (let j = 0; j < classes; j++) {
    const value = row[start + j];
    if (found === k && value <= values[at + k - 1]) continue;
    let place = found < k ? found++ : k - 1;
    for (; place > 0 && values[at + place - 1] < value; place--) {
      values[at + place] = values[at + place - 1];
      indices[at + place] = indices[at + place - 1];
    }
    values[at + place] = value;
    indices[at + place] = j;
  }
}

/** Cross-entropy of each row of probabilities and the gradient of their mean, which may take the place of them. */
export function lossesAndGradient(
  probabilities: Logits,
  gradient: Logits,
  targets: Int32Array,
  losses: Logits,
): void {
  const rows = targets.length;
  const classes = probabilities.length / rows;
  const scale = 1 / rows;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    losses[row] = -Math.log(probabilities[start + targets[row]]);
    for (let at = start; at < start + classes; at++) gradient[at] = probabilities[at] * scale;
    gradient[start + targets[row]] -= scale;
  }
}
