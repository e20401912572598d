/** A bitmask has the result, bit for bit, of the `where` that it stands for. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import { bits, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { type Call, type Options, operations, routes } from './routes.js';
import { expectSameBits } from './same.js';
import { backendName } from './ways.js';

const LONGEST = 140;
/** Whole segments and streamed rows leave something of these. */
const LONG = [1000, 4128, 9001, 270_001];

type Kept = (row: number, c: number) => boolean;

/** The words of `rows` rows, with garbage past the last class. */
function bitmaskOf(kept: Kept, rows: number, length: number, random: Random): Uint32Array {
  const words = Math.ceil(length / 32);
  return Uint32Array.from({ length: rows * words }, (_, at) => {
    const [row, word] = [Math.floor(at / words), at % words];
    let bitsOfWord = 0;
    for (let bit = 0; bit < 32; bit++) {
      const c = word * 32 + bit;
      if (c < length ? kept(row, c) : random.below(2)) bitsOfWord |= 1 << bit;
    }
    return bitsOfWord >>> 0;
  });
}

function whereOf(kept: Kept, rows: number, length: number): Uint8Array {
  const where = new Uint8Array(rows * length);
  for (let row = 0; row < rows; row++)
    for (let c = 0; c < length; c++) where[row * length + c] = Number(kept(row, c));
  return where;
}

/** All, some, few or none of the classes of a row. */
function randomKept(random: Random, rows: number, length: number): Kept {
  const all = new Uint8Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const rate = [0, 1, 0.5, 0.05, 0.95][random.below(5)];
    for (let c = 0; c < length; c++) all[row * length + c] = Number(random.next() < rate);
  }
  return (row, c) => all[row * length + c] === 1;
}

const functions: { readonly [name: string]: (x: object, options: Options) => object } = {
  softmax: sync.softmax as never,
  logSoftmax: sync.logSoftmax as never,
  logSumExp: sync.logSumExp as never,
};

describe(`bitmask on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    it(`has the bits of where: every length to ${LONGEST} and some more, of ${type}`, () => {
      for (const length of [...Array(LONGEST + 1).keys(), ...LONG]) {
        for (const rows of length > LONGEST ? [2] : [1, 3, 18]) {
          const random = new Random(`bitmask ${type} ${length} ${rows}`);
          const x = elements(random.fill(new Float64Array(rows * length), 20), type);
          const kept = randomKept(random, rows, length);
          if (length > 0 && random.below(3) === 0) x[random.below(x.length)] = elements([NaN], type)[0];
          const options = { shape: [rows, length], dtype: type };
          for (const isShared of [false, true]) {
            const count = isShared ? 1 : rows;
            const where = whereOf(kept, count, length);
            const words = bitmaskOf(kept, count, length, random);
            const bitmask = random.below(2) ? words : new Int32Array(words.buffer);
            const expected = {
              ...options,
              where: { data: where, dims: isShared ? [length] : [rows, length] },
            };
            for (const [name, op] of Object.entries(functions)) {
              const place = `${name} of ${rows} × ${length}${isShared ? ', shared' : ''}`;
              expectSameBits(op(x, { ...options, bitmask }), op(x, expected), place);
              if (name !== 'softmax' || length === 0) continue;
              const inPlace = x.slice();
              op(inPlace, { ...options, bitmask, out: inPlace });
              expectSameBits(inPlace, op(x, expected), `${place}, in place`);
              // Beside `where` both must allow, and beside lengths too.
              const other = randomKept(random, rows, length);
              const both = { ...options, bitmask, where: whereOf(other, rows, length) };
              const row = (r: number) => (isShared ? 0 : r);
              const meets = whereOf((r, c) => kept(row(r), c) && other(r, c), rows, length);
              const lengths = Array.from({ length: rows }, () => random.below(length + 1));
              for (const more of [{}, { lengths }])
                expectSameBits(
                  op(x, { ...both, ...more }),
                  op(x, { ...options, ...more, where: meets }),
                  `${place}, with where`,
                );
            }
          }
        }
      }
    });
  }

  for (const [op, { variants }] of Object.entries(operations)) {
    it(`has the bits of where by every route: ${op}`, async () => {
      for (const [variant, own] of Object.entries(variants)) {
        for (const type of elementTypes) {
          for (const [shape, axis] of [
            [[7, 50], -1],
            [[3, 21], 0],
            [[2, 45, 3], 1],
            [
              [4, 3, 21],
              [0, 2],
            ],
            [[2, 5000], -1],
          ] as const) {
            const axes = [axis].flat().map((at) => (at + shape.length) % shape.length);
            const length = axes.reduce((product, at) => product * shape[at], 1);
            const elementsOfX = shape.reduce((product: number, size) => product * size, 1);
            const rows = elementsOfX / length;
            const random = new Random(`routes ${op} ${type} ${shape}`);
            const kept = randomKept(random, rows, length);
            const bitmask = bitmaskOf(kept, rows, length, random);
            const where = new Uint8Array(elementsOfX);
            // Rows in the order of results: by the indices that are no axis; classes by those that are.
            for (let at = 0; at < elementsOfX; at++) {
              let [row, c] = [0, 0];
              for (let i = 0, rest = at, step = elementsOfX; i < shape.length; i++) {
                step /= shape[i];
                const index = Math.floor(rest / step);
                rest %= step;
                if (axes.includes(i)) c = c * shape[i] + index;
                else row = row * shape[i] + index;
              }
              where[at] = Number(kept(row, c));
            }
            const x = elements(random.fill(new Float64Array(elementsOfX), 10), type);
            const call = (masks: Options): Call => ({
              x: x.slice(),
              rows: { shape, axis, dtype: type, ...masks },
              count: rows,
              own,
              targets: Int32Array.from({ length: rows }, (_, row) => (row * 7) % length),
            });
            if (own.k !== undefined && (own.k as number) > length) continue;
            if (op === 'logProb' && own.classes === undefined) continue; // its classes are for other shapes
            const expected = await routes.synchronously(op, call({ where }));
            for (const [route, run] of Object.entries(routes)) {
              const received = await run(op, call({ bitmask }));
              const place = `${variant} of ${type} [${shape}] along ${axis}, ${route}`;
              expect(
                received.map((array) => bits(array as never)),
                place,
              ).toEqual(expected.map((array) => bits(array as never)));
            }
          }
        }
      }
    });
  }

  it('is a copy of its own once a promise or a prepared call has begun', async () => {
    const promises = await import('../../lib/promises.js');
    const x = new Random('copy').fill(new Float32Array(64 * 1000), 10);
    const bitmask = new Uint32Array(64 * 32).fill(0x0f0f0f0f);
    const options = { shape: [64, 1000], bitmask };
    const expected = bits(sync.softmax(x, options));
    const call = sync.prepare('softmax', options);
    call.input.set(x);
    const promise = promises.softmax(x, options);
    bitmask.fill(0);
    expect(bits(await promise)).toBe(expected);
    expect(bits(call.run())).toBe(expected);
  });
});
