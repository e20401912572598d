/** The class that a uniform random number picks from a row of weights with the given sum. */
export function drawRow(weights: ArrayLike<number>, start: number, classes: number, sum: number): number {
  let rest = Math.random() * sum;
  for (let j = 0; j < classes; j++) {
    rest -= weights[start + j];
    if (rest < 0) return j;
  }
  return classes - 1;
}
