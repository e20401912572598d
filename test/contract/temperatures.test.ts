/** A temperature for each row: a row has the bits that it has where its temperature is given as a number. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes } from '../elements.js';
import { Random, seed } from '../random.js';
import { type Call, operations, routes } from './routes.js';
import { expectSame } from './same.js';
import { backendName } from './ways.js';

/** Some side by side are the same, and rows of one are between others. */
const temperatures = [0.5, 0.5, 2, 1, 1, 1, 1e-3, 0.5, 3, 1e200, 0.7, 0.7, 1e-200, 2 ** -16, 1, 25, 0.9];

/** Where the elements of row `row` lie in an array that has as many as x, or so many of them for each row. */
type Places = (row: number, length: number) => readonly number[];

interface Layout {
  readonly rows: Call['rows'];
  readonly elements: number;
  readonly classes: (row: number) => number;
  readonly places: Places;
}

const together: Places = (row, length) =>
  range(row * (length / temperatures.length), length / temperatures.length);
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

function rectangular(length: number): Layout {
  const count = temperatures.length;
  const rows = { shape: [count, length] };
  return { rows, elements: count * length, classes: () => length, places: together };
}

/** 17 rows side by side, their classes apart. */
function across(length: number): Layout {
  const count = temperatures.length;
  const rows = { shape: [1, length, count], axis: 1 };
  const places: Places = (row, all) =>
    // Draws of one row lie together.
    all === count ? [row] : range(0, all / count).map((i) => i * count + row);
  return { rows, elements: count * length, classes: () => length, places };
}

function ragged(most: number): Layout {
  const random = new Random(`ragged ${most}`);
  const offsets = new Uint32Array(temperatures.length + 1);
  for (let r = 0; r < temperatures.length; r++) offsets[r + 1] = offsets[r] + 1 + random.below(most);
  const elements = offsets[temperatures.length];
  const places: Places = (row, length) =>
    length === elements ? range(offsets[row], offsets[row + 1] - offsets[row]) : together(row, length);
  return {
    rows: { shape: [elements], offsets },
    elements,
    classes: (row) => offsets[row + 1] - offsets[row],
    places,
  };
}

const layouts: { readonly [name: string]: Layout } = {
  '4 classes': rectangular(4),
  '21 classes': rectangular(21),
  '300 classes': rectangular(300),
  '1100 classes': rectangular(1100),
  'the axis before': across(10),
  'ragged rows': ragged(40),
};

const masks: { readonly [name: string]: (layout: Layout) => object } = {
  '': () => ({}),
  ', masked': ({ elements }) => ({
    where: Uint8Array.from({ length: elements }, (_, i) => Number(i % 3 !== 1)),
  }),
  ', padded': ({ rows, classes }) =>
    'offsets' in rows ? {} : { lengths: temperatures.map((_, row) => classes(row) - (row % 3)) },
};

/** Reduced over rows, or without a temperature. */
const without = new Set(['crossEntropy mean', 'crossEntropy sum', 'sample argmax']);

const long: { readonly [name: string]: (x: Float32Array, options: object) => Float32Array } = {
  softmax: sync.softmax,
  logSoftmax: sync.logSoftmax,
  logSumExp: sync.logSumExp,
};

describe(`A temperature for each row on ${backendName} (seed ${seed})`, () => {
  for (const [op, { variants }] of Object.entries(operations)) {
    for (const type of elementTypes) {
      it(`gives each row the bits of its own: ${op} of ${type}`, async () => {
        for (const [variant, own] of Object.entries(variants)) {
          if (without.has(`${op} ${variant}`)) continue;
          for (const [shape, layout] of Object.entries(layouts)) {
            // Draws of rows along another axis than the last lie apart from their classes.
            if (op === 'sample' && shape === 'the axis before') continue;
            for (const [masked, mask] of Object.entries(masks)) {
              const random = new Random(`${op} ${type} ${shape}`);
              const x = elements(random.fill(new Float64Array(layout.elements), 10), type);
              const targets = Int32Array.from(temperatures, (_, row) =>
                masked === '' ? layout.classes(row) - 1 : 0,
              );
              const k = own.k === undefined ? {} : { k: Math.min(own.k as number, 1) };
              const rows = { ...layout.rows, dtype: type, ...mask(layout) };
              const call = (temperature: unknown): Call => ({
                x: x.slice() as Elements,
                rows,
                count: temperatures.length,
                own: { ...own, ...k, temperature },
                targets,
              });
              const ways = Object.keys(routes);
              const route = ways[random.below(ways.length)];
              const list = random.below(2) ? temperatures : Float64Array.from(temperatures);
              const received = await routes[route](op, call(list));
              for (const [row, temperature] of temperatures.entries()) {
                if (temperatures.indexOf(temperature) !== row && row !== 11) continue;
                const expected = await routes.synchronously(op, call(temperature));
                for (const [i, array] of received.entries()) {
                  const [one, other] = [array as Elements, expected[i] as Elements];
                  const place = `${variant}, ${shape}${masked}, ${route}, row ${row}, array ${i}`;
                  for (const at of layout.places(row, one.length)) expectSame(one[at], other[at], place);
                }
              }
            }
          }
        }
      });
    }
  }

  it('where one of several rows of many classes is cut into spans', () => {
    const [rows, length] = [3, 300_000];
    const x = new Random('long').fill(new Float32Array(rows * length), 10);
    const temperature = [0.5, 3, 1];
    for (const [name, op] of Object.entries(long)) {
      const received = op(x, { shape: [rows, length], temperature });
      const size = received.length / rows;
      for (let row = 0; row < rows; row++) {
        const alone = op(x.subarray(row * length, (row + 1) * length), { temperature: temperature[row] });
        const part = received.subarray(row * size, (row + 1) * size);
        expectSame(bits(part) === bits(alone), true, name);
      }
    }
  });

  it('0 is the argmax of a row, for sample', () => {
    const x = Float32Array.from({ length: 3 * 50 }, (_, i) => Math.sin(i));
    const options = { shape: [3, 50], seed: 5, minP: 0.1, count: 20 };
    const drawn = sync.sample(x, { ...options, temperature: [1, 0, 1] });
    const likeliest = sync.topK(x, 1, { shape: [3, 50] }).indices[1];
    expect([...drawn.subarray(20, 40)]).toEqual(new Array(20).fill(likeliest));
    const others = sync.sample(x, options);
    expect([...drawn.subarray(0, 20)]).toEqual([...others.subarray(0, 20)]);
    expect([...drawn.subarray(40)]).toEqual([...others.subarray(40)]);
  });
});
