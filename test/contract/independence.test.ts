import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { expectSame, expectSameBits } from './same.js';
import { backendName } from './ways.js';

type Options = { readonly [name: string]: unknown };
type Op = (x: Elements, options: Options) => Elements;
type AsyncOp = (x: Elements, options: Options) => Promise<Elements>;

const ops = [
  ['softmax', sync.softmax as Op, promises.softmax as AsyncOp],
  ['logSoftmax', sync.logSoftmax as Op, promises.logSoftmax as AsyncOp],
  ['logSumExp', sync.logSumExp as Op, promises.logSumExp as AsyncOp],
] as const;

const lengths = [1, 2, 3, 4, 5, 7, 8, 10, 13, 16, 17, 31, 32, 33, 64, 100, 257, 1000];

describe(`A row's bits depend on that row alone, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    for (const [name, op, asyncOp] of ops) {
      const options = { dtype: type, temperature: 0.7 };

      it(`not on the batch around it, or its place in it: ${name} of ${type}`, () => {
        for (const length of lengths) {
          const random = new Random(`batch ${type} ${length}`);
          const row = elements(random.fill(new Float64Array(length), 20), type);
          const alone = op(row, options);
          for (const rows of [2, 3, 4, 7, 16, 17, 33, 70]) {
            const batch = elements(random.fill(new Float64Array(rows * length), 50), type);
            for (const place of new Set([0, 1, rows >> 1, rows - 1])) {
              batch.set(row, place * length);
              const result = op(batch, { shape: [rows, length], ...options });
              const size = name === 'logSumExp' ? 1 : length;
              const received = result.subarray(place * size, (place + 1) * size);
              expectSameBits(received, alone, `row ${place} of ${rows} × ${length}`);
            }
          }
        }
      });

      it(`not on how many rows there are, how near 0, or whether results replace them: ${name} of ${type}`, () => {
        for (let length = 2; length <= 18; length++) {
          const random = new Random(`rows ${type} ${name} ${length}`);
          const size = name === 'logSumExp' ? 1 : length;
          const most = 40;
          const values = random.fill(new Float64Array(most * length), 2);
          for (let row = 0; row < most; row++) {
            const offset = [0, 0, 26, 27.7, 28, -27.7, -60][random.below(7)];
            const scale = [1, 1, 2 ** -40, 2 ** -130][random.below(4)];
            for (let i = row * length; i < (row + 1) * length; i++) values[i] = values[i] * scale + offset;
          }
          const all = elements(values, type);
          const alone = Array.from({ length: most }, (_, row) =>
            op(all.slice(row * length, (row + 1) * length), { dtype: type }),
          );
          for (let rows = 2; rows <= most; rows++) {
            const batch = all.slice(0, rows * length);
            const given = { shape: [rows, length], dtype: type };
            const apart = op(batch, given);
            const inPlace = name === 'logSumExp' ? apart : op(batch, { ...given, out: batch });
            for (const [where, result] of [
              ['apart', apart],
              ['in place', inPlace],
            ] as const) {
              for (let row = 0; row < rows; row++) {
                const received = result.subarray(row * size, (row + 1) * size);
                expectSameBits(received, alone[row], `row ${row} of ${rows} × ${length}, ${where}`);
              }
            }
          }
        }
      });

      it(`not where its logits lie far apart, or half-way between two reductions: ${name} of ${type}`, () => {
        const random = new Random(`far ${type} ${name}`);
        for (let length = 1; length <= 67; length++) {
          for (const [spread, step, temperature] of [
            [120, 2 ** -8, 1], // some of the terms vanish
            [4, 2 ** -4, Math.LOG2E], // x * c is a whole number and a half, in eighths
          ] as const) {
            const rows = 17;
            const values = random.fill(new Float64Array(rows * length), spread);
            for (let i = 0; i < values.length; i++) values[i] = Math.round(values[i] / step) * step;
            values[random.below(values.length)] = Number.NEGATIVE_INFINITY;
            const batch = elements(values, type);
            const result = op(batch, { shape: [rows, length], dtype: type, temperature });
            const size = name === 'logSumExp' ? 1 : length;
            for (let row = 0; row < rows; row++) {
              const alone = op(batch.slice(row * length, (row + 1) * length), { dtype: type, temperature });
              const received = result.subarray(row * size, (row + 1) * size);
              expectSameBits(received, alone, `row ${row} of ${rows} × ${length}`);
            }
          }
        }
      });

      it(`not on rows around it that need more care: ${name} of ${type}`, () => {
        const rows = 40;
        for (const length of [4, 10, 21, 32, 64, 100, 130, 257, 1000, 2048]) {
          const random = new Random(`care ${type} ${length}`);
          const batch = elements(random.fill(new Float64Array(rows * length), 20), type);
          for (const [row, value] of [
            [0, NaN],
            [9, Number.POSITIVE_INFINITY],
            [15, 3e4],
            [16, NaN],
            [23, Number.NEGATIVE_INFINITY],
            [39, type === 'float64' ? 1e300 : 3e38],
          ] as const) {
            batch.set(elements([value], type), row * length + random.below(length));
          }
          const result = op(batch, { shape: [rows, length], ...options });
          const size = name === 'logSumExp' ? 1 : length;
          for (let row = 0; row < rows; row++) {
            const alone = op(batch.slice(row * length, (row + 1) * length), options);
            const received = result.subarray(row * size, (row + 1) * size);
            expectSameBits(received, alone, `row ${row} of ${rows} × ${length}`);
          }
        }
      });

      it(`not on threads, memory, or sync and async: ${name} of ${type}`, async () => {
        for (const [rows, length] of [
          [1, 4],
          [1, 1000],
          [1000, 4],
          [517, 10],
          [300, 129],
          [3, 70_000],
          [1, 300_000],
        ]) {
          const x = elements(new Random(`${rows} ${length}`).fill(new Float64Array(rows * length), 20), type);
          const shape = { shape: [rows, length], ...options };
          const place = `${rows} × ${length}`;
          const expected = bits(op(x, shape));
          for (const threads of [1, 2, 5]) {
            expectSame(bits(op(x, { threads, ...shape })), expected, `${threads} threads, ${place}`);
          }
          expectSame(bits(await asyncOp(x, shape)), expected, `async, ${place}`);
          const out = op(x, shape);
          expectSame(op(x, { out, ...shape }), out);
          expectSame(bits(out), expected, `into out, ${place}`);
          if (name === 'logSumExp') continue;
          const inPlace = x.slice();
          op(inPlace, { out: inPlace, ...shape });
          expectSame(bits(inPlace), expected, `in place, ${place}`);
          const again = x.slice();
          await asyncOp(again, { out: again, ...shape });
          expectSame(bits(again), expected, `in place, async, ${place}`);
          const shared = new SharedArrayBuffer(x.byteLength);
          const view = new (x.constructor as new (memory: SharedArrayBuffer) => Elements)(shared);
          view.set(x);
          await asyncOp(view, { out: view, ...shape });
          expectSame(bits(view), expected, `shared memory, ${place}`);
        }
      });
    }
  }

  it('nor along another axis on where lines and pages cut it', () => {
    for (const type of elementTypes) {
      for (const shape of [
        [70, 4096],
        [260, 1024],
        [3, 33, 2816],
      ]) {
        const count = shape.reduce((a, b) => a * b);
        const options = { dtype: type, shape, axis: -2 };
        const x = elements(new Random(`${type} ${shape}`).fill(new Float64Array(count), 20), type);
        const expected = bits((sync.softmax as Op)(x, { ...options, threads: 1 }));
        const room = elements(new Float64Array(count + 40), type);
        for (const at of [0, 3, 4, 13, 16, 33]) {
          const placed = room.subarray(at, at + count) as Elements;
          placed.set(x);
          const place = `${type} ${shape} from ${at}`;
          for (const threads of [1, 2, 5]) {
            const result = (sync.softmax as Op)(placed, { ...options, threads });
            expectSame(bits(result), expected, `${place}, ${threads} threads`);
          }
          (sync.softmax as Op)(placed, { ...options, out: placed });
          expectSame(bits(placed), expected, `${place}, in place`);
        }
      }
    }
  });

  it('nor do losses, whatever share of the classes the target has', () => {
    for (const length of [...lengths, 65, 128, 140]) {
      const rows = 37;
      const random = new Random(`losses ${length}`);
      const x = Float32Array.from(random.fill(new Float64Array(rows * length), 20));
      const shares = sync.softmax(Float32Array.from(random.fill(new Float64Array(rows * length), 5)), {
        shape: [rows, length],
      });
      const classes = Int32Array.from({ length: rows }, (_, row) =>
        row % 9 === 8 ? -100 : random.below(length),
      );
      const weights = random.fill(new Float64Array(length), 1).map(Math.abs);
      for (const options of [
        { labelSmoothing: 0.1 },
        { labelSmoothing: 1, temperature: 0.37, weights },
        { temperature: 3 },
        {},
      ]) {
        for (const targets of [classes, shares]) {
          const size = targets === shares ? length : 1;
          const given = { ...options, reduction: 'none' } as const;
          const all = sync.crossEntropy(x, targets, { ...given, shape: [rows, length] });
          for (let row = 0; row < rows; row++) {
            const own = targets.subarray(row * size, (row + 1) * size);
            const alone = sync.crossEntropy(x.subarray(row * length, (row + 1) * length), own, {
              ...given,
              shape: [1, length],
            });
            expectSame(all[row], alone[0], `row ${row} of ${length} classes`);
          }
        }
      }
    }
  });

  it('nor do draws depend on anything but the seed, the row number and the row', async () => {
    const x = new Random('draws').fill(new Float32Array(300 * 40), 4);
    const options = { shape: [300, 40], seed: 9, count: 2, topP: 0.9 };
    const draws = [...sync.sample(x, options)];
    expect([...sync.sample(x, { threads: 1, ...options })]).toEqual(draws);
    expect([...(await promises.sample(x, options))]).toEqual(draws);
    expect([...sync.sample(x.subarray(0, 400), { ...options, shape: [10, 40] })]).toEqual(draws.slice(0, 20));
    const more = [...sync.sample(x, { ...options, count: 5 })];
    expect(more.filter((_, i) => i % 5 < 2)).toEqual(draws);
  });

  it('an aborted call writes nothing', async () => {
    const x = new Random('abort').fill(new Float32Array(200_000), 4);
    const out = new Float32Array(x.length).fill(7);
    const controller = new AbortController();
    const call = promises.softmax(x, { shape: [2000, 100], out, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    expect(out.every((value) => value === 7)).toBe(true);
  });

  it('a call works on the logits as they were when it was made', async () => {
    const x = new Random('copies').fill(new Float32Array(100_000), 4);
    const expected = bits(sync.softmax(x, { shape: [1000, 100] }));
    const call = promises.softmax(x, { shape: [1000, 100] });
    x.fill(NaN);
    expect(bits(await call)).toBe(expected);
  });
});
