import { openInput } from './input.js';
import { readNpy } from './npy.js';

/** What a file of logits holds, in whatever format. */
export interface Logits {
  readonly data: Float32Array | Float64Array;
  /** As the file has it. float16 is widened here, which is exact. */
  readonly type: 'float16' | 'float32' | 'float64';
  readonly shape: readonly number[];
}

export async function readLogits(path: string): Promise<Logits> {
  const { dtype, shape, data } = await readNpy<Uint16Array | Float32Array | Float64Array>(
    openInput(path),
    { '<f2': Uint16Array, '<f4': Float32Array, '<f8': Float64Array },
    '<f4, <f8 or <f2',
  );
  if (data instanceof Uint16Array) return { data: widenFloat16(data), type: 'float16', shape };
  return { data, type: dtype === '<f8' ? 'float64' : 'float32', shape };
}

export function widenFloat16(bits: Uint16Array): Float32Array {
  const wide = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const exponent = (bits[i] >> 10) & 31;
    const fraction = bits[i] & 1023;
    const sign = bits[i] & 0x8000 ? -1 : 1;
    if (exponent === 0) wide[i] = sign * fraction * 2 ** -24;
    else if (exponent < 31) wide[i] = sign * (1024 + fraction) * 2 ** (exponent - 25);
    else wide[i] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  }
  return wide;
}
