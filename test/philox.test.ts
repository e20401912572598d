import { describe, expect, it } from 'vitest';
import { philox, uniform } from '../lib/backends/js/philox.js';

describe('Philox 4x32-10 gives the known answers of Random123 (tests/kat_vectors)', () => {
  it.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('counter $counter, key $key', ({ counter, key, words }) => {
    expect(philox(counter, key)).toEqual(words);
  });

  it('and uniform numbers in [0, 1), of 53 bits, from the first two words', () => {
    expect(uniform(0, 0, [0, 0])).toBe(((0x6627e8d5 >>> 5) * 2 ** 26 + (0xe169c58d >>> 6)) / 2 ** 53);
    const many = Array.from({ length: 10_000 }, (_, row) => uniform(row, 1, [7, 0]));
    expect(Math.max(...many)).toBeLessThan(1);
    expect(Math.min(...many)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(many.reduce((a, b) => a + b) / 10_000 - 0.5)).toBeLessThan(0.02);
  });
});
