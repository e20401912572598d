/** What masks mark, counted by words, against one by one. */
import { describe, expect, it } from 'vitest';
import { countBits, countBytes } from '../lib/backends/js/marks.js';
import { RowReader } from '../lib/backends/js/rows.js';
import { Random, seed } from './random.js';

describe(`Counting what masks mark (seed ${seed})`, () => {
  const random = new Random('marks');
  const upTo = (count: number) => random.below(count);

  it('finds every byte that is not 0, wherever the piece lies', () => {
    const memory = new Uint8Array(6000).map(() => [0, 1, 2, 128, 255][upTo(5)]);
    const full = new Uint8Array(6000).fill(255);
    for (let turn = 0; turn < 200; turn++) {
      const bytes = (turn % 4 ? memory : full).subarray(upTo(9));
      const from = upTo(9);
      const end = from + upTo(turn % 2 ? 300 : 5900);
      expect(countBytes(bytes, from, end)).toBe(bytes.slice(from, end).filter((byte) => byte !== 0).length);
    }
  });

  it('finds every bit, and none past the end', () => {
    const words = new Uint32Array(50).map(() => upTo(2 ** 32));
    words[1] = 0xffffffff;
    for (let length = 0; length < 300; length++) {
      let marked = 0;
      for (let i = 0; i < length; i++) marked += (words[1 + (i >> 5)] >>> (i & 31)) & 1;
      expect(countBits(words, 1, length)).toBe(marked);
    }
  });

  it('counts the elements of all rows that take part, whatever masks there are', () => {
    const [outer, length, inner] = [3, 150, 2];
    const rows = outer * inner;
    const mask = (count: number) => new Uint8Array(count).map(() => upTo(2));
    const bits = (count: number) => new Uint32Array(count).map(() => upTo(2 ** 32));
    const wheres = [undefined, { where: mask(rows * length) }, { where: mask(length), whereShared: true }];
    const bitmasks = [undefined, { bitmask: bits(rows * 5) }, { bitmask: bits(5), bitmaskShared: true }];
    const lengths = [undefined, { lengths: new Uint32Array(rows).map(() => upTo(length + 1)) }];
    for (const where of wheres) {
      for (const bitmask of bitmasks) {
        for (const valid of lengths) {
          for (const shape of [
            { outer, inner },
            { outer: rows, inner: 1 },
          ]) {
            const x = new Float32Array(rows * length);
            const common = { x, type: 'float32' as const, length, temperature: 1, threads: 1 };
            const reader = new RowReader({ ...common, ...shape, ...where, ...bitmask, ...valid });
            let [all, some] = [0, 0];
            let someFound = 0;
            for (let row = 0; row < rows; row++) {
              reader.open(row);
              someFound += reader.participants(7, 100);
              for (let i = 0; i < length; i++) {
                const takesPart = Number(reader.takesPart(i));
                all += takesPart;
                if (i >= 7 && i < 107) some += takesPart;
              }
            }
            expect(someFound).toBe(some);
            expect(reader.allParticipants()).toBe(all);
          }
        }
      }
    }
  });
});
