import { decodingTable } from '../js/half.js';
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
  const values = decodingTable('float16');
  return new Float32Array(bits.length).map((_, i) => values[bits[i]]);
}
