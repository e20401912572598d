/** binaryCrossEntropy: PyTorch's definition, decimal.js, masks, weights, gradients; the record of bits has its routes. */
import { Decimal } from 'decimal.js';
import { describe, expect, it } from 'vitest';
import type { ElementType } from '../../lib/backends/problem.js';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { exponentialOf } from '../exponential.js';
import { exactly } from '../oracle.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

const Precise = Decimal.clone({ precision: 40, minE: -9e15, maxE: 9e15 });
const binaryCrossEntropy = sync.binaryCrossEntropy as unknown as (
  x: object,
  targets: object,
  options?: object,
) => Elements & number;

/** A unit in the last place of a result. */
function ulp(value: Decimal, type: ElementType): number {
  const [digits, least] = {
    float32: [23, -126],
    float64: [52, -1022],
    float16: [10, -14],
    bfloat16: [7, -126],
  }[type];
  if (value.isZero()) return 2 ** (least - digits);
  return 2 ** (Math.max(Math.floor(Math.log2(value.abs().toNumber())), least) - digits);
}

function log1p(t: Decimal): Decimal {
  if (t.greaterThan(1e-15)) return t.plus(1).ln();
  return t.minus(t.pow(2).div(2)).plus(t.pow(3).div(3)).minus(t.pow(4).div(4));
}

interface Case {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
  readonly positive: number;
  readonly temperature: number;
}

function exactLoss({ x, y, weight, positive, temperature }: Case): Decimal {
  const z = new Precise(exactly(x)).div(exactly(temperature));
  const u = new Precise(1).minus(exactly(y));
  const v = new Precise(exactly(y)).times(exactly(positive));
  const soft = log1p(exponentialOf(z.abs().negated()));
  const far = z.greaterThan(0) ? z.times(u) : z.negated().times(v);
  return far.plus(soft.times(u.plus(v))).times(exactly(weight));
}

/** The gradient, and the larger of the two parts that it is the difference of. */
function exactGradient({ x, y, weight, positive, temperature }: Case): [Decimal, Decimal] {
  const z = new Precise(exactly(x)).div(exactly(temperature));
  const sigmoid = (w: Decimal) => new Precise(1).div(exponentialOf(w.negated()).plus(1));
  const scale = new Precise(exactly(weight)).div(exactly(temperature));
  const below = sigmoid(z)
    .times(new Precise(1).minus(exactly(y)))
    .times(scale);
  const above = sigmoid(z.negated()).times(exactly(y)).times(exactly(positive)).times(scale);
  return [below.minus(above), Decimal.max(below, above)];
}

const dtypeOf = (type: ElementType) => (type === 'float16' || type === 'bfloat16' ? { dtype: type } : {});
const reducedOf = (type: ElementType) => (type === 'float64' ? 'float64' : 'float32');

describe(`The binary cross entropy, on ${backendName} (seed ${seed})`, () => {
  // The definition of torch.nn.functional.binary_cross_entropy_with_logits, in 40 digits of mpmath 1.3.0; PyTorch's own answers are
  // in references.test.ts.
  const x = [0, 1, -1, 3.2, -40, 40];
  const y = [1, 0, 0.25, 0.9, 0, 1];
  const weights = [1, 2, 0.5, 1, 3, 1];
  const posWeight = [2, 1, 3, 0.5, 1, 4];
  it.each([
    [
      'plain',
      {},
      [
        Math.LN2,
        1.3132616875182228,
        0.5632616875182229,
        0.3599533331624303,
        4.248354255291589e-18,
        4.248354255291589e-18,
      ],
    ],
    [
      'weights',
      { weights },
      [
        Math.LN2,
        2.6265233750364456,
        0.28163084375911146,
        0.3599533331624303,
        1.2745062765874767e-17,
        4.248354255291589e-18,
      ],
    ],
    [
      'posWeight',
      { posWeight },
      [
        2 * Math.LN2,
        1.3132616875182228,
        1.2198925312773343,
        0.3419743332393366,
        4.248354255291589e-18,
        1.6993417021166355e-17,
      ],
    ],
  ])("is what PyTorch's definition gives: %s", (_, options, losses) => {
    const shape = [6];
    const each = binaryCrossEntropy(Float64Array.from(x), Float64Array.from(y), {
      shape,
      reduction: 'none',
      ...options,
    });
    losses.forEach((loss, i) => {
      expect(each[i] / loss, `element ${i}`).toBeCloseTo(1, 13);
    });
    const total = losses.reduce((a, b) => a + b);
    expect(binaryCrossEntropy(x, y, { reduction: 'sum', ...options }) / total).toBeCloseTo(1, 13);
    expect(binaryCrossEntropy(x, y, options) / total).toBeCloseTo(1 / 6, 13);
  });

  it('the limits, where PyTorch has NaN, and Infinity on the wrong side', () => {
    for (const A of [Float32Array, Float64Array]) {
      for (const options of [
        {},
        { posWeight: 2 },
        { temperature: 0.5 },
        { weights: new Float64Array(8).fill(1) },
      ]) {
        const z = A.of(-Infinity, Infinity, -Infinity, Infinity, Infinity, NaN, NaN, 1000);
        const targets = A.of(0, 1, 1, 0, 0.5, 0, 1, 1);
        const gradient = new A(8);
        const losses = binaryCrossEntropy(z, targets, { reduction: 'none', ...options });
        expect([...losses]).toEqual([0, 0, Infinity, Infinity, Infinity, NaN, NaN, 0]);
        binaryCrossEntropy(z, targets, { reduction: 'sum', gradient, ...options });
        const per = 'temperature' in options ? 2 : 1;
        const positive = 'posWeight' in options ? 2 : 1;
        const expected = [0, 0, -per * positive, per, per / 2, NaN, NaN, 0];
        gradient.forEach((value, i) => {
          expect(value + 0, `gradient ${i}`).toBe(expected[i]);
        });
        expect(
          binaryCrossEntropy(z.slice(0, 2), targets.slice(0, 2), { ...options, weights: undefined }),
        ).toBe(0);
        expect(
          binaryCrossEntropy(z.slice(0, 3), targets.slice(0, 3), { ...options, weights: undefined }),
        ).toBe(Infinity);
      }
    }
  });

  // Values of mpmath 1.3.0 with 40 digits: posWeight * log(1 + e^-103), and so on.
  it.each([
    ['posWeight', [103], [1], { posWeight: 1e10 }, 1.8521167625699547e-35],
    ['posWeight', [90], [1], { posWeight: 100 }, 8.19401262399051e-38],
    ['a weight', [-103], [0], { weights: [1e10] }, 1.8521167625699547e-35],
    ['a sum', Array(1000).fill(90), Array(1000).fill(1), {}, 8.19401262399051e-37],
    ['a temperature', [30], [1], { temperature: 0.3, posWeight: 1e8 }, 3.720075976020836e-36],
  ])('floats too small to have all digits are no step on the way: %s', (_, x, y, options, expected) => {
    const sum = binaryCrossEntropy(Float32Array.from(x), Float32Array.from(y), {
      reduction: 'sum',
      ...options,
    });
    expect(sum / expected).toBeCloseTo(1, 7);
  });

  it('extreme temperatures, and losses beyond what a float holds', () => {
    expect(
      binaryCrossEntropy(Float32Array.of(3e38, 0, 0, 0), [0, 0, 0, 0], { temperature: 0.5 }),
    ).toBeCloseTo((2 * Math.fround(3e38)) / 4, -30);
    for (const A of [Float32Array, Float64Array]) {
      const gradient = new A(2);
      const losses = binaryCrossEntropy(A.of(0, 5), [0, 1], {
        temperature: 1e-310,
        reduction: 'none',
        gradient,
      });
      expect(losses[0]).toBeCloseTo(Math.LN2, 6);
      expect(losses[1]).toBe(0);
      expect(Array.from(gradient, (value) => value + 0)).toEqual([Infinity, 0]);
    }
  });

  for (const type of elementTypes) {
    const reduced = reducedOf(type);
    const limit = reduced === 'float64' ? 4 : 2;
    it(`losses are within ${limit} ULP, gradients of hard targets too, of soft ones of their larger part: ${type}`, () => {
      const random = new Random(`bce ${type}`);
      for (const [posWeight, temperature] of [
        [1, 1],
        [1, 0.7],
        [2.5, 1],
        [0, 3],
      ]) {
        const count = 120;
        const edge = type === 'float64' ? 700 : type === 'float16' ? 16 : 100;
        const logits = random
          .fill(new Float64Array(count), 1)
          .map((u, i) => [u * 4, u * edge, u * 1e-3, u * 20][i % 4]);
        const shares = random
          .fill(new Float64Array(count), 0.5)
          .map((u, i) => (i % 3 === 0 ? u + 0.5 : Number(u > 0)));
        const [z, targets] = [elements(logits, type), elements(shares, type)];
        const weighs = posWeight !== 1 || temperature === 3;
        const weights = weighs ? random.fill(new Float64Array(count), 1).map((u) => u + 1.5) : undefined;
        const gradient = z.slice();
        const options = { reduction: 'none', posWeight, temperature, weights, gradient, ...dtypeOf(type) };
        const losses = binaryCrossEntropy(z, targets, options);
        const [zs, ys, gs] = [numbers(z, type), numbers(targets, type), numbers(gradient, type)];
        for (let i = 0; i < count; i++) {
          const one = { x: zs[i], y: ys[i], weight: weights?.[i] ?? 1, positive: posWeight, temperature };
          const place = `${type} ${JSON.stringify(one)}: ${losses[i]}, ${gs[i]}`;
          const loss = exactLoss(one);
          const off = exactly(losses[i]).minus(loss).abs().toNumber() / ulp(loss, reduced);
          expect(off, `loss of ${place}`).toBeLessThanOrEqual(limit);
          const [slope, part] = exactGradient(one);
          const isHard = ys[i] === 0 || ys[i] === 1;
          const unit = ulp(isHard || type !== 'float64' ? slope : part, type);
          const most = type === reduced ? limit : 0.51;
          expect(
            exactly(gs[i]).minus(slope).abs().toNumber() / unit,
            `gradient of ${place}`,
          ).toBeLessThanOrEqual(most);
        }
      }
    });
  }

  it('mean and sum are those of the losses, in float64', () => {
    const random = new Random('bce sums');
    for (const [outer, length] of [
      [1, 1],
      [700, 2],
      [9, 1000],
      [2, 9001],
    ]) {
      const count = outer * length;
      const z = random.fill(new Float32Array(count), 8);
      const targets = random.fill(new Float32Array(count), 0.5).map((u) => u + 0.5);
      const shape = [outer, length];
      const weights = random.fill(new Float64Array(length), 1).map((u) => u + 2);
      for (const options of [{}, { weights }, { posWeight: weights }, { temperature: 1.3 }]) {
        const precise = { shape, reduction: 'none', ...options };
        const each = binaryCrossEntropy(Float64Array.from(z), Float64Array.from(targets), precise);
        const total = (each as Float64Array).reduce((a, b) => a + b, 0);
        const sum = binaryCrossEntropy(z, targets, { shape, reduction: 'sum', ...options });
        expect(sum / total, JSON.stringify(Object.keys(options))).toBeCloseTo(1, 6);
        expect(binaryCrossEntropy(z, targets, { shape, ...options })).toBe(sum / count);
      }
    }
  });

  it('masked elements have no loss, no gradient and no part in the mean', () => {
    const random = new Random('bce masks');
    for (const [outer, length, inner] of [
      [7, 3, 1],
      [4, 1100, 1],
      [2, 5, 9],
    ]) {
      const count = outer * length * inner;
      const shape = [outer, length, inner];
      const rowOf = (i: number) => Math.floor(i / (length * inner)) * inner + (i % inner);
      const classOf = (i: number) => Math.floor(i / inner) % length;
      const each = Uint8Array.from({ length: count }, (_, i) => Number(i % 3 !== 1));
      const shared = Uint8Array.from({ length }, (_, c) => Number(c % 3 !== 1));
      const lengths = Uint32Array.from({ length: outer * inner }, (_, row) => (row * 7) % (length + 1));
      const cases: [object, (i: number) => boolean][] = [
        [{ where: { data: each, dims: shape } }, (i) => each[i] === 1],
        [{ where: { data: shared, dims: [length, 1] } }, (i) => shared[classOf(i)] === 1],
        [{ lengths }, (i) => classOf(i) < lengths[rowOf(i)]],
      ];
      for (const [options, takesPart] of cases) {
        for (const own of [{}, { posWeight: 2 }]) {
          const z = random.fill(new Float32Array(count), 5);
          const targets = random.fill(new Float32Array(count), 1).map((u) => Math.max(0, u));
          const plain = new Float32Array(count);
          const losses = binaryCrossEntropy(z, targets, {
            shape,
            axis: 1,
            reduction: 'none',
            gradient: plain,
            ...own,
          });
          const held = z.map((value, i) => (takesPart(i) ? value : i % 2 ? NaN : Infinity));
          const gradient = new Float32Array(count);
          const how = { shape, axis: 1, ...options, ...own };
          const some = binaryCrossEntropy(held, targets, { ...how, reduction: 'none', gradient });
          expect(bits(some)).toBe(bits(losses.map((loss: number, i: number) => (takesPart(i) ? loss : 0))));
          expect(bits(gradient)).toBe(bits(plain.map((slope, i) => (takesPart(i) ? slope : 0))));
          let [sum, parts] = [0, 0];
          for (let i = 0; i < count; i++) if (takesPart(i)) [sum, parts] = [sum + losses[i], parts + 1];
          expect(binaryCrossEntropy(held, targets, how) / (sum / parts)).toBeCloseTo(1, 6);
          const mean = new Float32Array(count);
          binaryCrossEntropy(held, targets, { ...how, gradient: mean });
          const at = gradient.findIndex((slope, i) => takesPart(i) && slope !== 0);
          expect(mean[at] / (gradient[at] / parts)).toBeCloseTo(1, 6);
        }
      }
    }
    const nothing = new Float32Array(2);
    expect(binaryCrossEntropy([1, NaN], [0, 0], { where: [false, false] })).toBe(NaN);
    binaryCrossEntropy(Float32Array.of(1, 2), Float32Array.of(0, 1), {
      where: [false, false],
      gradient: nothing,
    });
    expect([...nothing]).toEqual([0, 0]);
    expect(binaryCrossEntropy([], [], { reduction: 'sum' })).toBe(0);
  });

  it('weights broadcast as masks do; a row of ragged ones brings its own', () => {
    const x = new Float64Array(24).map((_, i) => i / 7 - 1.5);
    const y = new Float64Array(24).map((_, i) => (i % 5) / 4);
    const shape = [2, 3, 4];
    const plain = binaryCrossEntropy(x, y, { shape, reduction: 'none' });
    const check = (weights: unknown, axis: number | readonly number[], weightOf: (i: number) => number) => {
      const losses = binaryCrossEntropy(x, y, { shape, axis, weights, reduction: 'none' });
      losses.forEach((loss: number, i: number) => {
        expect(loss / weightOf(i)).toBeCloseTo(plain[i], 13);
      });
    };
    for (const axis of [0, 1, 2, -1, [0, 2]]) {
      check([1, 2, 3, 4], axis, (i) => 1 + (i % 4));
      check({ data: Float32Array.of(1, 2, 3), dims: [3, 1] }, axis, (i) => 1 + (Math.floor(i / 4) % 3));
      check([[[1]], [[2]]], axis, (i) => 1 + Math.floor(i / 12));
      check(
        Float64Array.from({ length: 24 }, (_, i) => i + 1),
        axis,
        (i) => i + 1,
      );
    }
    const offsets = [0, 1, 1, 20, 24];
    const ragged = binaryCrossEntropy(x, y, { offsets, reduction: 'none' });
    expect(bits(ragged)).toBe(bits(plain));
    const weights = Float64Array.from(x, (_, i) => i + 1);
    const weighed = binaryCrossEntropy(x, y, { offsets, weights, reduction: 'none' });
    expect(bits(weighed)).toBe(bits(binaryCrossEntropy(x, y, { weights, reduction: 'none' })));
  });

  it('targets may be integers; beside 16-bit logits a Uint16Array holds 16-bit floats', () => {
    const x = Float32Array.of(1, -2, 3);
    const loss = binaryCrossEntropy(x, Float32Array.of(1, 0, 1));
    for (const targets of [
      Uint8Array.of(1, 0, 1),
      Uint16Array.of(1, 0, 1),
      Int32Array.of(1, 0, 1),
      BigInt64Array.of(1n, 0n, 1n),
      [1, 0, 1],
      { data: Uint32Array.of(1, 0, 1), dims: [3] },
    ])
      expect(binaryCrossEntropy(x, targets)).toBe(loss);
    for (const [type, one] of [
      ['float16', 0x3c00],
      ['bfloat16', 0x3f80],
    ] as const) {
      const half = elements([1, -2, 3], type);
      expect(binaryCrossEntropy(half, Uint16Array.of(one, 0, one), { dtype: type })).toBe(loss);
      expect(binaryCrossEntropy(half, Uint8Array.of(1, 0, 1), { dtype: type })).toBe(loss);
    }
    const none = binaryCrossEntropy(elements([1, -2], 'float16'), Uint8Array.of(1, 0), {
      dtype: 'float16',
      reduction: 'none',
    });
    expect(none).toBeInstanceOf(Float32Array);
  });

  it("in place: the gradient takes the logits' place, or the losses do", () => {
    const random = new Random('bce in place');
    const x = random.fill(new Float32Array(5000), 5);
    const y = random.fill(new Float32Array(5000), 1).map((u) => Number(u > 0));
    const gradient = new Float32Array(5000);
    const losses = binaryCrossEntropy(x, y, { reduction: 'none', gradient });
    for (const name of ['gradient', 'out']) {
      const own = x.slice();
      binaryCrossEntropy(own, y, { reduction: 'none', [name]: own });
      expect(bits(own)).toBe(bits(name === 'out' ? losses : gradient));
    }
  });

  it('on the threads', async () => {
    const x = new Float32Array(600_003).map((_, i) => ((i * 7919) % 2001) / 100 - 10);
    const y = x.map((_, i) => (i % 3) / 2);
    const gradient = x.slice();
    const loss = binaryCrossEntropy(x, y, { threads: 1, gradient });
    const again = x.slice();
    expect(binaryCrossEntropy(x, y, { gradient: again })).toBe(loss);
    expect(bits(again)).toBe(bits(gradient));
    const { binaryCrossEntropy: promised } = await import('../../lib/promises.js');
    expect(await promised(x, y)).toBe(loss);
  });

  it.each([
    [[0.5, 1.5], 'Expected a number from 0 to 1 for targets[1] but received 1.5'],
    [[0.5, -1e-30], 'Expected a number from 0 to 1 for targets[1] but received -1e-30'],
    [Float64Array.of(NaN, 0), 'Expected a number from 0 to 1 for targets[0] but received NaN'],
    [Int32Array.of(0, 2), 'Expected a number from 0 to 1 for targets[1] but received 2'],
  ])('refuses targets of %s before anything is written', (targets, message) => {
    const gradient = new Float64Array(2).fill(7);
    expect(() => binaryCrossEntropy(Float64Array.of(1, 2), targets, { gradient })).toThrow(
      expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message }),
    );
    expect([...gradient]).toEqual([7, 7]);
    expect(binaryCrossEntropy([1], [-0])).toBe(binaryCrossEntropy([1], [0]));
  });

  it('finds an impossible target wherever it lies, and however it is added up', async () => {
    const { binaryCrossEntropy: promised } = await import('../../lib/promises.js');
    const rows = 41;
    const classes = 130;
    const places = [0, 1, 1023, 1024, 4095, 4096, rows * classes - 1];
    const forms = [
      {},
      { reduction: 'sum' },
      { reduction: 'none' },
      { temperature: 0.7 },
      { temperature: new Float64Array(rows).fill(2) },
      { posWeight: 3 },
      { weights: new Float64Array(classes).fill(2) },
      { gradient: true },
      { axis: 0 },
      { lengths: new Uint32Array(rows).fill(classes) },
      { where: new Uint8Array(rows * classes).fill(1) },
    ] as const;
    for (const Floats of [Float32Array, Float64Array]) {
      const x = new Floats(rows * classes);
      const y = x.map((_, i) => (i % 5) / 4);
      for (const form of forms) {
        const options = {
          shape: [rows, classes],
          ...form,
          ...('gradient' in form && { gradient: new Floats(rows * classes) }),
        } as object;
        expect(() => binaryCrossEntropy(x, y, options), JSON.stringify(form)).not.toThrow();
        for (const place of places) {
          for (const bad of [1.0000001, -1e-30, NaN, Infinity, -Infinity]) {
            const wrong = y.slice();
            wrong[place] = bad;
            const others = x.slice().fill(bad === 1.0000001 ? NaN : 1, 0, 2);
            const error = expect.objectContaining({
              code: 'ERR_OUT_OF_RANGE',
              message: expect.stringContaining(`for targets[${place}] but received`),
            });
            expect(() => binaryCrossEntropy(others, wrong, options), JSON.stringify(form)).toThrow(error);
          }
        }
        const wrong = y.slice();
        wrong[77] = 2;
        await expect(promised(x, wrong, options)).rejects.toThrow('targets[77]');
      }
      using call = sync.prepare('binaryCrossEntropy', { shape: [rows, classes] });
      call.targets.fill(1, 0, 77);
      const loss = call.run();
      call.targets[77] = -1;
      expect(() => call.run()).toThrow('targets[77]');
      await expect(call.runAsync()).rejects.toThrow('targets[77]');
      call.targets[77] = 0;
      expect(call.run()).toBe(loss);
      const zeros = y.map((share) => (share === 0 ? -0 : share));
      expect(binaryCrossEntropy(x, zeros)).toBe(binaryCrossEntropy(x, y));
      expect(binaryCrossEntropy(x.slice().fill(NaN, 5, 6), zeros)).toBe(NaN);
    }
    for (const [dtype, one] of [
      ['float16', 0x3c00],
      ['bfloat16', 0x3f80],
    ] as const) {
      const halves = new Uint16Array(3000).fill(0x8000);
      expect(binaryCrossEntropy(new Uint16Array(3000), halves, { dtype })).toBeCloseTo(Math.LN2, 7);
      halves[2000] = one + 1;
      expect(() => binaryCrossEntropy(new Uint16Array(3000), halves, { dtype })).toThrow('targets[2000]');
    }
  });

  it('a prepared call starts with the targets it is given, of any kind, and checks them', () => {
    const shape = [2, 2];
    const plain = binaryCrossEntropy(new Float32Array(4), Float32Array.of(1, 0, 0.5, 1), {
      shape,
      posWeight: 3,
    });
    for (const targets of [
      [
        [1, 0],
        [0.5, 1],
      ],
      Float32Array.of(1, 0, 0.5, 1),
      { data: Float32Array.of(1, 0, 0.5, 1), dims: shape },
    ]) {
      using call = sync.prepare('binaryCrossEntropy', { shape, targets, posWeight: 3 });
      expect(call.run()).toBe(plain);
      expect([...call.targets]).toEqual([1, 0, 0.5, 1]);
    }
    using whole = sync.prepare('binaryCrossEntropy', {
      shape: [2],
      dtype: 'bfloat16',
      targets: Uint8Array.of(1, 0),
    });
    expect([...whole.targets]).toEqual([0x3f80, 0]);
    for (const [targets, message] of [
      [
        [
          [1, 1],
          [1, 2],
        ],
        'Expected a number from 0 to 1 for targets[3] but received 2',
      ],
      ['one', 'for targets but received "one"'],
      [[1, 1, 1], 'Expected the shape of x, [2, 2], for targets but received [1, 1, 1]'],
      [new Float64Array(4), 'Expected float64, the type of targets, for dtype but received "float32"'],
    ] as const)
      expect(() => sync.prepare('binaryCrossEntropy', { shape, targets: targets as never })).toThrow(message);
  });

  it('a loss of -Infinity by its weight is no bad target', async () => {
    const { binaryCrossEntropy: promised } = await import('../../lib/promises.js');
    for (const [x, y, weights] of [
      [Float32Array.of(Infinity, 1), Float32Array.of(0, 0), Float32Array.of(-1, 1)],
      [Float64Array.of(1e308, 1), Float64Array.of(0, 0), Float64Array.of(-10, 1)],
      [Float32Array.of(1, 2), Float32Array.of(0, 0), Float32Array.of(-Infinity, 1)],
    ] as const) {
      for (const reduction of ['mean', 'sum'] as const) {
        const options = { weights, reduction };
        expect(binaryCrossEntropy(x, y, options)).toBe(-Infinity);
        expect(await promised(x, y, options)).toBe(-Infinity);
        const dtype = x instanceof Float32Array ? 'float32' : 'float64';
        using call = sync.prepare('binaryCrossEntropy', { shape: [2], dtype, targets: y, ...options });
        (call.input as typeof x).set(x);
        expect(call.run()).toBe(-Infinity);
        expect(await call.runAsync()).toBe(-Infinity);
        (call.targets as typeof y)[1] = 2;
        expect(() => call.run()).toThrow('for targets[1] but received 2');
      }
      expect(() => binaryCrossEntropy(x, x.slice().fill(0.5, 0, 1).fill(2, 1), { weights })).toThrow(
        'targets[1]',
      );
    }
  });

  it.each([
    [{ posWeight: -1 }, 'RangeError', 'posWeight'],
    [{ posWeight: [1, 2, 3] }, 'RangeError', 'posWeight'],
    [{ posWeight: [1, NaN] }, 'RangeError', 'posWeight[1]'],
    [{ weights: [1, 2, 3] }, 'RangeError', 'weights'],
    [{ weights: Int32Array.of(1, 2) }, 'TypeError', 'weights'],
    [{ reduction: 'all' }, 'RangeError', 'reduction'],
    [{ out: new Float64Array(2) }, 'TypeError', 'out'],
    [{ pos_weight: 1 }, 'TypeError', 'the options of'],
  ])('refuses %j', (options, name, what) => {
    expect(() => binaryCrossEntropy(Float64Array.of(1, 2), Float64Array.of(0, 1), options)).toThrow(
      expect.objectContaining({ name, message: expect.stringContaining(`for ${what}`) }),
    );
  });
});
