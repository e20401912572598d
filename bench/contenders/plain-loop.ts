/** The best loop that plain JavaScript over typed arrays allows with Math.exp: no allocation, one division a row. */
import { allocate, type Logits, layoutOf, targetsOf } from '../measure/case.js';
import type { Contender } from './contender.js';
import { drawRow, largestOf, lossesAndGradient } from './loops.js';

function maximum(logits: Logits, start: number, classes: number, stride: number): number {
  let max = -Infinity;
  for (let j = 0, at = start; j < classes; j++, at += stride) if (logits[at] > max) max = logits[at];
  return max;
}

function softmaxRow(logits: Logits, out: Logits, start: number, classes: number, stride: number): void {
  const max = maximum(logits, start, classes, stride);
  let sum = 0;
  for (let j = 0, at = start; j < classes; j++, at += stride) {
    const e = Math.exp(logits[at] - max);
    sum += e;
    out[at] = e;
  }
  const scale = 1 / sum;
  for (let j = 0, at = start; j < classes; j++, at += stride) out[at] *= scale;
}

function sumOfExps(logits: Logits, start: number, classes: number, max: number): number {
  let sum = 0;
  for (let j = 0; j < classes; j++) sum += Math.exp(logits[start + j] - max);
  return sum;
}

/** The exponentials are summed, not stored. */
function topKRow(
  logits: Logits,
  start: number,
  classes: number,
  k: number,
  probabilities: Logits,
  indices: Uint32Array,
  at: number,
): void {
  largestOf(logits, start, classes, k, probabilities, indices, at);
  const max = probabilities[at];
  const scale = 1 / sumOfExps(logits, start, classes, max);
  for (let n = at; n < at + k; n++) probabilities[n] = Math.exp(probabilities[n] - max) * scale;
}

export async function open(): Promise<Contender> {
  return {
    version: `V8 ${process.versions.v8}`,
    prepare(of, logits) {
      const layout = layoutOf(of);
      const { outer, rows, classes, inner } = layout;
      if (of.op === 'topK') {
        const probabilities = allocate(of.dtype, rows * of.k);
        const indices = new Uint32Array(rows * of.k);
        return {
          run: () => {
            for (let row = 0; row < rows; row++)
              topKRow(logits, row * classes, classes, of.k, probabilities, indices, row * of.k);
          },
          answer: () => ({ values: probabilities, indices }),
        };
      }
      if (of.op === 'sample') {
        const weights = allocate(of.dtype, classes);
        const indices = new Uint32Array(rows);
        return {
          run: () => {
            for (let row = 0; row < rows; row++) {
              const max = maximum(logits, row * classes, classes, 1);
              let sum = 0;
              for (let j = 0; j < classes; j++) {
                weights[j] = Math.exp(logits[row * classes + j] - max);
                sum += weights[j];
              }
              indices[row] = drawRow(weights, 0, classes, sum);
            }
          },
          answer: () => ({ values: [], indices }),
        };
      }
      if (of.op === 'crossEntropy') {
        const targets = targetsOf(layout);
        const losses = allocate(of.dtype, rows);
        if (of.gradient) {
          const gradient = allocate(of.dtype, layout.elements);
          return {
            run: () => {
              for (let row = 0; row < rows; row++) softmaxRow(logits, gradient, row * classes, classes, 1);
              lossesAndGradient(gradient, gradient, targets, losses);
            },
            answer: () => ({ values: gradient }),
          };
        }
        return {
          run: () => {
            for (let row = 0; row < rows; row++) {
              const max = maximum(logits, row * classes, classes, 1);
              const sum = sumOfExps(logits, row * classes, classes, max);
              losses[row] = Math.log(sum) - (logits[row * classes + targets[row]] - max);
            }
          },
          answer: () => ({ values: losses }),
        };
      }
      const out = allocate(of.dtype, layout.elements);
      return {
        run: () => {
          for (let o = 0; o < outer; o++)
            for (let i = 0; i < inner; i++) softmaxRow(logits, out, o * classes * inner + i, classes, inner);
        },
        answer: () => ({ values: out }),
      };
    },
  };
}
