/** Ragged rows of one length are solved together, wherever they lie; each keeps the bits that it has alone. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { expectSame, expectSameBits } from './same.js';
import { backendName } from './ways.js';

const GUARD = 7;
const LONGEST = 67;

/** How long rows are: enough of each length for several groups, none, or too few. */
const mixtures: { readonly [name: string]: (random: Random) => number[] } = {
  '1 to 20': (random) => Array.from({ length: 1500 }, () => 1 + random.below(20)),
  '1 to 4, some empty': (random) => Array.from({ length: 400 }, () => random.below(5)),
  'every length up to 67': (random) =>
    Array.from({ length: 10 * LONGEST }, (_, i) => 1 + (i % LONGEST)).sort(() => random.next() - 0.5),
  '1 to 300': (random) => Array.from({ length: 1300 }, () => 1 + random.below(random.below(9) ? 20 : 300)),
  'a few of 1 to 40': (random) => Array.from({ length: 50 }, () => random.below(41)),
  'long runs': (random) =>
    Array.from({ length: 14 }, () => Array(1 + random.below(250)).fill(random.below(7))).flat(),
  'runs between others': (random) =>
    Array.from({ length: 60 }, () => Array(1 + random.below(40)).fill(1 + random.below(20))).flat(),
};

/** Some rows hold NaN, infinities, huge or tiny numbers, or nothing but -Infinity. */
function logitsOf(lengths: number[], random: Random): Float64Array {
  const x = random.fill(new Float64Array(lengths.reduce((sum, n) => sum + n, 0)), 20);
  const hard = [NaN, Infinity, -Infinity, -Infinity, 3e4, -3e4, 1e-40, -0];
  let at = 0;
  for (const n of lengths) {
    if (random.below(150) === 0) x.fill(-Infinity, at, at + n);
    else if (n > 0 && random.below(60) === 0) x[at + random.below(n)] = hard[random.below(hard.length)];
    at += n;
  }
  return x;
}

interface Ragged {
  readonly x: Elements;
  readonly y: Elements;
  readonly targets: Int32Array;
  readonly shares: Elements;
  readonly options: object;
  /** Where the results of classes go, one for each; or undefined for an array of their own. */
  readonly out?: Elements;
}

/** Each op, of all rows or of one: what it returns, and what else it writes. */
const ops: { readonly [name: string]: (all: Ragged) => unknown[] } = {
  softmax: ({ x, options, out }) => [sync.softmax(x as Float32Array, { ...options, out } as object)],
  logSoftmax: ({ x, options, out }) => [sync.logSoftmax(x as Float32Array, { ...options, out } as object)],
  logSumExp: ({ x, options }) => [sync.logSumExp(x as Float32Array, options)],
  entropy: ({ x, options }) => [sync.entropy(x as Float32Array, options)],
  klDivergence: ({ x, y, options }) => [sync.klDivergence(x as Float32Array, y as Float32Array, options)],
  topK: ({ x, options }) => {
    const { probabilities, indices } = sync.topK(x as Float32Array, 1, options);
    return [probabilities, indices];
  },
  logProb: ({ x, targets, options }) => {
    const ranks = new Uint32Array(targets.length);
    const call = { ...options, ranks, ignoreIndex: -100 } as object;
    return [sync.logProb(x as Float32Array, targets, call), ranks];
  },
  crossEntropy: ({ x, targets, options }) => [
    sync.crossEntropy(x as Float32Array, targets, { ...options, reduction: 'none' }),
  ],
  'crossEntropy with gradient': ({ x, targets, options, out }) => {
    const gradient = out ?? (x.slice() as Elements);
    const call = { ...options, reduction: 'sum', gradient } as object;
    sync.crossEntropy(x as Float32Array, targets, call);
    return [gradient];
  },
  'crossEntropy of distributions': ({ x, shares, options, out }) => {
    const gradient = out ?? (x.slice() as Elements);
    const call = { ...options, reduction: 'none', gradient } as object;
    return [sync.crossEntropy(x as Float32Array, shares as Float32Array, call), gradient];
  },
};

describe(`Ragged rows of many lengths on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    for (const [name, op] of Object.entries(ops)) {
      it(`have the bits of each alone: ${name} of ${type}`, () => {
        for (const [mixture, lengthsOf] of Object.entries(mixtures)) {
          const random = new Random(`ragged ${name} ${type} ${mixture}`);
          const lengths = lengthsOf(random);
          const offsets = new Uint32Array(lengths.length + 1);
          lengths.forEach((n, r) => {
            offsets[r + 1] = offsets[r] + n;
          });
          const x = elements(logitsOf(lengths, random), type);
          const y = elements(logitsOf(lengths, random), type);
          const shares = elements(
            Float64Array.from(x, () => random.next()),
            type,
          );
          // -100 is ignored; an empty row has no other.
          const targets = Int32Array.from(lengths, (n) =>
            n === 0 || random.below(9) === 0 ? -100 : random.below(n),
          );
          const temperature = random.below(2) ? 1 : 0.7;
          const options = { offsets, dtype: type, temperature, threads: 1 };
          const all = op({ x, y, targets, shares, options }) as Elements[];
          lengths.forEach((n, r) => {
            if (n === 0 && (name === 'topK' || name === 'crossEntropy of distributions')) return;
            const part = <E extends Elements>(array: E) => array.slice(offsets[r], offsets[r + 1]) as E;
            const alone = op({
              x: part(x),
              y: part(y),
              shares: part(shares),
              targets: targets.slice(r, r + 1),
              options: { dtype: type, temperature, shape: [1, n] },
            }) as Elements[];
            all.forEach((result, i) => {
              const received = result.length === x.length ? part(result) : result.slice(r, r + 1);
              expectSameBits(received, alone[i], `${mixture}, row ${r} of ${n} classes, result ${i}`);
            });
          });
        }
      });

      it(`write nothing beside their results, and may replace logits: ${name} of ${type}`, () => {
        const random = new Random(`beside ${name} ${type}`);
        const lengths = Array.from({ length: 700 }, () => 1 + random.below(20));
        const offsets = Uint32Array.from([
          0,
          ...lengths.map(
            (
              (sum) => (n: number) =>
                (sum += n)
            )(0),
          ),
        ]);
        const x = elements(logitsOf(lengths, random), type);
        const targets = Int32Array.from(lengths, (n) => random.below(n));
        const call = { y: x, shares: x, targets, options: { offsets, dtype: type, threads: 1 } };
        if (name.endsWith('distributions')) return;
        const expected = op({ x: x.slice() as Elements, ...call }) as Elements[];
        if (expected[0].length !== x.length) return;
        const around = x.constructor as new (length: number) => Elements;
        const room = new around(x.length + 2 * 64).fill(GUARD as never) as Elements;
        const out = room.subarray(64, 64 + x.length) as Elements;
        op({ x: x.slice() as Elements, ...call, out });
        expectSame(bits(out), bits(expected[0]));
        expectSame(
          [...room.subarray(0, 64), ...room.subarray(64 + x.length)].every((guard) => guard === GUARD),
          true,
        );
        out.set(x as never);
        op({ x: out, ...call, out });
        expectSame(bits(out), bits(expected[0]), 'in place');
      });
    }
  }

  it('topK of runs of equal rows behind rows of fewer classes than k', () => {
    const random = new Random('fewer than k');
    const lengths = [...Array.from({ length: 500 }, (_, r) => 1 + (r % 2)), ...Array(40).fill(5)];
    const offsets = new Uint32Array(lengths.length + 1);
    const padded = new Float32Array(lengths.length * 5);
    lengths.forEach((n, r) => {
      offsets[r + 1] = offsets[r] + n;
    });
    const x = Float32Array.from(random.fill(new Float64Array(offsets[lengths.length]), 20));
    for (const [r, n] of lengths.entries()) padded.set(x.subarray(offsets[r], offsets[r] + n), r * 5);
    const ragged = sync.topK(x, 3, { offsets, threads: 1 });
    for (let r = 0; r < lengths.length; r++) {
      const alone = sync.topK(padded.subarray(r * 5, r * 5 + 5), 3, { shape: [1, 5], lengths: [lengths[r]] });
      const part = (all: ArrayLike<number>) => Array.from(all).slice(r * 3, r * 3 + 3);
      expect(part(ragged.indices), `row ${r}`).toEqual([...alone.indices]);
      expect(part(ragged.probabilities), `row ${r}`).toEqual([...alone.probabilities]);
    }
  });
});
