import { describe, expect, it } from 'vitest';
import type { ElementType } from '../../lib/backends/problem.js';
import { logSoftmax, logSumExp, softmax, topK } from '../../lib/index.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { Random, seed } from '../random.js';
import { Judge } from './judge.js';
import { expectSame } from './same.js';
import { backendName } from './ways.js';

const LONGEST = 67;
/** Longer rows, of which whole registers, blocks, chunks and segments leave something. */
const LONG = [129, 300, 1000, 5196];
const CACHE_LINE = 64;

/** A view of the numbers that starts so many elements into a cache line, between guards of 7. */
function placed(x: Elements, offset: number): { view: Elements; guards: () => number[] } {
  const kind = x.constructor as new (buffer: ArrayBuffer, at: number, length: number) => Elements;
  const size = x.BYTES_PER_ELEMENT;
  const around = CACHE_LINE / size;
  const whole = new kind(new ArrayBuffer((x.length + 3 * around) * size), 0, x.length + 3 * around).fill(7);
  const start = around + offset;
  const view = new kind(whole.buffer as ArrayBuffer, start * size, x.length);
  view.set(x);
  return { view, guards: () => [...whole.subarray(0, start), ...whole.subarray(start + x.length)] };
}

describe(`Lists of many lengths and offsets on ${backendName}`, () => {
  const rows = 70;

  it('are refused for one entry, wherever it is', () => {
    for (let row = 0; row < rows; row++) {
      for (const wrong of [4, 2 ** 31 + 1, 2 ** 32 - 1]) {
        const lengths = new Uint32Array(rows).fill(3);
        lengths[row] = wrong;
        const call = () => softmax(new Float32Array(rows * 3), { shape: [rows, 3], lengths });
        expect(call).toThrow(`for lengths[${row}] but received ${wrong}`);
        if (row === 0) continue;
        const offsets = Uint32Array.from({ length: rows + 1 }, (_, r) => 3 * r);
        offsets[row] = wrong;
        if (wrong > 3 * row + 3)
          expect(() => softmax(new Float32Array(rows * 3), { offsets })).toThrow(/for offsets/);
      }
    }
  });

  it('may have rows of equal lengths beside others, and empty ones', () => {
    const random = new Random('runs');
    const lengths = Array.from({ length: 400 }, (_, r) => (r % 7 === 0 ? random.below(4) : (r >> 4) % 6));
    const offsets = new Uint32Array(lengths.length + 1);
    lengths.forEach((length, r) => {
      offsets[r + 1] = offsets[r] + length;
    });
    const x = random.fill(new Float32Array(offsets[lengths.length]), 20);
    const together = softmax(x, { offsets });
    lengths.forEach((_, r) => {
      const row = [offsets[r], offsets[r + 1]] as const;
      expect(bits(together.subarray(...row))).toEqual(bits(softmax(x.slice(...row))));
    });
  });
});

describe(`Every length of 0 to ${LONGEST} on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    const dtype = { dtype: type };
    const reduced: ElementType = type === 'float64' ? 'float64' : 'float32';

    it(`is exact for one row and for many: ${type}`, () => {
      for (let length = 1; length <= LONGEST; length++) {
        for (const rows of [1, 2, 3, 5, 16, 17, 37]) {
          const x = elements(new Random(`${type} ${length}`).fill(new Float64Array(length * rows), 20), type);
          const options = { shape: [rows, length], ...dtype };
          const probabilities = numbers(softmax(x, options), type);
          const logs = numbers(logSoftmax(x, options), type);
          const sums = numbers(logSumExp(x, options), reduced);
          for (let row = 0; row < rows; row++) {
            const [start, end] = [row * length, (row + 1) * length];
            const judge = new Judge(numbers(x, type).subarray(start, end), 1, 'lengths', row);
            judge.check('softmax', type, probabilities.subarray(start, end));
            judge.check('logSoftmax', type, logs.subarray(start, end));
            judge.check('logSumExp', reduced, sums.subarray(row, row + 1));
          }
        }
      }
    });

    it(`has the same bits at every alignment, and nothing beside it is written: ${type}`, () => {
      const perLine = CACHE_LINE / elements([0], type).BYTES_PER_ELEMENT;
      for (const length of [...Array(LONGEST + 1).keys(), ...LONG]) {
        const rows = length > LONGEST ? 3 : 1;
        const x = elements(new Random(`${type} ${length}`).fill(new Float64Array(rows * length), 20), type);
        const shape = { shape: [rows, length], ...dtype };
        // With nothing masked out, rows still go through a buffer, chunk by chunk.
        const everything = { where: new Uint8Array(rows * length).fill(1), ...shape };
        for (const op of [softmax, logSoftmax]) {
          const expected = bits(op(x, shape));
          for (let offset = 0; offset < perLine; offset++) {
            for (const options of length > LONGEST ? [shape, everything] : [shape]) {
              for (const other of new Set([offset, (offset * 5 + 3) % perLine])) {
                const input = placed(x, offset);
                const output = placed(x, other);
                op(input.view, { out: output.view, ...options });
                const place = `length ${length}, ${offset} and ${other} elements into a cache line`;
                expectSame(bits(output.view), expected, place);
                expectSame(
                  output.guards().every((guard) => guard === 7),
                  true,
                  `beside ${place}`,
                );
                expectSame(bits(input.view), bits(x), `input of ${place}`);
              }
            }
          }
        }
      }
    });

    it(`topK lists any k of it as a sort would: ${type}`, () => {
      for (let length = 1; length <= LONGEST; length++) {
        const random = new Random(`topK ${type} ${length}`);
        // Few values, so that there are ties.
        const x = elements(
          Float64Array.from({ length }, () => random.below(9) - 4),
          type,
        );
        const logits = numbers(x, type);
        const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
        const all = numbers(softmax(x, dtype), type);
        for (const k of new Set([1, 2, 3, length >> 1, length - 1, length])) {
          if (k < 1 || k > length) continue;
          const { indices, probabilities } = topK(x, k, dtype);
          expect([...indices]).toEqual(order.slice(0, k));
          expect([...numbers(probabilities, type)]).toEqual(order.slice(0, k).map((i) => all[i]));
        }
      }
    });

    it(`topK lists any k of a long row as a sort would: ${type}`, () => {
      const random = new Random(`long topK ${type}`);
      const length = 9000;
      const rows: { readonly [name: string]: (i: number) => number } = {
        uniform: () => random.between(-10, 10),
        'of few values': () => random.below(9) - 4,
        ascending: (i) => i / 1024,
        descending: (i) => -i / 1024,
        equal: () => 1.5,
        'mostly -Infinity': () => (random.below(50) === 0 ? random.between(-1, 1) : -Infinity),
        'of one in a thousand': () => (random.below(1000) === 0 ? 5 : 0),
        huge: () => random.between(-3e4, 3e4),
      };
      for (const [name, logitAt] of Object.entries(rows)) {
        const x = elements(
          Float64Array.from({ length }, (_, i) => logitAt(i)),
          type,
        );
        const logits = numbers(x, type);
        const order = Array.from(logits.keys()).sort((a, b) =>
          logits[b] > logits[a] ? 1 : logits[b] < logits[a] ? -1 : a - b,
        );
        const all = numbers(softmax(x, dtype), type);
        const where = Uint8Array.from({ length }, () => random.below(2));
        const kept = order.filter((i) => where[i] === 1);
        const masked = numbers(softmax(x, { ...dtype, where }), type);
        for (const k of [24, 25, 26, 100, 101, 102, 511, 512, 513, 1000, 4500, length]) {
          const { indices, probabilities } = topK(x, k, dtype);
          expect([...indices], `${name}, k = ${k}`).toEqual(order.slice(0, k));
          expect([...numbers(probabilities, type)], name).toEqual(order.slice(0, k).map((i) => all[i]));
          const some = topK(x, k, { ...dtype, where });
          const left = kept.slice(0, k);
          expect([...some.indices], `${name}, masked, k = ${k}`).toEqual([
            ...left,
            ...new Array(k - left.length).fill(0xffffffff),
          ]);
          expect([...numbers(some.probabilities, type)], name).toEqual([
            ...left.map((i) => masked[i]),
            ...new Array(k - left.length).fill(0),
          ]);
          x[17] = x[4000] = elements([NaN], type)[0];
          expect([...topK(x, k, dtype).indices].slice(0, 2), `${name} with NaN`).toEqual([17, 4000]);
          x[17] = elements([logits[17]], type)[0];
          x[4000] = elements([logits[4000]], type)[0];
        }
      }
    });
  }
});
