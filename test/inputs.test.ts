/**
 * Every form that logits can take, in every layout: the values are compared to a plain reference, for where they
 * stand; how exact they are is the contract suite's business.
 */
import { Tensor } from 'onnxruntime-common';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  classify,
  crossEntropy,
  logSoftmax,
  logSumExp,
  prepare,
  sample,
  softmax,
  type TensorLike,
  topK,
} from '../lib/index.js';
import * as promises from '../lib/promises.js';
import { Random } from './random.js';

const animals = ['dog', 'cat', 'horse', 'cheetah'];
const animalLogits = [3.2, 1.3, 0.2, 0.8];
const animalScores = [0.7751495482986049, 0.1159380476300716, 0.0385924235564615, 0.0703199805148621];

interface Reference {
  readonly softmax: number[];
  readonly logSoftmax: number[];
  readonly logSumExp: number[];
}

/** The family by its definition: rows are found by the coordinates that are left when the axes are removed. */
function reference(
  x: ArrayLike<number>,
  dims: readonly number[],
  axes: readonly number[],
  { temperature = 1, where = (_: number): boolean => true } = {},
): Reference {
  const rows = new Map<string, number[]>();
  for (let i = 0; i < x.length; i++) {
    const at = coordinates(i, dims).filter((_, d) => !axes.includes(d));
    const key = at.join();
    rows.set(key, [...(rows.get(key) ?? []), i]);
  }
  const result: Reference = { softmax: [], logSoftmax: [], logSumExp: [] };
  for (const members of rows.values()) {
    const taken = members.filter(where);
    const max = Math.max(...taken.map((i) => x[i] / temperature));
    const sum = taken.reduce((total, i) => total + Math.exp(x[i] / temperature - max), 0);
    const normalizer = taken.length === 0 ? Number.NEGATIVE_INFINITY : max + Math.log(sum);
    result.logSumExp.push(normalizer);
    for (const i of members) {
      result.logSoftmax[i] = taken.includes(i) ? x[i] / temperature - normalizer : Number.NEGATIVE_INFINITY;
      result.softmax[i] = Math.exp(result.logSoftmax[i]);
    }
  }
  return result;
}

function coordinates(index: number, dims: readonly number[]): number[] {
  let rest = index;
  return [...dims]
    .reverse()
    .map((dim) => {
      const at = rest % dim;
      rest = (rest - at) / dim;
      return at;
    })
    .reverse();
}

function expectClose(received: ArrayLike<number>, expected: readonly number[], tolerance = 1e-6): void {
  expect(received.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (expected[i] === Number.NEGATIVE_INFINITY) expect(received[i], `[${i}]`).toBe(expected[i]);
    else
      expect(Math.abs(received[i] - expected[i]), `[${i}]: ${received[i]}, ${expected[i]}`).toBeLessThan(
        tolerance,
      );
  }
}

const count = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);
const random = (name: string, n: number): Float64Array => new Random(name).fill(new Float64Array(n), 5);

/** bfloat16 and float16 bits of small numbers that both can hold exactly. */
const bfloat16Bits = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0] >>> 16;
const float16Bits: { readonly [x: number]: number } = { 0: 0, 1: 0x3c00, 2: 0x4000, 3: 0x4200, 0.5: 0x3800 };
const bfloat16 = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0];
function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('what comes in as one kind goes out as the same', () => {
  test('the dog', () => {
    expect(softmax(animalLogits)[0].toFixed(3)).toBe('0.775');
    expect(classify(animalLogits, { labels: animals })[0]).toMatchObject({ label: 'dog' });
  });

  test('Float32Array, Float64Array', () => {
    for (const Floats of [Float32Array, Float64Array]) {
      const x = Floats.from(animalLogits);
      const tolerance = Floats === Float32Array ? 1e-7 : 1e-15;
      const y = softmax(x);
      expect(y).toBeInstanceOf(Floats);
      expect(y).not.toBe(x);
      expectClose(y, animalScores, tolerance);
      expect(logSoftmax(x)).toBeInstanceOf(Floats);
      expect(logSumExp(x)).toBeInstanceOf(Floats);
      expect(logSumExp(x)).toHaveLength(1);
      expect([...x]).toEqual([...Floats.from(animalLogits)]);
    }
    expectTypeOf(softmax(new Float32Array(1))).toEqualTypeOf<Float32Array>();
    expectTypeOf(softmax(new Float64Array(1))).toEqualTypeOf<Float64Array>();
  });

  test('typed arrays of another realm', async () => {
    const { runInNewContext } = await import('node:vm');
    const x = runInNewContext('Float32Array.of(3.2, 1.3, 0.2, 0.8)') as Float32Array;
    expect(x instanceof Float32Array).toBe(false);
    expectClose(softmax(x), animalScores, 1e-7);
  });

  test('a class of its own that extends Float32Array', () => {
    class Scores extends Float32Array {}
    expectClose(softmax(Scores.from(animalLogits) as Float32Array), animalScores, 1e-7);
  });

  test.each([4, 100, 1000])('a class whose methods mean something else: %d classes', (classes) => {
    class Loud extends Float32Array {
      override set(): never {
        throw new Error('set was called');
      }
      override subarray(): never {
        throw new Error('subarray was called');
      }
    }
    const x = Loud.from({ length: classes }, (_, i) => Math.sin(i) * 9);
    const out = new Loud(classes);
    expect(softmax(x, { out })).toBe(out);
    expect([...out]).toEqual([...softmax(new Float32Array(x))]);
  });

  test('bits of float16 and bfloat16', () => {
    const logits = [0, 1, 2, 3];
    const { softmax: scores, logSumExp: sums } = reference(logits, [4], [0]);
    const half = softmax(
      Uint16Array.from(logits, (x) => float16Bits[x]),
      { dtype: 'float16' },
    );
    expect(half).toBeInstanceOf(Uint16Array);
    expectClose([...half].map(float16), scores, 5e-4);
    const brain = softmax(Uint16Array.from(logits, bfloat16Bits), { dtype: 'bfloat16' });
    expectClose([...brain].map(bfloat16), scores, 4e-3);
    const wide = softmax(Uint16Array.from(logits, bfloat16Bits), { dtype: 'bfloat16', outType: 'float32' });
    expect(wide).toBeInstanceOf(Float32Array);
    expectClose(wide, scores);
    const reduced = logSumExp(Uint16Array.from(logits, bfloat16Bits), { dtype: 'bfloat16' });
    expect(reduced).toBeInstanceOf(Float32Array);
    expectClose(reduced, sums);
    expectTypeOf(wide).toEqualTypeOf<Float32Array>();
    expectTypeOf(half).toEqualTypeOf<Uint16Array>();
  });

  const Float16Array = (globalThis as { Float16Array?: { from(x: number[]): Iterable<number> } })
    .Float16Array;
  test.runIf(Float16Array)('Float16Array', () => {
    const y = (softmax as (x: unknown) => unknown)(Float16Array?.from(animalLogits));
    expect(y).toBeInstanceOf(Float16Array);
    expectClose([...(y as Iterable<number>)], animalScores, 1e-3);
  });

  test('plain tensors, with dims or with shape', () => {
    const data = Float32Array.from([...animalLogits, 0, 0, 0, 0]);
    const byDims = softmax({ data, dims: [2, 4] });
    expect(byDims.dims).toEqual([2, 4]);
    expectClose(byDims.data, [...animalScores, 0.25, 0.25, 0.25, 0.25]);
    const byShape = softmax({ data, shape: [2, 4] }, { axis: 0 });
    expect(byShape.shape).toEqual([2, 4]);
    expectClose(byShape.data, reference(data, [2, 4], [0]).softmax);
    expect(logSumExp({ data, dims: [2, 4] })).toMatchObject({ dims: [2] });
    expect(logSumExp({ data, dims: [8] })).toMatchObject({ dims: [] });
    expect(softmax({ type: 'float32', data, dims: [8] })).toMatchObject({ type: 'float32' });
  });

  test('a scalar is a row of one', () => {
    expect(softmax({ data: Float32Array.of(5), dims: [] })).toEqual({ data: Float32Array.of(1), dims: [] });
    expect(logSumExp({ data: Float32Array.of(5), dims: [] })).toEqual({ data: Float32Array.of(5), dims: [] });
  });

  test('onnxruntime tensors', () => {
    const x = new Tensor('float32', Float32Array.from([...animalLogits, 0, 0, 0, 0]), [2, 4]);
    const y = softmax(x);
    expect(y).toBeInstanceOf(Tensor);
    expect(y).toMatchObject({ type: 'float32', dims: [2, 4], location: 'cpu' });
    expectClose(y.data as Float32Array, [...animalScores, 0.25, 0.25, 0.25, 0.25]);
    expectTypeOf(y).toEqualTypeOf(x);

    const sums = logSumExp(x, { axis: 0 });
    expect(sums).toBeInstanceOf(Tensor);
    expect(sums).toMatchObject({ type: 'float32', dims: [4] });

    const { probabilities, indices } = topK(x, 2);
    expect(probabilities).toBeInstanceOf(Tensor);
    expect(indices).toBeInstanceOf(Tensor);
    expect(indices).toMatchObject({ type: 'uint32', dims: [2, 2] });
    expect([...indices.data]).toEqual([0, 1, 0, 1]);

    const classes = new Tensor('int64', BigInt64Array.of(0n, 3n), [2]);
    const each = crossEntropy(x, classes, { reduction: 'none' });
    expect(each).toBeInstanceOf(Tensor);
    expectClose((each as Tensor).data as Float32Array, [-Math.log(animalScores[0]), Math.log(4)]);

    const mask = new Tensor('bool', Uint8Array.of(1, 0, 1, 1), [1, 4]);
    expect((softmax(x, { where: mask }).data as Float32Array)[1]).toBe(0);
  });

  test('onnxruntime float16 tensors', () => {
    const x = new Tensor(
      'float16',
      Uint16Array.from([0, 1, 2, 3], (n) => float16Bits[n]),
      [1, 4],
    );
    const y = softmax(x);
    expect(y).toMatchObject({ type: 'float16', dims: [1, 4] });
    const bits = y.data as unknown as Uint16Array;
    expectClose(
      [...new Uint16Array(bits.buffer, bits.byteOffset, 4)].map(float16),
      reference([0, 1, 2, 3], [4], [0]).softmax,
      5e-4,
    );
    expect(softmax(x, { outType: 'float32' })).toMatchObject({ type: 'float32', dims: [1, 4] });
    expect(logSumExp(x)).toMatchObject({ type: 'float32', dims: [1] });
  });

  test('tensors whose constructor takes type, data and dims, as transformers.js has it', () => {
    class Theirs {
      private readonly inner: Tensor;
      constructor(type: 'float32', data: Float32Array, dims: number[]) {
        this.inner = new Tensor(type, data, dims);
      }
      get type(): string {
        return this.inner.type;
      }
      get dims(): readonly number[] {
        return this.inner.dims;
      }
      get data(): Float32Array {
        return this.inner.data as Float32Array;
      }
      get location(): string {
        return this.inner.location;
      }
    }
    const y = softmax(new Theirs('float32', Float32Array.from(animalLogits), [1, 4]));
    expect(y).toBeInstanceOf(Theirs);
    expect(y.dims).toEqual([1, 4]);
    expectClose(y.data, animalScores);
  });

  test('nested arrays of any depth', () => {
    const flat = softmax(animalLogits);
    expectTypeOf(flat).toEqualTypeOf<number[]>();
    expectClose(flat, animalScores, 1e-15);
    const deep = softmax([[[[0, 0]], [[1, 1]]]]);
    expectTypeOf(deep).toEqualTypeOf<number[][][][]>();
    expect(deep).toEqual([[[[0.5, 0.5]], [[0.5, 0.5]]]]);
    expect(logSumExp([[0], [1], [2]])).toEqual([0, 1, 2]);
    expect(logSumExp([0])).toEqual([0]);
    expect(logSumExp([[[0], [5]]])).toEqual([[0, 5]]);
    expect(
      topK(
        [
          [0, 9, 0],
          [0, 0, 9],
        ],
        1,
      ).indices,
    ).toEqual([[1], [2]]);
    expect(softmax([])).toEqual([]);
    expect(softmax([[], []])).toEqual([[], []]);
    expect(logSumExp([[], []])).toEqual([-Infinity, -Infinity]);
    expectTypeOf(logSumExp([[0]])).toEqualTypeOf<number[]>();
  });

  test('options and arrays that are read-only', () => {
    const x = Object.freeze([...animalLogits]);
    expectClose(softmax(x, Object.freeze({ shape: Object.freeze([4]) })), animalScores, 1e-15);
  });
});

describe('layouts', () => {
  const shapes = [
    [5],
    [1],
    [0],
    [3, 4],
    [1, 4],
    [4, 1],
    [0, 4],
    [4, 0],
    [1, 1],
    [2, 3, 4],
    [2, 1, 3],
    [1, 3, 1],
    [2, 0, 3],
    [17, 2, 5],
    [2, 3, 2, 4],
    [2, 1, 3, 1],
    [1, 2, 1, 2],
    [3, 2, 0, 2],
  ];
  const cases = shapes.flatMap((dims) => subsets(dims.length).map((axes) => [dims, axes] as const));

  function subsets(n: number): number[][] {
    const all: number[][] = [];
    for (let bits = 1; bits < 1 << n; bits++)
      all.push(Array.from({ length: n }, (_, i) => i).filter((i) => bits & (1 << i)));
    return all;
  }

  test.each(cases)('dims %j, axes %j', (dims, axes) => {
    const x = random(`${dims}/${axes}`, count(dims));
    const expected = reference(x, dims, axes);
    const kept = dims.filter((_, i) => !axes.includes(i));
    // Rows of no classes are unknown to the reference.
    const sums = count(dims) > 0 ? expected.logSumExp : new Array<number>(count(kept)).fill(-Infinity);
    const axis = axes.length === 1 ? axes[0] : [...axes].reverse();
    const negative = axes.map((i) => i - dims.length);
    const options = { shape: dims, axis };
    expectClose(softmax(x, options), expected.softmax);
    expectClose(softmax(x, { shape: dims, axis: negative }), expected.softmax);
    expectClose(logSoftmax(x, options), expected.logSoftmax);
    expectClose(logSumExp(x, options), sums);
    const inPlace = Float64Array.from(x);
    expect(softmax(inPlace, { ...options, out: inPlace })).toBe(inPlace);
    expectClose(inPlace, expected.softmax);
    expect(logSumExp({ data: x, dims }, { axis })).toMatchObject({ dims: kept });

    const classes = count(axes.map((i) => dims[i]));
    if (count(dims) === 0) return;
    // All classes in descending order: the same probabilities, sorted along the axes.
    const top = topK({ data: x, dims }, classes, { axis });
    const topDims = [
      ...dims.slice(0, axes[0]).filter((_, i) => !axes.includes(i)),
      classes,
      ...dims.filter((_, i) => i > axes[0] && !axes.includes(i)),
    ];
    expect(top.probabilities.dims).toEqual(topDims);
    expect((top.indices as { dims: readonly number[] }).dims).toEqual(topDims);
    const best = topK(x, 1, { ...options });
    expectClose(best.probabilities, maxima(expected.softmax, dims, axes));
    const argmax = sample(x, { ...options, temperature: 0 });
    expect([...argmax]).toEqual([...best.indices]);
    // The loss of the likeliest class, and its gradient.
    const gradient = new Float64Array(x.length);
    const losses = crossEntropy(x, argmax, { ...options, reduction: 'none', gradient });
    expectClose(
      losses,
      maxima(expected.softmax, dims, axes).map((p) => -Math.log(p)),
    );
    expectClose(
      gradient.map((g) => (g <= 0 ? g + 1 : g)),
      expected.softmax,
    );
  });

  /** The greatest entry of every row, in the order of the rows. */
  function maxima(values: readonly number[], dims: readonly number[], axes: readonly number[]): number[] {
    const rows = new Map<string, number>();
    values.forEach((value, i) => {
      const key = coordinates(i, dims)
        .filter((_, d) => !axes.includes(d))
        .join();
      rows.set(key, Math.max(rows.get(key) ?? 0, value));
    });
    return [...rows.values()];
  }

  test('one entry of the shape may be left open', () => {
    const x = random('open', 12);
    expect(softmax(x, { shape: [-1, 4] })).toEqual(softmax(x, { shape: [3, 4] }));
    expect(softmax(x, { shape: [3, -1] })).toEqual(softmax(x, { shape: [3, 4] }));
    expect(softmax(x, { shape: [-1] })).toEqual(softmax(x));
    expect(softmax(new Float32Array(0), { shape: [-1, 4] })).toHaveLength(0);
  });

  test('the class indices of several axes count over them in row-major order', () => {
    const x = new Float32Array(24);
    x[0 * 12 + 2 * 4 + 1] = 9; // row 2: classes [0][1] of axes 0 and 2
    x[1 * 12 + 0 * 4 + 3] = 9; // row 0: classes [1][3]
    const { indices } = topK(x, 1, { shape: [2, 3, 4], axis: [0, 2] });
    expect([...indices]).toEqual([1 * 4 + 3, 0, 1]);
  });

  test('topK along an axis that is not the last', () => {
    const x = Float32Array.of(0, 5, 1, 4, 2, 3); // [3, 2]: columns 0 1 2 and 5 4 3
    const { indices, probabilities } = topK(x, 2, { shape: [3, 2], axis: 0 });
    expect([...indices]).toEqual([2, 0, 1, 1]);
    expectClose(probabilities, [0.66524, 0.66524, 0.24473, 0.24473], 1e-4);
    const labels = ['a', 'b', 'c'];
    const lists = classify(x, { shape: [3, 2], axis: 0, labels, k: 1 });
    expect(lists).toMatchObject([[{ label: 'c' }], [{ label: 'a' }]]);
  });
});

describe('masks', () => {
  const dims = [2, 3, 4];
  const x = random('masks', 24);
  const bits = (n: number): Uint8Array => Uint8Array.from(random(`bits ${n}`, n), (r) => (r > -2 ? 1 : 0));

  test.each([
    [[2, 3, 4]],
    [[3, 4]],
    [[4]],
    [[1, 3, 4]],
    [[2, 1, 4]],
    [[2, 3, 1]],
    [[3, 1]],
    [[1, 1, 1]],
    [[2, 1, 1]],
    [[1]],
  ])('%j broadcasts to [2, 3, 4]', (own) => {
    const data = bits(count(own));
    const padded = [...new Array<number>(3 - own.length).fill(1), ...own];
    const where = (i: number): boolean => {
      const at = coordinates(i, dims).map((c, d) => (padded[d] === 1 ? 0 : c));
      return data[at.reduce((index, c, d) => index * padded[d] + c, 0)] === 1;
    };
    for (const axes of [[2], [1], [0], [1, 2], [0, 1], [0, 2], [0, 1, 2]]) {
      const expected = reference(x, dims, axes, { where });
      const options = { shape: dims, axis: axes, where: { data, dims: own } };
      expectClose(softmax(x, options), expected.softmax);
      expectClose(logSoftmax(x, options), expected.logSoftmax);
      expectClose(logSumExp(x, options), expected.logSumExp);
    }
  });

  test('in every form', () => {
    const y = softmax(x, { shape: dims, where: Uint8Array.of(1, 1, 0, 1) });
    for (const where of [
      [true, true, false, true],
      [1, 1, 0, 1],
      [[[true, true, false, true]]],
      BigInt64Array.of(1n, 1n, 0n, 1n),
      Int32Array.of(1, 1, 0, 1),
      { data: Uint8Array.of(1, 1, 0, 1), shape: [4] },
      Uint8Array.from({ length: 24 }, (_, i) => (i % 4 === 2 ? 0 : 1)),
    ])
      expect(softmax(x, { shape: dims, where })).toEqual(y);
    expect(y[2]).toBe(0);
  });

  test('what is masked may hold anything, and a row that is masked whole is zeros', () => {
    const odd = Float32Array.of(NaN, 1, Infinity, 1);
    expect([...softmax(odd, { where: [false, true, false, true] })]).toEqual([0, 0.5, 0, 0.5]);
    expect([...softmax(odd, { where: [false, false, false, false] })]).toEqual([0, 0, 0, 0]);
  });

  test('lengths, in every form', () => {
    const where = (i: number): boolean => i % 4 < [1, 4, 0, 2, 3, 4][Math.floor(i / 4)];
    const expected = reference(x, [6, 4], [1], { where });
    const list = [1, 4, 0, 2, 3, 4];
    for (const lengths of [
      list,
      Uint32Array.from(list),
      Int32Array.from(list),
      BigInt64Array.from(list, BigInt),
    ]) {
      expectClose(softmax(x, { shape: [6, 4], lengths }), expected.softmax);
      expectClose(logSumExp(x, { shape: [6, 4], lengths }), expected.logSumExp);
    }
    // Rows along a middle axis, in row order.
    const columns = softmax(x, { shape: [2, 4, 3], axis: 1, lengths: list });
    const expectedColumns = reference(x, [2, 4, 3], [1], {
      where: (i) => coordinates(i, [2, 4, 3])[1] < list[Math.floor(i / 12) * 3 + (i % 3)],
    });
    expectClose(columns, expectedColumns.softmax);
  });

  test('offsets, in every form', () => {
    const list = [0, 5, 5, 6, 24];
    const rowOf = (i: number): number => list.findIndex((offset) => i < offset) - 1;
    const parts = [
      [0, 5],
      [5, 6],
      [6, 24],
    ].map(([from, to]) => reference(x.subarray(from, to), [to - from], [0]));
    for (const offsets of [
      list,
      Uint32Array.from(list),
      Int32Array.from(list),
      BigInt64Array.from(list, BigInt),
    ]) {
      expectClose(
        softmax(x, { offsets }),
        parts.flatMap((part) => part.softmax),
      );
      const sums = parts.flatMap((part) => part.logSumExp);
      expectClose(logSumExp(x, { offsets }), [sums[0], -Infinity, sums[1], sums[2]]);
    }
    const where = Uint8Array.from(x, (_, i) => (rowOf(i) === 0 && i > 0 ? 0 : 1));
    expect(softmax(x, { offsets: list, where })[0]).toBe(1);
    expect(softmax(new Float32Array(0), { offsets: [0] })).toHaveLength(0);
  });

  test('topK of ragged rows is padded', () => {
    const options = { offsets: [0, 3, 3, 4] };
    const logits = Float32Array.of(1, 3, 2, 7);
    const none = 0xffffffff;
    for (const k of [2, 5]) {
      const { probabilities, indices } = topK(logits, k, options);
      const pad = new Array<number>(k - 2).fill(none);
      expect([...indices.filter((_, i) => i % k < 2)]).toEqual([1, 2, none, none, 0, none]);
      if (k > 3) expect([...indices.subarray(3, k)]).toEqual(pad.slice(1));
      expect(probabilities[2 * k]).toBe(1);
      expect(probabilities[k]).toBe(0);
    }
    expect(classify(logits, { ...options, labels: ['a', 'b', 'c'] })).toMatchObject([
      [{ label: 'b' }, { label: 'c' }, { label: 'a' }],
      [],
      [{ label: 'a', score: 1 }],
    ]);
  });
});

describe('out', () => {
  const x = Float32Array.from(animalLogits);

  test('is returned itself', () => {
    const out = new Float32Array(4);
    expect(softmax(x, { out })).toBe(out);
    expect(logSoftmax(x, { out, axis: 0 })).toBe(out);
    const one = new Float32Array(1);
    expect(logSumExp(x, { out: one })).toBe(one);
    const both = { probabilities: new Float32Array(2), indices: new Uint32Array(2) };
    expect(topK(x, 2, { out: both })).toBe(both);
    expect([...both.indices]).toEqual([0, 1]);
    const drawn = new Uint32Array(3);
    expect(sample(x, { out: drawn, count: 3, temperature: 0 })).toBe(drawn);
    expectTypeOf(softmax(animalLogits, { out: new Float64Array(4) })).toEqualTypeOf<
      Float64Array<ArrayBuffer>
    >();
  });

  test('may be x, or another view of it', () => {
    const memory = Float32Array.from([0, ...animalLogits]);
    const one = memory.subarray(1);
    const other = new Float32Array(memory.buffer, 4, 4);
    expect(softmax(one, { out: other })).toBe(other);
    expectClose(one, animalScores);
    expect(memory[0]).toBe(0);
  });

  test('may lie beside x in one buffer', () => {
    const memory = Float32Array.from([...animalLogits, 0, 0, 0, 0]);
    softmax(memory.subarray(0, 4), { out: memory.subarray(4) });
    expectClose(memory, [...Float32Array.from(animalLogits), ...animalScores]);
  });

  test('may be a tensor', () => {
    const out = new Tensor('float32', new Float32Array(4), [2, 2]);
    expect(softmax(new Tensor('float32', x, [2, 2]), { out })).toBe(out);
    expectClose(out.data as Float32Array, reference(animalLogits, [2, 2], [1]).softmax);
    const data = new Float32Array(4);
    expect(softmax(new Tensor('float32', x, [2, 2]), { out: data })).toBe(data);
  });

  test('may be a Float64Array for plain numbers', () => {
    const out = new Float64Array(4);
    expect(softmax(animalLogits, { out })).toBe(out);
    expectClose(out, animalScores, 1e-15);
  });

  test('in shared memory', () => {
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set(x);
    softmax(shared, { out: shared });
    expectClose(shared, animalScores);
  });
});

describe('temperature and logNormalizer', () => {
  test('temperature divides', () => {
    const expected = reference(animalLogits, [4], [0], { temperature: 2.5 });
    expectClose(softmax(animalLogits, { temperature: 2.5 }), expected.softmax, 1e-15);
    expectClose(logSumExp(animalLogits, { temperature: 2.5 }), expected.logSumExp, 1e-15);
  });

  test('shards of the classes put together are the whole', () => {
    const x = random('shards', 20); // [2, 10]
    const whole = softmax(x, { shape: [2, 10], temperature: 0.7 });
    const logNormalizer = logSumExp(x, { shape: [2, 10], temperature: 0.7 });
    const left = [...x.subarray(0, 4), ...x.subarray(10, 14)];
    const part = softmax(Float64Array.from(left), { shape: [2, 4], temperature: 0.7, logNormalizer });
    expectClose(part, [...whole.subarray(0, 4), ...whole.subarray(10, 14)], 1e-12);
    const one = softmax(x.subarray(0, 4), { temperature: 0.7, logNormalizer: logNormalizer[0] });
    expectClose(one, [...whole.subarray(0, 4)], 1e-12);
  });
});

describe('sample', () => {
  test('the same seed draws the same classes', () => {
    const x = Float32Array.from(animalLogits);
    const draw = (seed: number | bigint) => [...sample(x, { seed, count: 50 })];
    expect(draw(7)).toEqual(draw(7n));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw(2 ** 33 + 1)).toEqual(draw(2n ** 33n + 1n));
    expect(draw(2 ** 33 + 1)).not.toEqual(draw(1));
    expect([...sample(x, { count: 50 })]).not.toEqual([...sample(x, { count: 50 })]);
    expectTypeOf(sample([1])).toEqualTypeOf<number[]>();
    expect(Array.isArray(sample([[1], [2]]))).toBe(true);
  });

  test('logProbabilities', () => {
    const logProbabilities = new Float64Array(20);
    const drawn = sample(animalLogits, { count: 20, seed: 1, logProbabilities });
    drawn.forEach((index, i) => {
      expect(logProbabilities[i]).toBeCloseTo(Math.log(animalScores[index]), 12);
    });
  });
});

describe('crossEntropy', () => {
  const x = [animalLogits, [0, 0, 0, 0], [9, 0, 0, 0]];
  const losses = [0.2546993026976595, Math.log(4), 0.0003701759]; // of class 0

  test('reductions', () => {
    expectClose([crossEntropy(x, [0, 0, 0])], [(losses[0] + losses[1] + losses[2]) / 3]);
    expectClose([crossEntropy(x, [0, 0, 0], { reduction: 'sum' })], [losses[0] + losses[1] + losses[2]]);
    expectClose(crossEntropy(x, [0, 0, 0], { reduction: 'none' }), losses);
    expectTypeOf(crossEntropy(x, [0, 0, 0])).toEqualTypeOf<number>();
    expectTypeOf(crossEntropy(x, [0, 0, 0], { reduction: 'none' })).toEqualTypeOf<number[]>();
    expect(crossEntropy(new Float32Array(0), [], { shape: [0, 4] })).toBeNaN();
    expect(crossEntropy(new Float32Array(0), [], { shape: [0, 4], reduction: 'sum' })).toBe(0);
    const out = new Float64Array(3);
    expect(crossEntropy(x, [0, 0, 0], { reduction: 'none', out })).toBe(out);
  });

  test('ignored rows count for nothing, and have no gradient', () => {
    const gradient = new Float64Array(12).fill(5);
    expectClose([crossEntropy(x, [0, -100, 0], { gradient })], [(losses[0] + losses[2]) / 2]);
    expect([...gradient.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    expectClose(
      gradient.subarray(0, 4),
      animalScores.map((p, i) => (p - (i === 0 ? 1 : 0)) / 2),
    );
    expect(crossEntropy(x, [2, 2, 2], { ignoreIndex: 2 })).toBeNaN();
  });

  test('weights, as torch.nn.functional.cross_entropy', () => {
    const weights = [1, 2, 3, 4];
    const p = reference(x.flat(), [3, 4], [1]).logSoftmax;
    const expected = -(p[0] * 1 + p[4 + 1] * 2 + p[8 + 3] * 4) / (1 + 2 + 4);
    expectClose([crossEntropy(x, [0, 1, 3], { weights })], [expected], 1e-12);
  });

  test('targets of every kind', () => {
    const flat = Float32Array.from(x.flat());
    const shape = [3, 4];
    const expected = crossEntropy(flat, [0, 1, 3], { shape });
    for (const targets of [Int32Array.of(0, 1, 3), Uint32Array.of(0, 1, 3), BigInt64Array.of(0n, 1n, 3n)]) {
      expect(crossEntropy(flat, targets, { shape })).toBe(expected);
      expect(crossEntropy(flat, { data: targets, dims: [3] }, { shape })).toBe(expected);
    }
    const oneHot = [
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 0, 1],
    ];
    const distributions: TensorLike = { data: Float32Array.from(oneHot.flat()), dims: shape };
    for (const targets of [oneHot, Float32Array.from(oneHot.flat()), distributions])
      expect(crossEntropy(flat, targets, { shape })).toBeCloseTo(expected, 12);
    expect(crossEntropy(x, oneHot)).toBeCloseTo(expected, 6);
    expect(crossEntropy(animalLogits, [0.5, 0.5, 0, 0])).toBeCloseTo(
      -(Math.log(animalScores[0]) + Math.log(animalScores[1])) / 2,
      12,
    );
  });

  test('the gradient may take the place of the logits, along any axis', () => {
    const logits = Float64Array.from(x.flat());
    const expected = new Float64Array(12);
    crossEntropy(logits, [0, 1, 3], { shape: [3, 4], gradient: expected });
    crossEntropy(logits, [0, 1, 3], { shape: [3, 4], gradient: logits });
    expect(logits).toEqual(expected);
  });
});

describe('promises', () => {
  test('resolve to what the synchronous calls return', async () => {
    const x = Float32Array.from(random('promises', 60));
    const options = { shape: [3, 4, 5], axis: [0, 2] };
    expect(await promises.softmax(x, options)).toEqual(softmax(x, options));
    expect(await promises.logSoftmax(x)).toEqual(logSoftmax(x));
    expect(
      await promises.logSumExp([
        [1, 2],
        [3, 4],
      ]),
    ).toEqual(
      logSumExp([
        [1, 2],
        [3, 4],
      ]),
    );
    expect(await promises.topK(x, 3, { shape: [-1, 10] })).toEqual(topK(x, 3, { shape: [-1, 10] }));
    expect(await promises.classify(animalLogits, { labels: animals })).toEqual(
      classify(animalLogits, { labels: animals }),
    );
    expect(await promises.sample(x, { seed: 3, count: 9 })).toEqual(sample(x, { seed: 3, count: 9 }));
    const signal = new AbortController().signal;
    expect(await promises.crossEntropy(x, [1, 2], { shape: [2, 30], signal })).toBe(
      crossEntropy(x, [1, 2], { shape: [2, 30] }),
    );
    const out = new Float32Array(60);
    expect(await promises.softmax(x, { out })).toBe(out);
  });

  test('many at once do not mix', async () => {
    const x = random('many', 40);
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => promises.crossEntropy(x, [i], { temperature: i + 1 })),
    );
    all.forEach((loss, i) => {
      expect(loss).toBe(crossEntropy(x, [i], { temperature: i + 1 }));
    });
  });
});

describe('prepare', () => {
  test('gives what the plain call gives, run after run', async () => {
    for (const [dims, axis] of [
      [[2, 6], -1],
      [[2, 6], 0],
      [
        [2, 3, 2],
        [0, 2],
      ],
    ] as const) {
      const call = prepare('softmax', { shape: dims, axis, temperature: 2 });
      expect(call.input.buffer).toBeInstanceOf(SharedArrayBuffer);
      expectTypeOf(call.input).toEqualTypeOf<Float32Array>();
      for (const name of ['first', 'second']) {
        const x = Float32Array.from(random(name, 12));
        call.input.set(x);
        expect(call.run()).toBe(call.output);
        expect([...call.output]).toEqual([...softmax(x, { shape: dims, axis, temperature: 2 })]);
        call.output.fill(0);
        expect(await call.runAsync()).toBe(call.output);
        expect([...call.output]).toEqual([...softmax(x, { shape: dims, axis, temperature: 2 })]);
      }
      call[Symbol.dispose]();
    }
  });

  test('masks are copied', () => {
    const where = Uint8Array.of(1, 1, 0, 1);
    const call = prepare('softmax', { shape: [4], where });
    where.fill(1);
    expect(call.run()[2]).toBe(0);
  });

  test('every function', () => {
    const x = Float64Array.from(random('every', 12));
    const common = { shape: [3, 4], dtype: 'float64' } as const;
    const shape = { shape: [3, 4] };
    const log = prepare('logSoftmax', common);
    log.input.set(x);
    expect([...log.run()]).toEqual([...logSoftmax(x, shape)]);
    const sums = prepare('logSumExp', common);
    sums.input.set(x);
    expect([...sums.run()]).toEqual([...logSumExp(x, shape)]);
    const top = prepare('topK', { ...common, k: 2 });
    top.input.set(x);
    top.run();
    expect([...top.output]).toEqual([...topK(x, 2, shape).probabilities]);
    expect([...top.indices]).toEqual([...topK(x, 2, shape).indices]);
    const drawn = prepare('sample', { ...common, count: 5, seed: 2 ** 32 - 1, logProbabilities: true });
    drawn.input.set(x);
    for (const offset of [0, 5, 10])
      expect([...drawn.run()]).toEqual([...sample(x, { ...shape, count: 5, seed: 2 ** 32 - 1, offset })]);
    expect(drawn.logProbabilities?.every((p) => p < 0)).toBe(true);
    const loss = prepare('crossEntropy', { ...common, gradient: true });
    loss.input.set(x);
    for (const targets of [
      [0, 1, 2],
      [3, -100, 3],
    ]) {
      loss.targets.set(targets);
      const gradient = new Float64Array(12);
      expect(loss.run()).toBe(crossEntropy(x, targets, { ...shape, gradient }));
      expect(loss.output[0]).toBe(crossEntropy(x, targets, shape));
      expect([...(loss.gradient ?? [])]).toEqual([...gradient]);
    }
    const half = prepare('softmax', { shape: [4], dtype: 'float16', outType: 'float32' });
    expectTypeOf(half.input).toEqualTypeOf<Uint16Array>();
    expect([...half.run()]).toEqual([0.25, 0.25, 0.25, 0.25]);
    const ragged = prepare('softmax', { shape: [4], offsets: [0, 1, 4] });
    expectClose(ragged.run(), [1, 1 / 3, 1 / 3, 1 / 3]);
  });
});
