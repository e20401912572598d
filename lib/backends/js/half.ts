/** The 16-bit formats: decoded by table, encoded with one rounding from float64 (to nearest, ties to even). */

interface Format {
  readonly fractionBits: number;
  readonly leastExponent: number;
  readonly infinity: number;
  readonly canonicalNaN: number;
}

const FLOAT16: Format = { fractionBits: 10, leastExponent: -14, infinity: 0x7c00, canonicalNaN: 0x7e00 };
const BFLOAT16: Format = { fractionBits: 7, leastExponent: -126, infinity: 0x7f80, canonicalNaN: 0x7fc0 };

export type HalfType = 'float16' | 'bfloat16';

const formatOf = (type: HalfType): Format => (type === 'float16' ? FLOAT16 : BFLOAT16);

const tables = new Map<HalfType, Float64Array>();

/** The value of each of the 65536 bit patterns. */
export function decodingTable(type: HalfType): Float64Array {
  let table = tables.get(type);
  if (!table) {
    const format = formatOf(type);
    table = Float64Array.from({ length: 2 ** 16 }, (_, bits) => decode(bits, format));
    tables.set(type, table);
  }
  return table;
}

function decode(bits: number, { fractionBits, leastExponent, infinity }: Format): number {
  const magnitude = bits & 0x7fff;
  const sign = bits === magnitude ? 1 : -1;
  if (magnitude >= infinity) return magnitude > infinity ? NaN : sign * Infinity;
  const one = 2 ** fractionBits;
  const exponent = magnitude >> fractionBits;
  const fraction = magnitude & (one - 1);
  if (exponent === 0) return sign * fraction * 2 ** (leastExponent - fractionBits);
  return sign * (one + fraction) * 2 ** (exponent - 1 + leastExponent - fractionBits);
}

/** Which of the two words of a float64 holds its exponent on this machine: 1, or 0 on a big-endian one. */
export const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/** How float64 numbers become bits of the type, by their exponents: |value| · scale, rounded, and `bases` are the bits. */
export interface Encoding {
  readonly scales: Float64Array;
  readonly bases: Uint16Array;
  readonly canonicalNaN: number;
}

const encodings = new Map<HalfType, Encoding>();

export function encodingOf(type: HalfType): Encoding {
  let encoding = encodings.get(type);
  if (!encoding) {
    encoding = newEncoding(formatOf(type));
    encodings.set(type, encoding);
  }
  return encoding;
}

function newEncoding({ fractionBits, leastExponent, infinity, canonicalNaN }: Format): Encoding {
  const scales = new Float64Array(2 ** 11);
  const bases = new Uint16Array(2 ** 11);
  for (let place = 0; place < scales.length; place++) {
    const exponent = Math.max(place - 1023, leastExponent);
    // A value of at least 2^16 or 2^128 is past the largest of its type, and so is what rounds up to that.
    const isPast = exponent > 1 - leastExponent;
    scales[place] = isPast ? 0 : 2 ** (fractionBits - exponent);
    // Units past the leading bit carry into the exponent by themselves, up to infinity.
    bases[place] = isPast ? infinity : (exponent - leastExponent) << fractionBits;
  }
  return { scales, bases, canonicalNaN };
}

const float64 = new Float64Array(1);
const words = new Uint32Array(float64.buffer);

/** The bits of the nearest value of the type. */
export function encode(value: number, { scales, bases, canonicalNaN }: Encoding): number {
  float64[0] = value;
  const high = words[HIGH];
  const exponent = (high >>> 20) & 0x7ff;
  // Adding and taking away 2^52 rounds to an integer, ties to even. Infinity times 0 is NaN, of which | makes 0.
  const units = Math.abs(value) * scales[exponent] + 2 ** 52 - 2 ** 52;
  return Number.isNaN(value) ? canonicalNaN : ((high >>> 16) & 0x8000) | (bases[exponent] + (units | 0));
}
