/** Rows of which not all classes take part, padded or masked, are solved together; each keeps the bits that it has alone. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { expectSame } from './same.js';
import { backendName } from './ways.js';

interface Rows {
  readonly x: Elements;
  readonly y: Elements;
  readonly targets: Int32Array;
  /** Two of each row, padding among them. */
  readonly classes: Int32Array;
  readonly options: { readonly shape: readonly [number, number] };
}

/** Each op, of all rows or of one: what it returns, and what else it writes. */
const ops: { readonly [name: string]: (all: Rows) => Elements[] } = {
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
  'crossEntropy in place': ({ x, targets, options }) => {
    const gradient = x.slice() as Float32Array;
    const call = { ...options, reduction: 'none', gradient } as object;
    return [sync.crossEntropy(gradient, targets, call) as unknown as Elements, gradient];
  },
  'crossEntropy without gradient': ({ x, targets, options }) => {
    const call = { ...options, reduction: 'none' } as object;
    return [sync.crossEntropy(x as Float32Array, targets, call) as unknown as Elements];
  },
  softmax: ({ x, options }) => [sync.softmax(x as Float32Array, options) as Elements],
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

/** What takes part, of all rows or of one. */
type Hiding = (row?: number) => object;
function hidings(rows: number, classes: number, random: Random): { readonly [name: string]: Hiding } {
  const words = Math.ceil(classes / 32);
  const where = Uint8Array.from({ length: rows * classes }, () => Number(random.below(4) > 0));
  const bitmask = Int32Array.from(
    { length: rows * words },
    () => random.below(2 ** 32) | random.below(2 ** 32),
  );
  const lengths = Uint32Array.from({ length: rows }, () => random.below(classes + 1));
  const of =
    <A extends Uint8Array | Int32Array | Uint32Array>(name: string, array: A, size: number): Hiding =>
    (row) => ({ [name]: row === undefined ? array : array.slice(row * size, (row + 1) * size) });
  const masks = of('where', where, classes);
  const bits = of('bitmask', bitmask, words);
  return {
    lengths: of('lengths', lengths, 1),
    where: masks,
    'where for all': () => ({ where: where.slice(0, classes) }),
    bitmask: bits,
    'both masks': (row) => ({ ...masks(row), ...bits(row) }),
  };
}

describe(`Rows of which a part counts, on ${backendName} (seed ${seed})`, () => {
  const hiddenBy = Object.keys(hidings(1, 1, new Random('names')));
  for (const hiding of hiddenBy) {
    for (const type of elementTypes) {
      for (const [name, op] of Object.entries(ops)) {
        it(`have the bits of each alone: ${name} of ${type}, ${hiding}`, () => {
          for (const [rows, classes] of hiding === 'lengths'
            ? ([
                [700, 2],
                [200, 5],
                [200, 17],
                [250, 40],
              ] as const)
            : ([
                [150, 2],
                [60, 5],
                [40, 17],
                [20, 40],
              ] as const)) {
            const random = new Random(`partial ${name} ${type} ${classes}`);
            const x = elements(logitsOf(rows * classes, random), type);
            const y = elements(logitsOf(rows * classes, random), type);
            const hidden = hidings(rows, classes, random)[hiding];
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
              options: { ...options, shape: [rows, classes], ...hidden() },
            });
            for (let r = 0; r < rows; r++) {
              const part = <E extends Elements | Int32Array>(array: E) => {
                const size = array.length / rows;
                return array.slice(r * size, (r + 1) * size) as E;
              };
              const alone = op({
                x: part(x),
                y: part(y),
                targets: part(targets),
                classes: part(chosen),
                options: { ...options, shape: [1, classes], ...hidden(r) },
              });
              all.forEach((result, i) => {
                const place = `row ${r} of ${rows} × ${classes}, ${Object.values(hidden(r))}, result ${i}`;
                expectSame(bits(part(result)), bits(alone[i]), place);
              });
            }
          }
        });
      }
    }
    it(`draw what js draws, ${hiding}`, () => {
      for (const [rows, classes] of [
        [150, 2],
        [60, 5],
        [40, 17],
        [20, 140],
      ] as const) {
        const random = new Random(`partial draws ${classes}`);
        const x = Float32Array.from(logitsOf(rows * classes, random));
        const hidden = hidings(rows, classes, random)[hiding]();
        for (const filter of [{}, { topP: 0.9 }, { topK: 5, topP: 0.95 }, { minP: 0.05, count: 3 }]) {
          const call = { shape: [rows, classes], ...hidden, ...filter, seed: 7, threads: 1 };
          const expected = [...sync.sample(x, { ...call, backend: 'js' })];
          expect([...sync.sample(x, call)], `${rows} × ${classes}`).toEqual(expected);
        }
      }
    });
  }
});
