/** logProb: the bits of logSoftmax for given classes, their ranks in the order of topK, and the classes alone. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { ElementType } from '../../lib/backends/problem.js';
import { logProb, logSoftmax, prepare, topK } from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { exactRow, ulpDistance } from '../oracle.js';
import { Random, seed } from '../random.js';
import { backendName, ways } from './ways.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const reducedOf = (type: ElementType) => (type === 'float64' ? 'float64' : 'float32');

/** Ranks by definition: the place among all classes that take part, in the order of topK. */
function ranksOf(logits: ArrayLike<number>, takesPart: (i: number) => boolean): number[] {
  const order = Array.from(logits, (_, i) => i).filter(takesPart);
  const key = (i: number) => (Number.isNaN(logits[i]) ? Infinity : logits[i]);
  order.sort(
    (a, b) =>
      Number(Number.isNaN(logits[b])) - Number(Number.isNaN(logits[a])) ||
      (key(a) === key(b) ? a - b : key(b) - key(a)),
  );
  return Array.from(logits, (_, i) => order.indexOf(i) + 1);
}

describe(`logProb on ${backendName} (seed ${seed})`, () => {
  for (const [way, api] of ways) {
    for (const type of elementTypes) {
      it(`gives the bits of logSoftmax, and ranks, for every length: ${type}, ${way}`, async () => {
        const random = new Random(`logProb ${type}`);
        for (let length = 1; length <= 67; length++) {
          for (const [rows, temperature] of [
            [1, 1],
            [37, 0.7],
          ]) {
            // Of few values, so that there are ties.
            const values = random
              .fill(new Float64Array(rows * length), 12)
              .map((x, i) => (i % 3 ? x : Math.round(x)));
            const x = elements(values, type);
            const options = { shape: [rows, length], temperature, dtype: type };
            const n = 1 + random.below(3);
            const classes = Int32Array.from({ length: rows * n }, () => random.below(length));
            const ranks = new Uint32Array(rows * n);
            const received = (await api.logProb(x, classes, { ...options, ranks })) as Elements;
            const outType = type === 'float64' ? {} : { outType: 'float32' as const };
            const all = (await api.logSoftmax(x, { ...options, ...outType })) as Elements;
            const expected = received.slice();
            classes.forEach((one, i) => {
              expected[i] = all[Math.floor(i / n) * length + one];
            });
            expect(bits(received), `${rows} × ${length}`).toBe(bits(expected));
            const logits = numbers(x, type);
            for (let row = 0; row < rows; row++) {
              const order = ranksOf(logits.subarray(row * length, (row + 1) * length), () => true);
              for (let i = row * n; i < (row + 1) * n; i++)
                expect(ranks[i], `${rows} × ${length}, row ${row}`).toBe(order[classes[i]]);
            }
          }
        }
      });
    }

    it(`counts only what takes part, in long rows, by masks, lengths and offsets, ${way}`, async () => {
      const random = new Random('logProb of rows');
      const x = random.fill(new Float32Array(3 * 1500), 9).map((v) => Math.round(v * 8) / 8);
      x.fill(-inf, 20, 30);
      const where = Uint8Array.from(x, (_, i) => (i % 3 === 1 ? 0 : 1));
      for (const [options, starts, lengths] of [
        [{ shape: [3, 1500] }, [0, 1500, 3000], [1500, 1500, 1500]],
        [{ shape: [3, 1500], where }, [0, 1500, 3000], [1500, 1500, 1500]],
        [{ shape: [3, 1500], lengths: [1500, 200, 1000] }, [0, 1500, 3000], [1500, 200, 1000]],
        [{ offsets: [0, 400, 1000, 4500] }, [0, 400, 1000], [400, 600, 3500]],
      ] as const) {
        const classes = [0, 1, 25, 399, 399, 22];
        const ranks = new Uint32Array(18);
        const received = await api.logProb(x, classes, { ...options, shared: true, ranks });
        const all = await api.logSoftmax(x, { ...options });
        for (let row = 0; row < 3; row++) {
          const logits = x.subarray(starts[row], starts[row] + lengths[row]);
          const takesPart = (i: number) => !('where' in options) || where[starts[row] + i] === 1;
          const order = ranksOf(logits, takesPart);
          classes.forEach((one, i) => {
            const isHere = one < lengths[row];
            expect(received[row * 6 + i], `row ${row}, class ${one}`).toBe(
              isHere ? all[starts[row] + one] : -inf,
            );
            expect(ranks[row * 6 + i], `row ${row}, class ${one}`).toBe(isHere ? order[one] : 0);
          });
        }
      }
    });

    it(`has n in the place of the axis, ${way}`, async () => {
      const x = new Random('logProb axes').fill(new Float64Array(2 * 5 * 3), 4);
      const classes = [
        [
          [0, 1, 2],
          [4, -100, 3],
        ],
        [
          [1, 1, 0],
          [2, 2, 2],
        ],
      ];
      const ranks = new Uint32Array(12);
      const options = { shape: [2, 5, 3], axis: 1 };
      const received = await api.logProb(x, classes, { ...options, ranks });
      const all = logSoftmax(x, options);
      for (let o = 0; o < 2; o++) {
        for (let j = 0; j < 2; j++) {
          for (let i = 0; i < 3; i++) {
            const one = classes[o][j][i];
            const at = o * 6 + j * 3 + i;
            expect(received[at]).toBe(one === -100 ? 0 : all[o * 15 + one * 3 + i]);
            const column = Array.from({ length: 5 }, (_, c) => x[o * 15 + c * 3 + i]);
            expect(ranks[at]).toBe(one === -100 ? 0 : ranksOf(column, () => true)[one]);
          }
        }
      }
      expect(await api.logProb(x, Int32Array.from(classes.flat(2)), options)).toEqual(received);
      expect(await api.logProb({ data: x, dims: [2, 5, 3] }, classes, { axis: 1 })).toEqual({
        data: received,
        dims: [2, 2, 3],
      });
      // Axes that lie apart: classes count row-major over them.
      const apartOptions = { shape: [2, 5, 3], axis: [0, 2] };
      const flat = logSoftmax(x, apartOptions);
      const own = Array.from({ length: 10 }, (_, at) => (at * 5) % 6); // [2, 5]: n in the place of the first axis
      const apart = await api.logProb(x, own, apartOptions);
      own.forEach((one, at) => {
        expect(apart[at]).toBe(flat[Math.floor(one / 3) * 15 + (at % 5) * 3 + (one % 3)]);
      });
      const alike = await api.logProb(x, [0, 5], { ...apartOptions, shared: true });
      for (let row = 0; row < 5; row++) {
        expect(alike[row]).toBe(flat[row * 3]);
        expect(alike[5 + row]).toBe(flat[15 + row * 3 + 2]);
      }
    });
  }

  it('a row without probabilities: NaN for what takes part, ranks as topK has them', () => {
    const x = Float64Array.of(2, nan, 5, nan, inf, 2, 5, 1, -inf, -inf, -inf, -inf);
    const ranks = new Uint32Array(12);
    const classes = [0, 1, 2, 3];
    const shape = [3, 4];
    expect([...logProb(x, classes, { shape, shared: true, ranks })]).toEqual(new Array(12).fill(nan));
    const { indices } = topK(x, 4, { shape });
    indices.forEach((index, i) => {
      expect(ranks[Math.floor(i / 4) * 4 + index]).toBe((i % 4) + 1);
    });
    const where = Uint8Array.of(1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0);
    const third = Math.log(1 + Math.exp(3));
    const received = logProb(x, classes, { shape, shared: true, ranks, where });
    expect([...received].slice(0, 4)).toEqual([-third, -inf, expect.closeTo(3 - third, 14), -inf]);
    expect([...ranks]).toEqual([2, 0, 1, 0, 0, 2, 1, 3, 0, 0, 0, 0]);
    expect([...received].slice(8)).toEqual([-inf, -inf, -inf, -inf]);
  });

  it('what is ignored gives 0 and rank 0, whatever the row; ignoreIndex may be a class', () => {
    const ranks = new Uint32Array(4);
    expect(
      logProb(
        [
          [1, nan],
          [1, 1],
        ],
        [
          [-100, 0],
          [1, -100],
        ],
        { ranks: ranks },
      ),
    ).toEqual([
      [0, nan],
      [-Math.LN2, 0],
    ]);
    expect([...ranks]).toEqual([0, 2, 2, 0]);
    expect(logProb([5, 1, 1], [0, 1], { ignoreIndex: 0 })[0]).toBe(0);
    expect(logProb([5, 5, 1], [-7, 1], { ignoreIndex: -7, renormalize: true })).toEqual([0, 0]);
  });

  describe('renormalize', () => {
    for (const type of elementTypes) {
      it(`is the log-softmax of the given classes alone, each once: ${type}`, () => {
        const random = new Random(`renormalize ${type}`);
        const limit = type === 'float64' ? 4 : 2;
        for (const length of [1, 2, 5, 40, 300]) {
          const x = elements(random.fill(new Float64Array(3 * length), 20), type);
          const dtype = type === 'float16' || type === 'bfloat16' ? { dtype: type } : {};
          const logits = numbers(x, type);
          for (const n of [1, 2, 7, 30]) {
            const classes = Array.from({ length: 3 * n }, (_, i) =>
              i % 9 === 4 ? -100 : random.below(length),
            );
            const ranks = new Uint32Array(3 * n);
            const options = { shape: [3, length], temperature: 0.7, ...dtype };
            const received = logProb(x, classes, { ...options, renormalize: true, ranks });
            const plain = new Uint32Array(3 * n);
            logProb(x, classes, { ...options, ranks: plain });
            expect([...ranks]).toEqual([...plain]);
            for (let row = 0; row < 3; row++) {
              const own = classes.slice(row * n, (row + 1) * n);
              const set = [...new Set(own)].filter((one) => one !== -100);
              const exact = exactRow(
                set.map((one) => logits[row * length + one]),
                0.7,
              ).logSoftmax;
              own.forEach((one, i) => {
                const value = (received as Elements)[row * n + i];
                if (one === -100) expect(value).toBe(0);
                else
                  expect(
                    ulpDistance(value, exact, set.indexOf(one), reducedOf(type)),
                    `${length} classes, ${n} given`,
                  ).toBeLessThanOrEqual(limit);
              });
            }
          }
        }
      });
    }

    it('knows nothing of the other classes, and leaves out what is masked', () => {
      expect(logProb([nan, 2, 2, inf], [1, 2], { renormalize: true })).toEqual([-Math.LN2, -Math.LN2]);
      expect(logProb([1, 2, 2, 9], [1, 3, 1], { renormalize: true, where: [1, 1, 1, 0] })).toEqual([
        0,
        -inf,
        0,
      ]);
      expect(logProb([1, nan], [1, 0], { renormalize: true })).toEqual([nan, nan]);
      expect(logProb([-inf, 1], [0], { renormalize: true })).toEqual([nan]);
      expect(logProb([1, 2], [0, 1], { renormalize: true, where: [0, 0] })).toEqual([-inf, -inf]);
      const yes = Math.exp(logProb([3.2, 1.3, 0.2, 0.8], [0, 1], { renormalize: true })[0]);
      expect(yes).toBeCloseTo(1 / (1 + Math.exp(1.3 - 3.2)), 14);
    });
  });

  it('takes every kind of list, and gives the form of logSoftmax', () => {
    const x = Float32Array.of(3.2, 1.3, 0.2, 0.8, 1, 4, 2, 3);
    const shape = [2, 4];
    const expected = [...logProb(x, [0, 3, 1, 0], { shape })];
    for (const classes of [
      Int32Array.of(0, 3, 1, 0),
      Uint32Array.of(0, 3, 1, 0),
      BigInt64Array.of(0n, 3n, 1n, 0n),
      [
        [0, 3],
        [1, 0],
      ],
      { data: BigInt64Array.of(0n, 3n, 1n, 0n), dims: [2, 2] },
    ])
      expect([...logProb(x, classes, { shape })]).toEqual(expected);
    const out = new Float32Array(4);
    expect(logProb(x, [0, 3, 1, 0], { shape, out })).toBe(out);
    expect([...out]).toEqual(expected);
    expect(logProb(x, [], { shape })).toHaveLength(0);
    expect(logProb(new Float32Array(0), [], { shape: [0, 4] })).toHaveLength(0);
    expect(
      logProb(
        [
          [1, 2],
          [3, 4],
        ],
        [[], []],
      ),
    ).toEqual([[], []]);
    const lone = Float32Array.of(1, 2, 3);
    expect(bits(logProb(lone, [[0, 1]]))).toBe(bits(logProb(lone, [0, 1])));
    expect(() => logProb(lone, [[[0, 1]]])).toThrow('for classes but received dimensions [1, 1, 2]');
    expectTypeOf(logProb(x, [0])).toEqualTypeOf<Float32Array>();
    expectTypeOf(logProb([[1]], [0])).toEqualTypeOf<number[][]>();
    expectTypeOf(logProb(new Uint16Array(1), [0], { dtype: 'float16' })).toEqualTypeOf<Float32Array>();
  });

  it('prepared, the classes may change between two runs', async () => {
    using call = prepare('logProb', {
      shape: [2, 4],
      classes: [
        [0, 3],
        [1, 0],
      ],
      ranks: true,
    });
    call.input.set([3.2, 1.3, 0.2, 0.8, 1, 4, 2, 3]);
    const expected = (classes: number[]) => [...logProb(call.input, classes, { shape: [2, 4] })];
    expect([...call.run()]).toEqual(expected([0, 3, 1, 0]));
    expect([...(call.ranks as Uint32Array)]).toEqual([1, 3, 1, 4]);
    call.classes.set([2, 2, -100, 3]);
    expect([...(await call.runAsync())]).toEqual(expected([2, 2, -100, 3]));
    expect([...(call.ranks as Uint32Array)]).toEqual([4, 4, 0, 2]);
    call.classes[1] = 4;
    expect(() => call.run()).toThrow('Expected an integer from 0 to 3 for classes[1] but received 4');
    using first = prepare('logProb', { shape: [2, 4] });
    first.input.set(call.input);
    expect([...first.run()]).toEqual(expected([0, 0]));
    using shared = prepare('logProb', { shape: [2, 4], classes: [1, 2, 3], shared: true });
    shared.input.set(call.input);
    expect([...shared.run()]).toEqual([...logProb(call.input, [1, 2, 3], { shape: [2, 4], shared: true })]);
    using targets = prepare('crossEntropy', { shape: [2, 4], targets: [0, 1] });
    expect([...targets.targets]).toEqual([0, 1]);
  });
});
