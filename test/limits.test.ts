import { describe, expect, it } from 'vitest';
import { checkClasses, readLengths, readOffsets } from '../lib/arguments/counts.js';
import { prepare, sample, topK } from '../lib/index.js';

const outOfRange = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });

describe('what no Uint32Array holds is refused, and does not wrap around', () => {
  // Arrays of that many elements take 8 GB: these are the functions that read the options for them.
  it('offsets', () => {
    const count = 2 ** 32 + 8;
    expect(() => readOffsets([0, 4, count], count, undefined)).toThrow(outOfRange);
    expect(() => readOffsets([0, count - 4, count], count, undefined)).toThrow(outOfRange);
    expect(() => readOffsets(BigInt64Array.of(0n, 4n, BigInt(count)), count, undefined)).toThrow(outOfRange);
    expect(() => readOffsets([0, 4], count, undefined)).toThrow(outOfRange);
    expect([...readOffsets([0, 4, 2 ** 32 - 1], 2 ** 32 - 1, undefined).offsets]).toEqual([
      0,
      4,
      2 ** 32 - 1,
    ]);
  });

  it('lengths', () => {
    expect(() => readLengths([2 ** 32 + 1], 1, 2 ** 32 + 8, undefined)).toThrow(outOfRange);
    expect([...readLengths([2 ** 32 - 1], 1, 2 ** 32 + 8, undefined)]).toEqual([2 ** 32 - 1]);
  });

  it('class indices', () => {
    expect(() => checkClasses(2 ** 32)).toThrow(outOfRange);
    expect(() => checkClasses(2 ** 32 - 1)).not.toThrow();
  });

  it('k and count', () => {
    const x = new Float32Array(4);
    expect(() => topK(x, 2 ** 40, { offsets: [0, 4] })).toThrow(outOfRange);
    expect(() => sample(x, { count: 2 ** 40 })).toThrow(outOfRange);
    expect(() => prepare('topK', { shape: [4], k: 2 ** 40 })).toThrow(outOfRange);
    expect(() => prepare('sample', { shape: [4], count: 2 ** 40 })).toThrow(outOfRange);
  });
});
