/**
 * Operations that solve short rows side by side, a row per lane: every number of classes, logits that want more care in
 * some of the lanes, and rows that fill no group. Each row has the bits that it has alone, and is held to the exact result.
 * Longer rows go in groups too, along their blocks.
 */
import { describe, expect, it } from 'vitest';
import { crossEntropy, sample, topK } from '../../lib/index.js';
import { type Elements, elements, numbers } from '../elements.js';
import { type ExactRow, exactRow, ulpDistance } from '../oracle.js';
import { Random, seed } from '../random.js';
import { limits } from './judge.js';
import { expectSame, expectSameBits, expectSameNumbers } from './same.js';
import { backendName } from './ways.js';

const types = ['float32', 'float64'] as const;
type Type = (typeof types)[number];
const most = 140;
const rows = 37;

/** Rows of all kinds, in turn; the first is such that every lane of its group can be solved. */
const kinds: readonly ((random: Random, length: number) => number[])[] = [
  (random, n) => Array.from({ length: n }, () => random.between(-10, 10)),
  (random, n) => Array.from({ length: n }, () => random.below(4)), // ties
  (_, n) => Array.from({ length: n }, () => 0.1),
  (random, n) => Array.from({ length: n }, () => (random.below(2) === 0 ? -0 : 0)),
  (random, n) => Array.from({ length: n }, () => random.between(-90, 90)),
  (random, n) => Array.from({ length: n }, () => random.between(-1, 1) * 2 ** -130),
  (random, n) => with_(random, n, 40), // one class has it all
  (random, n) => Array.from({ length: n }, () => (random.below(3) === 0 ? -Infinity : random.between(-5, 5))),
  (random, n) => Array.from({ length: n }, () => random.between(-700, -650)),
];
const careful: typeof kinds = [
  (random, n) => with_(random, n, NaN),
  (random, n) => with_(random, n, Infinity),
  (_, n) => Array.from({ length: n }, () => -Infinity),
  (random, n) => Array.from({ length: n }, () => (random.below(2) === 0 ? 3e38 : -3e38)),
  (random, n) => Array.from({ length: n }, () => random.between(1e6, 1e6 + 4)),
];

function with_(random: Random, length: number, value: number): number[] {
  const row = Array.from({ length }, () => random.between(-3, 3));
  if (length > 0) row[random.below(length)] = value;
  return row;
}

interface Batch {
  readonly all: Elements;
  readonly each: readonly Elements[];
}
const batches = new Map<string, Batch>();

/** A batch of `length` classes: mostly what lanes can solve; every other batch also what they cannot. */
function batch(type: Type, length: number): Batch {
  const key = `${type} ${length}`;
  const made = batches.get(key) ?? newBatch(type, length);
  batches.set(key, made);
  return made;
}

function newBatch(type: Type, length: number): Batch {
  const random = new Random(`lanes ${type} ${length}`);
  const each = Array.from({ length: rows }, (_, row) => {
    const from = length % 2 === 1 && row >= 20 && random.below(3) === 0 ? careful : kinds;
    return elements(from[random.below(from.length)](random, length), type);
  });
  const all = elements(
    each.flatMap((row) => [...(row as Float64Array)]),
    type,
  );
  return { all, each };
}

/** The same rows along another axis. */
function columns(each: readonly Elements[], type: Type, inner: number): Elements {
  return elements(sideBySide(each, inner), type);
}

function sideBySide(each: readonly ArrayLike<number>[], inner: number): number[] {
  const slabs = [];
  for (let from = 0; from + inner <= each.length; from += inner) {
    for (let c = 0; c < each[0].length; c++) for (let i = 0; i < inner; i++) slabs.push(each[from + i][c]);
  }
  return slabs;
}

const part = (array: object, from: number, to: number) => (array as Elements).subarray(from, to);

const orders = new WeakMap<Elements, number[]>();
const exacts = new WeakMap<Elements, ExactRow>();

function ofRow<T>(known: WeakMap<Elements, T>, row: Elements, find: () => T): T {
  const found = known.get(row) ?? find();
  known.set(row, found);
  return found;
}

const best = (row: Elements, k: number) => ofRow(orders, row, () => orderOf(row)).slice(0, k);

/** Best first, NaN before all, of equal ones the lower index. */
function orderOf(row: Elements): number[] {
  const order = Array.from(row as Float64Array, (x, i) => ({
    x: Number.isNaN(x) ? Infinity : x,
    nan: Number.isNaN(x),
    i,
  }));
  order.sort((a, b) => Number(b.nan) - Number(a.nan) || (a.x === b.x ? a.i - b.i : b.x - a.x));
  return order.map(({ i }) => i);
}

function judge(op: 'softmax' | 'logSoftmax', row: Elements, type: Type, index: number, value: number): void {
  const logits = numbers(row, type);
  const exact = () => ofRow(exacts, row, () => exactRow(logits, 1))[op];
  const isRight = !Number.isFinite(Math.max(...logits))
    ? Number.isNaN(value)
    : logits[index] === -Infinity
      ? Object.is(value, op === 'softmax' ? 0 : -Infinity)
      : ulpDistance(value, exact(), index, type) <= limits[type];
  if (!isRight) expect.fail(`${op}: ${value} for class ${index} of ${logits}`);
}

describe(`Rows side by side, on ${backendName} (seed ${seed})`, () => {
  for (const dtype of types) {
    for (const k of [1, 2, 5, 8, 9, 16, 17, 50, 'all'] as const) {
      it(`topK of ${k}, ${dtype}`, () => {
        for (const length of lengthsFor(k)) topOf(length, k === 'all' ? length : k);
      });
    }
    const lengthsFor = (k: number | 'all') => {
      const [first, step] = k === 'all' ? [9, 9] : [k, k === 1 || k === 5 ? 1 : k <= 8 ? 3 : 13];
      return Array.from({ length: Math.ceil((most - first + 1) / step) }, (_, i) => first + i * step);
    };
    const topOf = (length: number, k: number) => {
      const { all, each } = batch(dtype, length);
      const whole = topK(all, k, { shape: [rows, length] });
      const alone = each.map((row) => topK(row, k));
      for (let row = 0; row < rows; row++) {
        const where = () => `row ${row} of ${length} classes: ${each[row]}`;
        const [from, to] = [row * k, (row + 1) * k];
        expectSameNumbers(whole.indices.subarray(from, to), best(each[row], k), where);
        expectSameBits(part(whole.probabilities, from, to), alone[row].probabilities, where);
        for (let j = row % 3; j < k; j += k <= 8 ? 3 : 20) {
          judge('softmax', each[row], dtype, whole.indices[from + j], whole.probabilities[from + j]);
        }
      }
      for (const inner of [3, 36]) {
        const there = topK(columns(each, dtype, inner), k, { shape: [-1, length, inner], axis: 1 });
        const where = () => `${length} classes, ${inner} apart`;
        const [indices, shares] = [alone.map((of) => of.indices), alone.map((of) => of.probabilities)];
        expectSameNumbers(there.indices, sideBySide(indices, inner), where);
        expectSameBits(there.probabilities, columns(shares, dtype, inner), where);
      }
      const count = 1 + (length % 36);
      const few = topK(all.subarray(0, count * length), k, { shape: [count, length] });
      expectSameBits(few.indices, part(whole.indices, 0, count * k));
      expectSameBits(few.probabilities, part(whole.probabilities, 0, count * k));
    };

    it(`topK with a temperature, ${dtype}`, () => {
      for (let length = 1; length <= most; length += 3) {
        const { all, each } = batch(dtype, length);
        for (const temperature of [0.3, 1e-30, 1e30]) {
          const whole = topK(all, 1, { shape: [rows, length], temperature });
          for (let row = 0; row < rows; row++) {
            const alone = topK(each[row], 1, { temperature });
            expectSameBits(part(whole.probabilities, row, row + 1), alone.probabilities);
            expectSame(whole.indices[row], alone.indices[0]);
          }
        }
      }
    });

    it(`crossEntropy, ${dtype}`, () => {
      const random = new Random(`targets ${dtype}`);
      const gradient = dtype === 'float64' ? new Float64Array(rows * most) : new Float32Array(rows * most);
      for (let length = 1; length <= most; length++) {
        const { all, each } = batch(dtype, length);
        const targets = Int32Array.from(each, () => (random.below(9) === 0 ? -100 : random.below(length)));
        const options = { shape: [rows, length], reduction: 'none' } as const;
        const losses = crossEntropy(all, targets, options);
        const filled = gradient.subarray(0, all.length);
        expectSameBits(crossEntropy(all, targets, { ...options, gradient: filled }), losses);
        for (let row = 0; row < rows; row++) {
          const where = () => `row ${row} of ${length} classes, target ${targets[row]}: ${each[row]}`;
          const own = filled.slice(0, length);
          const target = targets.subarray(row, row + 1);
          const one = crossEntropy(each[row], target, { reduction: 'none', gradient: own });
          expectSameBits(part(losses, row, row + 1), one, where);
          expectSameBits(part(filled, row * length, (row + 1) * length), own, where);
          if (targets[row] === -100) continue;
          judge('logSoftmax', each[row], dtype, targets[row], 0 - Number(losses[row]));
        }
        for (const inner of [3, 36]) {
          const there = crossEntropy(columns(each, dtype, inner), targets.subarray(0, 36), {
            shape: [-1, length, inner],
            axis: 1,
            reduction: 'none',
          });
          expectSameBits(there, part(losses, 0, 36), `${length} classes, ${inner} apart`);
        }
        const count = 1 + (length % 36);
        const few = crossEntropy(all.subarray(0, count * length), targets.subarray(0, count), {
          shape: [count, length],
          reduction: 'none',
        });
        expectSameBits(few, part(losses, 0, count));
      }
    });

    it(`sample draws what the reference draws, ${dtype}`, () => {
      for (let length = 1; length <= most; length++) {
        const { all, each } = batch(dtype, length);
        for (const options of [
          { seed: length },
          { seed: length, temperature: 0.7, count: 3 },
          { seed: length, topK: 1 + (length % 7), topP: 0.8 },
          { seed: length, topP: 0.9 },
          { seed: length, minP: 0.05, topK: 40 },
        ]) {
          const where = () => `${length} classes, ${JSON.stringify(options)}`;
          const drawn = sample(all, { shape: [rows, length], ...options });
          const reference = sample(all, { shape: [rows, length], ...options, backend: 'js' });
          expectSameNumbers(drawn, reference, where);
          const there = { shape: [-1, length, 36], axis: 1, ...options };
          const aside = columns(each, dtype, 36);
          expectSameNumbers(sample(aside, there), sample(aside, { ...there, backend: 'js' }), where);
        }
      }
    });
  }
});

describe(`Longer rows in groups, each along its blocks, on ${backendName} (seed ${seed})`, () => {
  const lengths = [129, 144, 200, 255, 320, 500, 1000, 1025, 2048, 2049];
  for (const dtype of types) {
    it(`topK, ${dtype}`, () => {
      for (const length of lengths) {
        const { all, each } = batch(dtype, length);
        for (const k of [1, 2, 5, 8, 9, 20, length]) {
          for (const count of [3, rows]) {
            const whole = topK(all.subarray(0, count * length), k, { shape: [count, length] });
            for (let row = 0; row < count; row++) {
              const where = () => `k ${k}, row ${row} of ${count} × ${length}`;
              const alone = topK(each[row], k);
              const [from, to] = [row * k, (row + 1) * k];
              expectSameNumbers(whole.indices.subarray(from, to), best(each[row], k), where);
              expectSameBits(part(whole.probabilities, from, to), alone.probabilities, where);
            }
          }
        }
      }
    });

    it(`crossEntropy and its gradient, apart and in place, ${dtype}`, () => {
      const random = new Random(`long targets ${dtype}`);
      for (const length of lengths) {
        const { all, each } = batch(dtype, length);
        const targets = Int32Array.from(each, () => (random.below(9) === 0 ? -100 : random.below(length)));
        const options = { shape: [rows, length], reduction: 'none', temperature: 0.7 } as const;
        const gradient = all.slice() as Float64Array;
        const losses = crossEntropy(all, targets, { ...options, gradient });
        const inPlace = all.slice() as Float64Array;
        expectSameBits(crossEntropy(inPlace, targets, { ...options, gradient: inPlace }), losses);
        expectSameBits(inPlace, gradient);
        expectSameBits(crossEntropy(all, targets, options), losses);
        for (let row = 0; row < rows; row++) {
          const where = () => `row ${row} of ${length} classes, target ${targets[row]}`;
          const own = each[row].slice() as Float64Array;
          const one = crossEntropy(each[row], targets.subarray(row, row + 1), {
            reduction: 'none',
            temperature: 0.7,
            gradient: own,
          });
          expectSameBits(part(losses, row, row + 1), one, where);
          expectSameBits(part(gradient, row * length, (row + 1) * length), own, where);
        }
      }
    });

    it(`top-p of equal logits, ${dtype}`, () => {
      for (const length of [2, 10, 100, 129, 1000, 4000]) {
        const values = Array.from({ length: 3 * length }, (_, i) =>
          i < length || i % 3 > 0 ? 1.5 : -Infinity,
        );
        const x = elements(values, dtype);
        for (const topP of [0, 0.25, 0.5, 0.9, 0.99]) {
          const options = { shape: [3, length], topP, seed: length, count: 20 };
          const where = () => `${length} classes, topP ${topP}`;
          expectSameNumbers(sample(x, options), sample(x, { ...options, backend: 'js' }), where);
        }
      }
    });
  }
});
