/** Rows under masks, padded or of 16 bits are copied in sets; a row keeps the bits that it has alone, whatever is beside it. */
import { describe, it } from 'vitest';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { expectSame } from './same.js';
import { backendName } from './ways.js';

type Op = (x: Elements, options: object) => Elements;
const ops: { readonly [name: string]: Op } = {
  softmax: sync.softmax as Op,
  logSoftmax: sync.logSoftmax as Op,
  logSumExp: sync.logSumExp as Op,
};

const rows = 37;
const lengths = [
  1, 2, 3, 4, 5, 7, 8, 10, 13, 15, 16, 17, 21, 31, 32, 33, 48, 64, 65, 100, 128, 129, 200, 257, 1000,
];

/** Ordinary logits; `hard`: rows with NaN, infinities, huge logits and nothing but -Infinity among them. */
function logits(random: Random, length: number, hard: boolean): Float64Array {
  const x = random.fill(new Float64Array(rows * length), 20);
  if (!hard) return x;
  const values = [NaN, Infinity, -Infinity, -Infinity, 3e4, -3e4];
  for (let i = 0; i < 9; i++) x[random.below(x.length)] = values[random.below(values.length)];
  x.fill(-Infinity, 5 * length, 6 * length);
  return x;
}

function masks(random: Random, length: number): { readonly [name: string]: (row?: number) => object } {
  const where = new Uint8Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const rate = [0, 1, 0.5, 0.1, 0.9][random.below(5)];
    for (let c = 0; c < length; c++)
      where[row * length + c] = random.next() < rate ? 1 + random.below(255) : 0;
  }
  const valid = Uint32Array.from({ length: rows }, () => random.below(length + 1));
  const whereOf = (row?: number) =>
    row === undefined ? where : where.subarray(row * length, (row + 1) * length);
  const validOf = (row?: number) => (row === undefined ? valid : valid.subarray(row, row + 1));
  return {
    none: () => ({}),
    where: (row) => ({ where: whereOf(row) }),
    'where for all': () => ({ where: where.subarray(0, length) }),
    lengths: (row) => ({ lengths: validOf(row) }),
    'where and lengths': (row) => ({ where: whereOf(row), lengths: validOf(row) }),
  };
}

describe(`Rows that are copied, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    for (const [name, op] of Object.entries(ops)) {
      it(`have the bits of each alone: ${name} of ${type}`, () => {
        for (const length of lengths) {
          for (const hard of [false, true]) {
            const random = new Random(`copied ${name} ${type} ${length} ${hard}`);
            const x = elements(logits(random, length, hard), type);
            const size = name === 'logSumExp' ? 1 : length;
            for (const [masked, mask] of Object.entries(masks(random, length))) {
              const temperature = random.below(3) === 0 ? 0.7 : 1;
              const options = { shape: [rows, length], dtype: type, temperature, ...mask() };
              const all = op(x, options);
              const place = `${length} classes${hard ? ', hard' : ''}, ${masked}`;
              for (let row = 0; row < rows; row++) {
                const alone = op(x.slice(row * length, (row + 1) * length), {
                  ...options,
                  shape: [1, length],
                  ...mask(row),
                });
                const received = all.subarray(row * size, (row + 1) * size);
                expectSame(bits(received), bits(alone), `${place}, row ${row}`);
              }
              if (name === 'logSumExp') continue;
              const inPlace = x.slice();
              op(inPlace, { ...options, out: inPlace });
              expectSame(bits(inPlace), bits(all), `${place}, in place`);
              if (type === 'float32' || type === 'float64') continue;
              const wide = op(x, { ...options, outType: 'float32' });
              const wideAlone = op(x.slice(0, length), {
                ...options,
                outType: 'float32',
                shape: [1, length],
                ...mask(0),
              });
              expectSame(bits(wide.subarray(0, length)), bits(wideAlone), `${place}, widened`);
            }
          }
        }
      });

      it(`have the bits of each alone where they are ragged: ${name} of ${type}`, () => {
        const random = new Random(`ragged ${name} ${type}`);
        const sizes: number[] = [];
        // Runs of one length, and rows of other lengths between them.
        for (let run = 0; run < 40; run++) {
          const length = random.below(5) === 0 ? random.below(400) : random.below(21);
          for (let row = [1, 2, 3, 5, 40][random.below(5)]; row > 0; row--) sizes.push(length);
        }
        const offsets = [0];
        for (const size of sizes) offsets.push(offsets[offsets.length - 1] + size);
        const count = offsets[sizes.length];
        const values = random.fill(new Float64Array(count), 20);
        for (let i = 0; i < 20; i++)
          values[random.below(count)] = [NaN, Infinity, -Infinity][random.below(3)];
        const x = elements(values, type);
        const where = Uint8Array.from({ length: count }, () => Number(random.below(3) > 0));
        for (const masked of [false, true]) {
          const mask = masked ? { where } : {};
          const all = op(x, { offsets, dtype: type, ...mask });
          for (let row = 0; row < sizes.length; row++) {
            const [start, end] = [offsets[row], offsets[row + 1]];
            const own = masked ? { where: where.subarray(start, end) } : {};
            const alone = op(x.slice(start, end), { dtype: type, ...own });
            const received = name === 'logSumExp' ? all.subarray(row, row + 1) : all.subarray(start, end);
            expectSame(bits(received), bits(alone), `row ${row} of ${sizes[row]}${masked ? ', masked' : ''}`);
          }
          if (name === 'logSumExp') continue;
          const inPlace = x.slice();
          op(inPlace, { offsets, dtype: type, ...mask, out: inPlace });
          expectSame(bits(inPlace), bits(all), 'in place');
        }
      });
    }
  }
});
