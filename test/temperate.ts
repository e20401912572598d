/** Logits and targets with a known temperature. */
import { Random } from './random.js';

/** Logits whose best temperature is about `temperature`: classes are drawn by them. */
export function drawn(name: string, rows: number, classes: number, temperature: number) {
  const random = new Random(name);
  const x = random.fill(new Float64Array(rows * classes), 4 * temperature);
  const targets = Int32Array.from({ length: rows }, (_, r) => {
    if (r % 11 === 3) return -100;
    const terms = Array.from(x.subarray(r * classes, (r + 1) * classes), (v) => Math.exp(v / temperature));
    let left = random.next() * terms.reduce((sum, term) => sum + term);
    let target = 0;
    for (; target < classes - 1 && left >= terms[target]; target++) left -= terms[target];
    return target;
  });
  return { x, targets };
}
