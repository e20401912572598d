/**
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a block cipher of a
 * counter, so any draw of any row is there without the draws before it, in any order, on any thread.
 */
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
/** The golden ratio and √3 - 1, in 32 bits: what the key grows by between rounds. */
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

export type Words = readonly [number, number, number, number];

export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highProduct(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = highProduct(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The high 32 bits of the 64-bit product of two unsigned numbers. */
function highProduct(a: number, b: number): number {
  const ah = a >>> 16;
  const al = a & 0xffff;
  const bh = b >>> 16;
  const bl = b & 0xffff;
  const middle = al * bh + ((al * bl) >>> 16);
  const carried = ah * bl + (middle % 0x10000);
  return (ah * bh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)) >>> 0;
}

/**
 * A uniform number in [0, 1), of 53 bits, for draw `draw` of row `row`, both up to 2^53. The counter is row and draw, low
 * and high halves, and the key the seed.
 */
export function uniform(row: number, draw: number, seed: readonly [number, number]): number {
  const [a, b] = philox(
    [row >>> 0, Math.floor(row / 2 ** 32) >>> 0, draw >>> 0, Math.floor(draw / 2 ** 32) >>> 0],
    seed,
  );
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) * 2 ** -53;
}
