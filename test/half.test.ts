import { describe, expect, it } from 'vitest';
import { decodingTable, encode as encodeBy, encodingOf } from '../lib/backends/js/half.js';
import { bitsOf, numbers } from './elements.js';
import { Random } from './random.js';

describe('16-bit formats', () => {
  for (const type of ['float16', 'bfloat16'] as const) {
    const values = decodingTable(type);
    const encode = (value: number, to: typeof type) => encodeBy(value, encodingOf(to));

    it(`decodes every bit pattern of ${type}`, () => {
      const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
      expect(values).toEqual(numbers(all, type));
    });

    it(`gives every value of ${type} its own bits back, and every NaN the canonical ones`, () => {
      for (let bits = 0; bits < 2 ** 16; bits++) {
        const expected = Number.isNaN(values[bits]) ? (type === 'float16' ? 0x7e00 : 0x7fc0) : bits;
        if (encode(values[bits], type) !== expected) expect(encode(values[bits], type)).toBe(expected);
      }
    });

    it(`rounds once to the nearest ${type}, ties to even, past the largest to infinity`, () => {
      const random = new Random(type);
      const infinity = type === 'float16' ? 0x7c00 : 0x7f80;
      for (let bits = 0; bits < infinity - 1; bits += 1 + random.below(3)) {
        const [a, b] = [values[bits], values[bits + 1]];
        const middle = (a + b) / 2;
        const hair = (b - a) * 2 ** -30;
        for (const x of [middle - hair, middle, middle + hair, a + (b - a) * random.next()]) {
          if (encode(x, type) !== bitsOf(x, type)) expect(encode(x, type), `${x}`).toBe(bitsOf(x, type));
          if (encode(-x, type) !== bitsOf(-x, type)) expect(encode(-x, type), `${-x}`).toBe(bitsOf(-x, type));
        }
      }
      const largest = values[infinity - 1];
      const half = (largest - values[infinity - 2]) / 2;
      expect(encode(largest + half * 0.999, type)).toBe(infinity - 1);
      expect(encode(largest + half, type)).toBe(infinity);
      expect(encode(-1e300, type)).toBe(infinity | 0x8000);
      expect(encode(5e-324, type)).toBe(0);
      expect(encode(-0, type)).toBe(0x8000);
    });
  }
});
