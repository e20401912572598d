/**
 * klDivergence against decimal.js, and its special rows. PyTorch's and SciPy's answers are in references.test.ts; the record
 * of bits has its routes.
 */
import { Decimal } from 'decimal.js';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { klDivergence, prepare } from '../../lib/index.js';
import { type Elements, elements, elementTypes, numbers } from '../elements.js';
import { exponentialOf } from '../exponential.js';
import { exactly } from '../oracle.js';
import { Random, seed } from '../random.js';
import { backendName, ways } from './ways.js';

const Precise = Decimal.clone({ precision: 50, minE: -9e15, maxE: 9e15 });
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Logarithms of the softmax, and its values. */
function exactSoftmax(logits: ArrayLike<number>, temperature: number): { p: Decimal[]; log: Decimal[] } {
  const scaled = Array.from(logits, (x) => exactly(x).div(exactly(temperature)));
  const max = scaled.reduce((a, b) => (b.gt(a) ? b : a));
  const terms = scaled.map((x) => (x.isFinite() ? exponentialOf(new Precise(x.minus(max))) : new Precise(0)));
  const sum = terms.reduce((a, b) => a.plus(b));
  const log = sum.ln();
  return {
    p: terms.map((term) => term.div(sum)),
    log: scaled.map((x) => new Precise(x).minus(max).minus(log)),
  };
}

/** Σ p (ln p - ln q), by its definition. */
function exactDivergence(x: ArrayLike<number>, y: ArrayLike<number>, temperature: number): Decimal {
  const p = exactSoftmax(x, temperature);
  const q = exactSoftmax(y, temperature);
  let sum = new Precise(0);
  for (let i = 0; i < x.length; i++)
    if (x[i] !== -inf) sum = sum.plus(p.p[i].times(p.log[i].minus(q.log[i])));
  return sum;
}

/** A unit in the last place of a result. */
function ulp(value: number, type: 'float32' | 'float64'): number {
  const [bits, least] = type === 'float32' ? [23, -126] : [52, -1022];
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), least) - bits);
}

describe(`The divergence of rows, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    const reduced = type === 'float64' ? 'float64' : 'float32';
    const limit = reduced === 'float64' ? 16 : 4;
    const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
    const check = (left: ArrayLike<number>, right: ArrayLike<number>, temperature = 1) => {
      const x = elements(left, type);
      const y = elements(right, type);
      const [received] = klDivergence(x, y, { temperature, ...dtype }) as Float32Array;
      const exact = exactDivergence(numbers(x, type), numbers(y, type), temperature);
      const place = `${type}, ${x.length} classes, T ${temperature}: ${received}, and ${exact.toNumber()}`;
      if (reduced === 'float32' && exact.gt(3.4028235677973366e38)) return expect(received, place).toBe(inf);
      const off = exactly(received).minus(exact).abs().toNumber();
      expect(off <= 1e-30 || off / ulp(exact.toNumber(), reduced) <= limit, place).toBe(true);
      expect(received, place).toBeGreaterThanOrEqual(0);
    };

    it(`is within ${limit} ULP or 1e-30, for every length: ${type}`, () => {
      const random = new Random(`divergence ${type}`);
      for (let length = 1; length <= (reduced === type ? 67 : 20); length++) {
        const spread = [0.1, 3, 20][length % 3];
        const x = random.fill(new Float64Array(length), 10);
        check(
          x,
          x.map((value) => value + random.between(-spread, spread)),
          length % 2 === 0 ? 1 : 0.7,
        );
        check(random.fill(new Float64Array(length), spread), random.fill(new Float64Array(length), spread));
      }
    });

    it(`so it is for distributions that are all but equal, and shifted: ${type}`, () => {
      const random = new Random(`near divergence ${type}`);
      for (const length of reduced === type ? [2, 3, 10, 35] : [2, 17]) {
        for (const spread of [1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-11, 1e-14]) {
          const shift = [0, 3, -100][length % 3];
          const x = random.fill(new Float64Array(length), 5);
          check(
            x,
            x.map((value) => value + shift + random.between(-spread, spread)),
          );
          check(
            random.fill(new Float64Array(length), spread),
            random.fill(new Float64Array(length), spread),
            0.3,
          );
        }
        const equal = new Float64Array(length).fill(1);
        const other = equal.slice();
        other[0] += 1e-3;
        check(equal, other);
        check(other, equal);
        check(equal, equal);
      }
    });

    it(`so it is for long rows, near and far: ${type}`, () => {
      const random = new Random(`long divergence ${type}`);
      for (const length of reduced === type ? [300, 1100] : [300]) {
        const x = random.fill(new Float64Array(length), 10);
        check(x, random.fill(new Float64Array(length), 10), 1.3);
        check(
          x,
          x.map((value) => value + random.between(-0.5, 0.5)),
        );
        check(
          x,
          x.map((value) => value + random.between(-1e-4, 1e-4)),
          0.7,
        );
      }
    });

    if (type === 'float32' || type === 'float64')
      it.each([
        [[0, -40], [0, -41], 1],
        [[0, -40], [-40, 0], 1],
        [[0, -130], [0, -3e38], 1],
        [[0, -1000], [0, -1e38], 1],
        [[0, -3e38], [3e38, 0], 1],
        [[3e38, -3e38], [-3e38, 3e38], 1e38],
        [[0, 1e-38], [1e-38, 0], 1e-38],
        [[0, -60, 1], [1, -60, 0], 1e-3],
        [[1e-10, 10, 3], [1.5e-10, 10, 3], 1],
        [[1e4, 9990, 5], [1e4, 9991, 5], 1],
        [[0, -Infinity, 1], [1, -Infinity, 0], 1],
        [[0, -Infinity, 1], [1, 2, 0], 1],
        [[100, 0, 0], [0, 0, 0], 1],
        [[0, 0, 0], [100, 0, 0], 1],
      ] as const)(`of [%s] from [%s] over %s: ${type}`, (x, y, temperature) => {
        check(x, y, temperature);
      });
  }

  it.each([1e-100, 1e-240, 1e-250, 1e-290, 1e-300])(
    'of certain rows, at a temperature of %s',
    (temperature) => {
      expect(klDivergence([1, 2], [2, 1], { temperature })[0] * temperature).toBeCloseTo(1, 13);
      expect(klDivergence(Float32Array.of(1, 2), Float32Array.of(2, 1), { temperature })).toEqual(
        Float32Array.of(1 / temperature),
      );
    },
  );

  it('where p is 0 nothing is added, where q alone is 0 it is Infinity', () => {
    expect(klDivergence([0, -inf], [0, 0])).toEqual([Math.LN2]);
    expect(klDivergence([0, 0], [0, -inf])).toEqual([inf]);
    expect(klDivergence([0, -2000], [0, -inf])).toEqual([inf]);
    expect(klDivergence([0, 1, -inf], [0, 1, -inf])).toEqual([0]);
    for (const length of [3, 40, 1500]) {
      const x = new Float32Array(length);
      const y = new Float32Array(length);
      y[length - 1] = -inf;
      expect([...klDivergence(x, y)]).toEqual([inf]);
      expect(klDivergence(y, x)[0]).toBeCloseTo(Math.log(length / (length - 1)), 6);
    }
  });

  it('a row with NaN, +Infinity or nothing but -Infinity gives NaN; one with nothing left gives 0', () => {
    for (const odd of [nan, inf]) {
      for (const length of [2, 20, 100]) {
        const x = new Float32Array(length);
        const y = x.slice().fill(odd, 1, 2);
        expect([...klDivergence(x, y), ...klDivergence(y, x)]).toEqual([nan, nan]);
      }
    }
    expect(
      klDivergence(
        [
          [-inf, -inf],
          [1, 2],
        ],
        [
          [1, 2],
          [-inf, -inf],
        ],
      ),
    ).toEqual([nan, nan]);
    const where = [
      [0, 0],
      [1, 0],
    ];
    expect(
      klDivergence(
        [
          [nan, 1],
          [5, nan],
        ],
        [
          [1, inf],
          [3, 7],
        ],
        { where },
      ),
    ).toEqual([0, 0]);
    expect([...klDivergence(new Float32Array(0), new Float32Array(0), { shape: [2, 0] })]).toEqual([0, 0]);
    expect(klDivergence(new Float32Array(0), new Float32Array(0), { shape: [0, 2] })).toHaveLength(0);
  });

  for (const [way, api] of ways) {
    it(`keeps its row apart from the batch, by masks, lengths, offsets and along any axis, ${way}`, async () => {
      const random = new Random('divergence of rows');
      for (const [rows, length] of [
        [3, 5],
        [40, 4],
        [37, 21],
        [5, 300],
      ]) {
        const x = random.fill(new Float32Array(rows * length), 5);
        const y = random.fill(new Float32Array(rows * length), 5);
        const alone = (row: number, takesPart: (i: number) => boolean) => {
          const places = Array.from({ length }, (_, i) => i).filter(takesPart);
          const pick = (from: Float32Array) =>
            Float32Array.from({ length }, (_, i) => (places.includes(i) ? from[row * length + i] : -inf));
          return klDivergence(pick(x), pick(y))[0];
        };
        const shape = [rows, length];
        const whole = await api.klDivergence(x, y, { shape });
        const lengths = Array.from({ length: rows }, (_, row) => 1 + (row % length));
        const short = await api.klDivergence(x, y, { shape, lengths });
        const where = Uint8Array.from(x, (_, i) => (i % 3 === 1 ? 0 : 1));
        const masked = await api.klDivergence(x, y, { shape, where });
        const turned = (from: Float32Array) =>
          Float32Array.from(from, (_, at) => from[(at % rows) * length + Math.floor(at / rows)]);
        const along = await api.klDivergence(turned(x), turned(y), { shape: [length, rows], axis: 0 });
        const offsets = Uint32Array.from({ length: rows + 1 }, (_, row) => row * length);
        const ragged = await api.klDivergence(x, y, { offsets });
        for (let row = 0; row < rows; row++) {
          expect(whole[row], `row ${row}`).toBe(alone(row, () => true));
          expect(along[row]).toBe(whole[row]);
          expect(ragged[row]).toBe(whole[row]);
          expect(short[row]).toBeCloseTo(
            alone(row, (i) => i < lengths[row]),
            5,
          );
          expect(masked[row]).toBeCloseTo(
            alone(row, (i) => where[row * length + i] === 1),
            5,
          );
        }
      }
    });
  }

  it('rows that are near, far, certain, shifted or have holes keep their bits beside each other', () => {
    const random = new Random('divergence of mixed rows');
    for (const length of [1, 2, 3, 10, 24, 40, 128, 1100]) {
      const rows = 35;
      const x = random.fill(new Float32Array(rows * length), 10);
      const y = x.map((value, i) => {
        const row = Math.floor(i / length);
        const spread = [0.5, 20, 1e-4, 1e-7, 0][row % 5];
        return value + (row % 3 === 0 ? 7 : 0) + random.between(-spread, spread);
      });
      for (let row = 0; row < rows; row++) {
        if (row % 4 === 1) x[row * length] += 40;
        if (row % 7 === 2 && length > 1) x[row * length + 1] = -inf;
        if (row % 14 === 2 && length > 1) y[row * length + 1] = -inf;
        if (row === 33) y[row * length] = nan;
      }
      const together = klDivergence(x, y, { shape: [rows, length] });
      for (let row = 0; row < rows; row++) {
        const [from, to] = [row * length, (row + 1) * length];
        const alone = klDivergence(x.slice(from, to), y.slice(from, to))[0];
        expect(together[row], `row ${row} of ${length} classes`).toBe(alone);
      }
    }
  });

  it('a ragged or padded row has the bits that it has alone, whatever the longest row is', () => {
    const random = new Random('divergence of ragged rows');
    for (const lengths of [
      [3, 7, 1, 10, 2, 9],
      [3, 40, 5, 33, 31, 1],
      [1500, 6, 200, 17],
    ]) {
      const offsets = [0];
      for (const length of lengths) offsets.push(offsets[offsets.length - 1] + length);
      const x = random.fill(new Float32Array(offsets[lengths.length]), 5);
      const y = random.fill(new Float32Array(offsets[lengths.length]), 5);
      const together = klDivergence(x, y, { offsets });
      const longest = Math.max(...lengths);
      const padded = [x, y].map((logits) => {
        const rows = new Float32Array(lengths.length * longest);
        for (const row of lengths.keys()) {
          rows.set(logits.subarray(offsets[row], offsets[row + 1]), row * longest);
        }
        return rows;
      });
      const prefixes = klDivergence(padded[0], padded[1], {
        shape: [lengths.length, longest],
        lengths: Uint32Array.from(lengths),
      });
      for (const [row, length] of lengths.entries()) {
        const [from, to] = [offsets[row], offsets[row + 1]];
        const alone = klDivergence(x.slice(from, to), y.slice(from, to))[0];
        expect(together[row], `${length} of ${lengths}`).toBe(alone);
        expect(prefixes[row], `${length} of ${lengths}, padded`).toBe(alone);
      }
    }
  });

  it('takes y in another form, memory for the result, and gives the form of logSumExp', () => {
    const x = Float32Array.of(3.2, 1.3, 0.2, 0.8);
    const y = [3, 1, 0, 1];
    const [expected] = klDivergence(x, Float32Array.from(y));
    expect(klDivergence(x, y)[0]).toBe(expected);
    expect(klDivergence({ data: x, dims: [1, 4] }, [y])).toEqual({
      data: Float32Array.of(expected),
      dims: [1],
    });
    expect(klDivergence(x, { data: Float32Array.from(y), dims: [4] })[0]).toBe(expected);
    const out = new Float32Array(1);
    expect(klDivergence(x, y, { out })).toBe(out);
    const apart = klDivergence(
      new Float64Array(30).map((_, i) => i % 7),
      new Float64Array(30),
      {
        shape: [2, 5, 3],
        axis: [0, 2],
      },
    );
    expect(apart[1]).toBe(klDivergence(Float64Array.of(3, 4, 5, 4, 5, 6), new Float64Array(6))[0]);
    expectTypeOf(klDivergence(x, y)).toEqualTypeOf<Float32Array>();
    expectTypeOf(klDivergence([[1]], [[1]])).toEqualTypeOf<number[]>();
  });

  it('prepared, both may change between two runs', async () => {
    using call = prepare('klDivergence', { shape: [2, 3] });
    call.input.set([1, 2, 3, 1, 2, 4]);
    call.other.set([3, 2, 1, 1, 2, 4]);
    const expected = () => [...klDivergence(call.input, call.other, { shape: [2, 3] })];
    expect([...call.run()]).toEqual(expected());
    expect(call.output[1]).toBe(0);
    call.other[5] = 9;
    expect([...(await call.runAsync())]).toEqual(expected());
    expect(call.output[1]).toBeGreaterThan(0);
    for (const dtype of ['float32', 'float64'] as const) {
      using given = prepare('klDivergence', { shape: [1, 3], dtype, other: [[1, 2, 3]] });
      given.input.set([3, 2, 1]);
      expect(given.run()[0]).toBeCloseTo(klDivergence([3, 2, 1], [1, 2, 3])[0], 6);
    }
    const halves: Elements = elements([1, 2, 3, 4], 'bfloat16');
    using half = prepare('klDivergence', { shape: [4], dtype: 'bfloat16' });
    half.input.set(halves);
    half.other.set(halves);
    expect([...half.run()]).toEqual([0]);
  });
});
