/** Where an array of JavaScript is copied to and from, in the memory of a module. */

const pageBytes = 4096;
const lineBytes = 64;

/**
 * The first place from `at` on that lies half a page away from a byte of an array, as places in a page go: `byteOffset` is its
 * place in its buffer, and large buffers begin where pages do, or 16 bytes later. CPUs of AMD (Zen 3 and later) copy ten
 * times more slowly where the copy lies up to 64 bytes further in its page than the array: they take it for an overlap.
 */
export function apartInPage(at: number, byteOffset: number): number {
  const away = (byteOffset + pageBytes / 2 - at) % pageBytes;
  const further = (away + pageBytes) % pageBytes;
  return at + further - (further % lineBytes);
}
