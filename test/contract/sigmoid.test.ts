/** sigmoid and logSigmoid, against decimal.js, and their special elements; the record of bits has their routes. */
import { Decimal } from 'decimal.js';
import { describe, expect, it } from 'vitest';
import type { ElementType } from '../../lib/backends/problem.js';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { exponentialOf } from '../exponential.js';
import { type Exact, exactly, ulpDistance } from '../oracle.js';
import { Random, seed } from '../random.js';
import { limits } from './judge.js';
import { backendName } from './ways.js';

const Precise = Decimal.clone({ precision: 50, minE: -9e15, maxE: 9e15 });
const ops = ['sigmoid', 'logSigmoid'] as const;
const api = sync as unknown as {
  readonly [op in (typeof ops)[number]]: (x: object, options?: object) => Elements;
};

/** ln(1 + t) for 0 <= t <= 1, also where t is far below 1e-50. */
function log1p(t: Decimal): Decimal {
  if (t.greaterThan(1e-15)) return t.plus(1).ln();
  return t.minus(t.pow(2).div(2)).plus(t.pow(3).div(3)).minus(t.pow(4).div(4));
}

const exact = {
  sigmoid: (z: Decimal) => new Precise(1).div(exponentialOf(z.negated()).plus(1)),
  logSigmoid: (z: Decimal) => Decimal.min(z, 0).minus(log1p(exponentialOf(z.abs().negated()))),
};

/** As the oracle has it: in two parts, scaled so that none is subnormal. */
function inTwo(value: Decimal): Exact {
  const scale = value.abs().lessThan(1e-250) && !value.isZero() ? 1000 : 0;
  const scaled = value.times(new Precise(2).pow(scale));
  const high = scaled.toNumber();
  const low = Number.isFinite(high) ? scaled.minus(exactly(high)).toNumber() : 0;
  return { high: Float64Array.of(high), low: Float64Array.of(low), scale: Int16Array.of(scale) };
}

function check(op: (typeof ops)[number], type: ElementType, values: ArrayLike<number>, temperature: number) {
  const x = elements(values, type);
  const results = numbers(api[op](x, { temperature, ...dtypeOf(type) }), type);
  numbers(x, type).forEach((logit, i) => {
    const z = new Precise(exactly(logit)).div(exactly(temperature));
    const off = ulpDistance(results[i], inTwo(exact[op](z)), 0, type);
    const place = `${op} of ${type} ${logit} over ${temperature}: ${results[i]}, off by ${off} ULP`;
    expect(off, place).toBeLessThanOrEqual(limits[type]);
  });
}

const dtypeOf = (type: ElementType) => (type === 'float16' || type === 'bfloat16' ? { dtype: type } : {});

/** Logits of every kind: ordinary ones, those whose results are subnormal, tiny and huge ones. */
function logits(random: Random, count: number, type: ElementType): Float64Array {
  const edge = type === 'float64' ? 745 : type === 'float16' ? 17 : 104;
  const values = random.fill(new Float64Array(count), 1);
  return values.map((u, i) => [u * 4, u * edge, u, Math.sign(u) * 2 ** (u * 30), u * 1e-40][i % 5]);
}

describe(`sigmoid and logSigmoid of elements, on ${backendName} (seed ${seed})`, () => {
  for (const op of ops) {
    for (const type of elementTypes) {
      it(`${op} is within ${limits[type]} ULP: ${type}`, () => {
        const random = new Random(`${op} ${type}`);
        for (const temperature of [1, 0.7, 3]) check(op, type, logits(random, 300, type), temperature);
      });
    }

    for (const type of ['float32', 'float64'] as const) {
      it.each([1e-300, 1e-39, 1e-30, 1e25, 1e200])(
        `${op} over a temperature of %s: ${type}`,
        (temperature) => {
          const largest = type === 'float32' ? 3e38 : 1e308;
          const most = Math.min(largest, 700 * temperature);
          const values = new Random(`${op} ${temperature}`).fill(new Float64Array(60), most);
          values.set([0, largest, -largest, 1e-45, -1e-45]);
          check(op, type, values, temperature);
        },
      );
    }

    it(`${op}: each element by itself, in any shape, at any place, in place`, () => {
      for (const type of elementTypes) {
        const x = elements(logits(new Random(`places ${op}`), 1003, type), type);
        const options = { ...dtypeOf(type), temperature: 0.8 };
        const whole = api[op](x, options);
        for (let i = 0; i < x.length; i += 37)
          expect(bits(api[op](x.slice(i, i + 1), options)), `${type} ${i}`).toBe(bits(whole.slice(i, i + 1)));
        for (const shape of [
          [1003, 1],
          [17, 59],
          [59, 17, 1],
        ])
          expect(bits(api[op](x, { ...options, shape })), `${type} ${shape}`).toBe(bits(whole));
        for (const axis of [0, 1, [0, 2]])
          expect(bits(api[op](x, { ...options, shape: [1, 17, 59], axis })), `axis ${axis}`).toBe(
            bits(whole),
          );
        const inPlace = x.slice();
        expect(api[op](inPlace, { ...options, out: inPlace })).toBe(inPlace);
        expect(bits(inPlace)).toBe(bits(whole));
      }
    });

    it(`${op}: a masked element is what -Infinity gives, whatever it holds, and changes no other`, () => {
      const nothing = op === 'sigmoid' ? 0 : -Infinity;
      for (const [outer, length, inner] of [
        [9, 2, 1],
        [5, 70, 1],
        [3, 1500, 1],
        [2, 5, 9],
      ]) {
        const x = Float32Array.from(logits(new Random(`masks ${op}`), outer * length * inner, 'float32'));
        const shape = [outer, length, inner];
        const plain = api[op](x, { shape });
        const rowOf = (i: number) => Math.floor(i / (length * inner)) * inner + (i % inner);
        const classOf = (i: number) => Math.floor(i / inner) % length;
        const each = Uint8Array.from(x, (_, i) => Number(i % 3 !== 1));
        const shared = Uint8Array.from({ length }, (_, c) => Number(c % 3 !== 1));
        const lengths = Uint32Array.from({ length: outer * inner }, (_, row) => (row * 7) % (length + 1));
        const temperature = Float64Array.from(lengths, (_, row) => 1 + (row % 2));
        const cool = api[op](x, { shape, temperature: 2 });
        const cases: [string, object, (i: number) => boolean][] = [
          ['where', { where: { data: each, dims: shape } }, (i) => each[i] === 1],
          ['one where', { where: { data: shared, dims: [length, 1] } }, (i) => shared[classOf(i)] === 1],
          ['lengths', { lengths }, (i) => classOf(i) < lengths[rowOf(i)]],
          [
            'both',
            { lengths, where: { data: each, dims: shape } },
            (i) => each[i] === 1 && classOf(i) < lengths[rowOf(i)],
          ],
        ];
        for (const [name, options, takesPart] of cases) {
          for (const warm of [false, true]) {
            const held = x.map((value, i) => (takesPart(i) ? value : i % 2 ? NaN : Infinity));
            const results = api[op](held, { shape, axis: 1, ...options, ...(warm ? { temperature } : {}) });
            const expected = x.map((_, i) => {
              if (!takesPart(i)) return nothing;
              return warm && rowOf(i) % 2 === 1 ? cool[i] : plain[i];
            });
            expect(bits(results), `${name}, [${shape}], ${warm}`).toBe(bits(expected));
          }
        }
      }
    });

    it(`${op} of ragged rows is that of their elements`, () => {
      const x = Float32Array.from(logits(new Random(`ragged ${op}`), 60, 'float32'));
      const offsets = [0, 0, 7, 8, 40, 60];
      expect(bits(api[op](x, { offsets }))).toBe(bits(api[op](x)));
      const where = Uint8Array.from(x, (_, i) => i % 2);
      const masked = api[op](x, { offsets, where, temperature: [1, 2, 1, 1, 2] });
      const [one, two] = [api[op](x), api[op](x, { temperature: 2 })];
      const nothing = op === 'sigmoid' ? 0 : -Infinity;
      expect(bits(masked)).toBe(
        bits(x.map((_, i) => (i % 2 === 0 ? nothing : i < 7 || i >= 40 ? two[i] : one[i]))),
      );
    });

    it(`${op} of many elements, on the threads`, async () => {
      const x = new Float32Array(700_001).map((_, i) => ((i * 7919) % 2001) / 40 - 25);
      const whole = api[op](x, { threads: 1 });
      expect(bits(api[op](x))).toBe(bits(whole));
      const { [op]: promised } = await import('../../lib/promises.js');
      expect(bits(await promised(x))).toBe(bits(whole));
    });
  }

  it('a NaN stays in its element; ±Infinity and what is far away give the limits, without a sign of zero', () => {
    for (const A of [Float32Array, Float64Array]) {
      const x = A.of(NaN, Infinity, -Infinity, 3e38, -3e38, 2000, -2000, 0, -0, 1);
      const options = { temperature: 0.5 };
      expect([...sync.sigmoid(x)].slice(0, 9)).toEqual([NaN, 1, 0, 1, 0, 1, 0, 0.5, 0.5]);
      expect([...sync.sigmoid(x, options)].slice(0, 9)).toEqual([NaN, 1, 0, 1, 0, 1, 0, 0.5, 0.5]);
      const half = A.of(-Math.LN2)[0];
      const [far] = A.of(-3e38);
      expect([...sync.logSigmoid(x)].slice(0, 9)).toEqual([NaN, 0, -Infinity, 0, far, 0, -2000, half, half]);
      const tooFar = A === Float32Array ? -Infinity : -6e38;
      const expected = [NaN, 0, -Infinity, 0, tooFar, 0, -4000, half, half];
      expect([...sync.logSigmoid(x, options)].slice(0, 9)).toEqual(expected);
      expect(Object.is(sync.logSigmoid(A.of(2000))[0], 0)).toBe(true);
    }
  });

  it('no results for no elements', () => {
    expect(sync.sigmoid(new Float32Array(0)).length).toBe(0);
    expect(sync.logSigmoid([])).toEqual([]);
    expect(sync.sigmoid(new Float64Array(0), { shape: [3, 0] }).length).toBe(0);
  });

  it('in the form of x: nested arrays, tensors, 16-bit data widened', () => {
    expect(sync.sigmoid([[0], [0]])).toEqual([[0.5], [0.5]]);
    const tensor = sync.sigmoid({ data: Float32Array.of(0, 0), dims: [1, 2] });
    expect(tensor).toEqual({ data: Float32Array.of(0.5, 0.5), dims: [1, 2] });
    const half = Uint16Array.of(0x3c00, 0xbc00); // 1 and -1
    const wide = sync.sigmoid(half, { dtype: 'float16', outType: 'float32' });
    expect(bits(wide)).toBe(bits(sync.sigmoid(Float32Array.of(1, -1))));
  });
});
