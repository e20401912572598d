/** How many elements masks mark: four bytes or 32 bits at a time, for one by one takes ten times as long as their losses. */

/** Shorter pieces are counted one by one: a view of their words takes longer to make. */
const worthWords = 128;
/** Of so many words the marks in each of the four bytes are at most 255. */
const mostSummed = 255;

/** Bytes [from, end) that are not 0. */
export function countBytes(bytes: Uint8Array, from: number, end: number): number {
  if (end - from < worthWords) return countFew(bytes, from, end);
  const { buffer, byteOffset } = bytes;
  const start = from + (-(byteOffset + from) & 3);
  const words = new Uint32Array(buffer, byteOffset + start, (end - start) >> 2);
  const count = words.length;
  let marked = countFew(bytes, from, start) + countFew(bytes, start + 4 * count, end);
  for (let first = 0; first < count; first += mostSummed) {
    const last = Math.min(first + mostSummed, count);
    let sums = 0;
    for (let i = first; i < last; i++) {
      const word = words[i];
      // 1 for each byte that is not 0.
      sums = (sums + (((((word & 0x7f7f7f7f) + 0x7f7f7f7f) | word) >>> 7) & 0x01010101)) | 0;
    }
    marked += (sums & 255) + ((sums >>> 8) & 255) + ((sums >>> 16) & 255) + (sums >>> 24);
  }
  return marked;
}

function countFew(bytes: Uint8Array, from: number, end: number): number {
  let marked = 0;
  for (let i = from; i < end; i++) if (bytes[i] !== 0) marked++;
  return marked;
}

/** Of `length` bits from word `first` on, those that are 1. */
export function countBits(words: Uint32Array, first: number, length: number): number {
  let marked = 0;
  const whole = first + (length >>> 5);
  for (let i = first; i < whole; i++) marked += bitsOf(words[i]);
  const rest = length & 31;
  return rest === 0 ? marked : marked + bitsOf(words[whole] & ((1 << rest) - 1));
}

/** Of `length` bits from word `first` on, those that are 1 while the byte of their number is not 0: bytes[at], bytes[at + step], … */
export function countBoth(
  bytes: Uint8Array,
  at: number,
  step: number,
  words: Uint32Array,
  first: number,
  length: number,
): number {
  let marked = 0;
  let place = at;
  for (let from = 0; from < length; from += 32) {
    const end = Math.min(32, length - from);
    let word = words[first + (from >>> 5)];
    for (let i = 0; i < end; i++) {
      // Without a branch, which would be predicted wrongly half the time: a byte less 1 is negative only where it is 0.
      marked += word & 1 & ~((bytes[place] - 1) >> 31);
      word >>>= 1;
      place += step;
    }
  }
  return marked;
}

/** By pairs, fours and bytes of them. */
function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
