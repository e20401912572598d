/** The exact sum of doubles, as whole numbers of 2^-1074. */

const number = new Float64Array(1);
const bits = new BigUint64Array(number.buffer);

function unitsOf(x: number): bigint {
  number[0] = x;
  const exponent = Number((bits[0] >> 52n) & 0x7ffn);
  const fraction = bits[0] & ((1n << 52n) - 1n);
  const size = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return x < 0 ? -size : size;
}

/** The double next to the sum of finite numbers. */
export function exactSum(numbers: Iterable<number>): number {
  let units = 0n;
  for (const one of numbers) units += unitsOf(one);
  if (units === 0n) return 0;
  const size = units < 0n ? -units : units;
  // 64 bits of it, the last of which stands for all that are below.
  const below = BigInt(Math.max(0, size.toString(2).length - 64));
  const top = size >> below;
  const rounded = Number(top << below === size ? top : top | 1n);
  const exponent = Number(below) - 1074;
  const half = Math.trunc(exponent / 2);
  return (units < 0n ? -1 : 1) * rounded * 2 ** half * 2 ** (exponent - half);
}
