import { describe, expect, it } from 'vitest';
import { logSoftmax, logSumExp, softmax, topK } from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { Random, seed } from '../random.js';
import { expectSame, expectSameNumbers } from './same.js';
import { backendName } from './ways.js';

/** The flat places of every row along an axis, in the order of the rows. */
function rowsAlong(shape: readonly number[], axis: number): number[][] {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const length = shape[axis];
  return Array.from({ length: outer * inner }, (_, row) => {
    const base = Math.floor(row / inner) * length * inner + (row % inner);
    return Array.from({ length }, (_, i) => base + i * inner);
  });
}

const pick = (values: Float64Array, places: readonly number[]) => places.map((place) => values[place]);

const shapes = [
  [5],
  [1],
  [0],
  [3, 4],
  [1, 7],
  [7, 1],
  [0, 3],
  [3, 0],
  [2, 3, 4],
  [1, 1, 1],
  [4, 1, 9],
  [2, 0, 3],
  [2, 3, 4, 5],
  [3, 1, 2, 1],
  [1, 17, 1, 3],
  [2, 2, 0, 2],
  ...Array.from({ length: 20 }, (_, i) => [2, 5, i + 1]),
  [2, 33, 18],
  [1, 300, 21],
];

describe(`Along any axis on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    it(`a row comes out as it does alone, bit for bit: ${type}`, () => {
      const reduced = type === 'float64' ? 'float64' : 'float32';
      for (const shape of shapes) {
        const size = shape.reduce((a, b) => a * b, 1);
        const x = elements(new Random(`axes ${shape}`).fill(new Float64Array(size), 15), type);
        const logits = numbers(x, type);
        for (let axis = 0; axis < shape.length; axis++) {
          const options = { shape, axis, dtype: type, temperature: 0.8 };
          const alone = { dtype: type, temperature: 0.8 };
          const rows = rowsAlong(shape, axis);
          const received = {
            softmax: numbers(softmax(x, options), type),
            logSoftmax: numbers(logSoftmax(x, options), type),
            logSumExp: numbers(logSumExp(x, options), reduced),
          };
          expect(received.logSumExp).toHaveLength(rows.length);
          const negative = softmax(x, { ...options, axis: axis - shape.length });
          expectSame(bits(negative), bits(elements(received.softmax, type)));
          rows.forEach((places, row) => {
            const one = elements(pick(logits, places), type);
            const place = `row ${row} along axis ${axis} of ${shape}`;
            expectSameNumbers(pick(received.softmax, places), numbers(softmax(one, alone), type), place);
            expectSameNumbers(
              pick(received.logSoftmax, places),
              numbers(logSoftmax(one, alone), type),
              place,
            );
            expectSame(received.logSumExp[row], numbers(logSumExp(one, alone), reduced)[0], place);
          });
        }
      }
    });

    it(`many rows side by side come out alike, wherever they start and wherever they go: ${type}`, () => {
      for (const inner of type.endsWith('16') ? [31, 520] : [16, 31, 47, 48, 255, 512, 520, 1027, 1040]) {
        const shape = [2, 3, inner];
        const size = 2 * 3 * inner;
        const x = elements(new Random(`beside ${inner}`).fill(new Float64Array(size), 15), type);
        const rows = rowsAlong(shape, 1);
        const turned = elements(
          rows.flatMap((places) => pick(numbers(x, type), places)),
          type,
        );
        const options = { shape, axis: 1, dtype: type };
        const kind = x.constructor as new (length: number) => Elements;
        for (const op of [softmax, logSoftmax]) {
          const alone = numbers(op(turned, { shape: [rows.length, 3], dtype: type }), type);
          const results = new Float64Array(size);
          rows.flat().forEach((place, i) => {
            results[place] = alone[i];
          });
          const expected = bits(elements(results, type));
          for (const start of [0, 1, 4, 8, 12, 15]) {
            const place = `${op.name} of inner size ${inner}, ${start} elements on`;
            const input = new kind(size + 16).subarray(start, start + size);
            input.set(x);
            const out = new kind(size + 16).subarray(start, start + size);
            expectSame(bits(op(input, { ...options, out })), expected, place);
            expectSame(bits(op(input, { ...options, out: x.slice() })), expected, place);
            expectSame(bits(op(input, { ...options, out: input })), expected, `in place, ${place}`);
          }
        }
      }
    });
  }

  it('topK lists the classes of that axis: [outer, k, inner]', () => {
    const shape = [2, 6, 3];
    const x = new Random('axes topK').fill(new Float32Array(36), 5);
    const { indices, probabilities } = topK(x, 2, { shape, axis: 1 });
    rowsAlong(shape, 1).forEach((places, row) => {
      const one = topK(
        Float32Array.from(places, (place) => x[place]),
        2,
      );
      const at = [0, 1].map((place) => Math.floor(row / 3) * 6 + place * 3 + (row % 3));
      expectSameNumbers(
        at.map((place) => indices[place]),
        one.indices,
      );
      expectSameNumbers(
        at.map((place) => probabilities[place]),
        one.probabilities,
      );
    });
  });

  it('several axes are normalised jointly', () => {
    const x = new Random('axes joint').fill(new Float64Array(24), 5);
    const joint = softmax(x, { shape: [2, 3, 4], axis: [1, 2] });
    expect(bits(joint)).toBe(bits(softmax(x, { shape: [2, 12] })));
    const apart = softmax(x, { shape: [2, 3, 4], axis: [0, 2] });
    for (let middle = 0; middle < 3; middle++) {
      const places = [0, 1].flatMap((outer) => [0, 1, 2, 3].map((i) => outer * 12 + middle * 4 + i));
      const alone = softmax(Float64Array.from(places, (place) => x[place]));
      expect(pick(apart, places)).toEqual([...alone]);
    }
  });
});
