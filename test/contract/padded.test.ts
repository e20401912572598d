/** Short padded rows of one length are solved together; each keeps the bits that it has alone, and its padding its value. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

interface Padded {
  readonly x: Elements;
  readonly y: Elements;
  readonly targets: Int32Array;
  /** Two of each row, padding among them. */
  readonly classes: Int32Array;
  readonly options: { readonly shape: readonly [number, number] };
}

/** Each op, of all rows or of one: what it returns, and what else it writes. */
const ops: { readonly [name: string]: (all: Padded) => Elements[] } = {
  topK: ({ x, options }) => {
    const k = Math.min(5, options.shape[1]);
    const { probabilities, indices } = sync.topK(x as Float32Array, k, options);
    return [probabilities, indices] as unknown as Elements[];
  },
  'topK of logarithms': ({ x, options }) => {
    const { logProbabilities, indices } = sync.topK(x as Float32Array, 2, { ...options, log: true });
    return [logProbabilities, indices] as unknown as Elements[];
  },
  logProb: ({ x, classes, options }) => {
    const ranks = new Uint32Array(classes.length);
    return [sync.logProb(x as Float32Array, classes, { ...options, ranks } as object), ranks] as Elements[];
  },
  crossEntropy: ({ x, targets, options }) => {
    const gradient = x.slice() as Elements;
    const call = { ...options, reduction: 'none', gradient } as object;
    return [sync.crossEntropy(x as Float32Array, targets, call) as unknown as Elements, gradient];
  },
  logSoftmax: ({ x, options }) => {
    const out = x.slice() as Elements;
    return [sync.logSoftmax(out as Float32Array, { ...options, out } as object) as Elements];
  },
  logSumExp: ({ x, options }) => [sync.logSumExp(x as Float32Array, options) as Elements],
  entropy: ({ x, options }) => [sync.entropy(x as Float32Array, options) as Elements],
  klDivergence: ({ x, y, options }) => [
    sync.klDivergence(x as Float32Array, y as Float32Array, options) as Elements,
  ],
};

function logitsOf(count: number, random: Random): Float64Array {
  const x = random.fill(new Float64Array(count), 20);
  const hard = [NaN, Infinity, -Infinity, -Infinity, 3e4, -3e4, 1e-40, -0];
  for (let i = 0; i < count; i++) if (random.below(500) === 0) x[i] = hard[random.below(hard.length)];
  return x;
}

describe(`Padded rows of many lengths on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    for (const [name, op] of Object.entries(ops)) {
      it(`have the bits of each alone: ${name} of ${type}`, () => {
        for (const [rows, classes] of [
          [700, 2],
          [200, 5],
          [200, 17],
          [250, 40],
        ] as const) {
          const random = new Random(`padded ${name} ${type} ${classes}`);
          const x = elements(logitsOf(rows * classes, random), type);
          const y = elements(logitsOf(rows * classes, random), type);
          const lengths = Uint32Array.from({ length: rows }, () => random.below(classes + 1));
          const targets = Int32Array.from({ length: rows }, () =>
            random.below(9) === 0 ? -100 : random.below(classes),
          );
          const chosen = Int32Array.from({ length: 2 * rows }, () => random.below(classes));
          const options = { dtype: type, temperature: random.below(2) ? 1 : 0.7, threads: 1 };
          const all = op({
            x,
            y,
            targets,
            classes: chosen,
            options: { ...options, shape: [rows, classes], lengths } as never,
          });
          for (let r = 0; r < rows; r++) {
            const part = <E extends Elements | Int32Array>(array: E) => {
              const size = array.length / rows;
              return array.slice(r * size, (r + 1) * size) as E;
            };
            const own = { shape: [1, classes], lengths: lengths.slice(r, r + 1) };
            const alone = op({
              x: part(x),
              y: part(y),
              targets: part(targets),
              classes: part(chosen),
              options: { ...options, ...own } as never,
            });
            all.forEach((result, i) => {
              const place = `row ${r} of ${rows} × ${classes}, ${lengths[r]} of them, result ${i}`;
              expect(bits(part(result)), place).toBe(bits(alone[i]));
            });
          }
        }
      });
    }
  }
});
