/**
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a block cipher of a
 * counter, so any draw of any row is there without the draws before it, in any order, on any thread.
 */
export type Words = readonly [number, number, number, number];

/** What `encrypt` makes of a counter. (To hand over arrays takes as long as the cipher.) */
const encrypted = new Uint32Array(4);

export function philox(counter: Words, key: readonly [number, number]): Words {
  encrypt(counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
  return [encrypted[0], encrypted[1], encrypted[2], encrypted[3]];
}

function encrypt(a: number, b: number, c: number, d: number, keyLow: number, keyHigh: number): void {
  // Here, because V8 knows them for constants then; as integers of 32 bits with a sign.
  const rounds = 10;
  const multiplier0 = 0xd2511f53 | 0;
  const multiplier1 = 0xcd9e8d57 | 0;
  // The golden ratio and √3 - 1: what the key grows by between rounds.
  const weyl0 = 0x9e3779b9 | 0;
  const weyl1 = 0xbb67ae85 | 0;
  let c0 = a | 0;
  let c1 = b | 0;
  let c2 = c | 0;
  let c3 = d | 0;
  let k0 = keyLow | 0;
  let k1 = keyHigh | 0;
  for (let round = 0; round < rounds; round++) {
    const high0 = highProduct(multiplier0, c0);
    const high1 = highProduct(multiplier1, c2);
    const low0 = Math.imul(multiplier0, c0);
    c0 = high1 ^ c1 ^ k0;
    c1 = Math.imul(multiplier1, c2);
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
  }
  encrypted[0] = c0;
  encrypted[1] = c1;
  encrypted[2] = c2;
  encrypted[3] = c3;
}

/** The high 32 bits of the 64-bit product of two unsigned numbers, from products of halves. */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const other = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (other >>> 16)) | 0;
}

/**
 * A uniform number in [0, 1), of 53 bits, for draw `draw` of row `row`, both up to 2^53. The counter is row and draw, low
 * and high halves, and the key the seed.
 */
export function uniform(row: number, draw: number, seed: readonly [number, number]): number {
  encrypt(row, Math.floor(row / 2 ** 32), draw, Math.floor(draw / 2 ** 32), seed[0], seed[1]);
  return ((encrypted[0] >>> 5) * 2 ** 26 + (encrypted[1] >>> 6)) * 2 ** -53;
}
