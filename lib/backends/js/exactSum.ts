/**
 * The exact sum of doubles: the same in whatever order they come, and however they are shared out among calls, threads and
 * backends. native/kernels/math/exact_sum.h is its twin.
 *
 * A double is a whole number of 2^-1074. The sum is kept in digits of 26 bits, each in a double that has room for 2^27 of
 * them: digit i counts 2^(26 i - 1074). Behind them lie how many numbers were Infinity, -Infinity and NaN.
 */

const BITS = 26;
const DIGIT = 2 ** BITS;
/** The largest double ends in digit 80; 2^64 of them in digit 83. */
const DIGITS = 84;
/** The numbers that a sum takes. */
export const TOTAL_LENGTH = DIGITS + 3;

/** Numbers that a digit has room for before what is above its 26 bits is carried on, and as many again. */
const mostUncarried = 2 ** 20;

const number = new Float64Array(1);
const [low, high] = new Uint32Array(Uint8Array.of(1, 0, 0, 0).buffer)[0] === 1 ? [0, 1] : [1, 0];
const words = new Uint32Array(number.buffer);
/** 1, 2, 4 and so on: `**` takes 20 ns. */
const powers = Float64Array.from({ length: BITS }, (_, i) => 2 ** i);

/** Adds numbers to a sum; `end` leaves digits that many more fit in. */
export class ExactSum {
  private count = 0;

  constructor(private readonly total: Float64Array) {}

  add(x: number): void {
    if (x === 0) return;
    const { total } = this;
    number[0] = x;
    const exponent = (words[high] >>> 20) & 0x7ff;
    if (exponent === 0x7ff) {
      total[DIGITS + (x === Infinity ? 0 : x === -Infinity ? 1 : 2)]++;
      return;
    }
    const place = exponent === 0 ? 0 : exponent - 1;
    const i = (place / BITS) | 0;
    const scale = powers[place - i * BITS];
    const sign = x < 0 ? -1 : 1;
    const top = (words[high] & 0xfffff) + (exponent === 0 ? 0 : 2 ** 20);
    // 26 bits and 27, which are products below 2^52 and 2^53 then.
    const first = (words[low] & (DIGIT - 1)) * scale;
    const second = (top * 64 + (words[low] >>> BITS)) * scale;
    const carried = Math.floor(first / DIGIT);
    const above = Math.floor(second / DIGIT);
    total[i] += sign * (first - carried * DIGIT);
    total[i + 1] += sign * (carried + (second - above * DIGIT));
    total[i + 2] += sign * above;
    if (++this.count >= mostUncarried) this.end();
  }

  end(): void {
    carry(this.total);
    this.count = 0;
  }
}

/** Leaves less than half of 2^26 in each digit but the last, above or below 0. */
function carry(total: Float64Array): void {
  for (let i = 0; i + 1 < DIGITS; i++) {
    if (total[i] === 0) continue;
    const carried = Math.floor(total[i] / DIGIT + 0.5);
    if (carried === 0) continue;
    total[i] -= carried * DIGIT;
    total[i + 1] += carried;
  }
}

/** Whether -Infinity was added, whatever else was. */
export function includesNegativeInfinity(total: Float64Array): boolean {
  return total[DIGITS + 1] > 0;
}

/** The double next to a sum, of which only its worth is left. */
export function rounded(total: Float64Array): number {
  const infinite = total[DIGITS];
  const negative = total[DIGITS + 1];
  if (total[DIGITS + 2] > 0 || (infinite > 0 && negative > 0)) return NaN;
  if (infinite > 0 || negative > 0) return infinite > 0 ? Infinity : -Infinity;
  carry(total);
  let top = DIGITS - 1;
  while (top >= 0 && total[top] === 0) top--;
  if (top < 0) return 0;
  let least = 0;
  while (total[least] === 0) least++;
  // Digits that all count one way.
  const sign = total[top] < 0 ? -1 : 1;
  for (let i = least; i < top; i++) {
    if (sign * total[i] >= 0) continue;
    total[i] += sign * DIGIT;
    total[i + 1] -= sign;
  }
  if (total[top] === 0) top--;
  // 78 to 104 bits, and half a bit for all that is below: rounded once, by the addition.
  let isExact = true;
  for (let i = least; i < top - 3; i++) isExact = isExact && total[i] === 0;
  const digit = (i: number) => (i < 0 ? 0 : sign * total[i]);
  const above = digit(top) * DIGIT + digit(top - 1);
  const below = digit(top - 2) * DIGIT + digit(top - 3) + (isExact ? 0 : 0.5);
  const exponent = BITS * (top - 3) - 1074;
  const half = Math.trunc(exponent / 2);
  return sign * (above * 2 ** 52 + below) * 2 ** half * 2 ** (exponent - half);
}
