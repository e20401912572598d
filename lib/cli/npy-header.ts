/** NumPy's .npy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3. */
import { expected } from './failure.js';
import type { Bytes } from './input.js';
import { type PythonLiteral, parsePythonLiteral } from './python-literal.js';

export const NPY_MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const MAX_HEADER = 1 << 20;

export interface NpyHeader {
  readonly dtype: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** An array, with the position of the source at its first element. */
export interface StoredArray extends NpyHeader {
  /** Its size is the array's: of a member, not of the file. */
  readonly source: Bytes;
}

/** 0 wherever one of them is: lengths from a header may multiply to Infinity. */
export function product(lengths: readonly number[]): number {
  return lengths.includes(0) ? 0 : lengths.reduce((product, length) => product * length, 1);
}

/** @param begun what has been read already, nine bytes at most. */
export async function readNpyHeader(
  source: Bytes,
  begun: Uint8Array = new Uint8Array(0),
): Promise<NpyHeader> {
  const start = new Uint8Array(9);
  start.set(begun);
  const received = begun.length + (await source.fill(start.subarray(begun.length)));
  if (received < 8 || NPY_MAGIC.some((byte, i) => start[i] !== byte)) {
    throw expected('a .npy file', source.name, describeStart(start.subarray(0, Math.min(8, received))));
  }
  const version = start[6];
  if (version < 1 || version > 3) throw expected('.npy version 1, 2 or 3', source.name, version);

  if (received < start.length) throw truncatedHeader(source);
  const size = new Uint8Array(version === 1 ? 2 : 4);
  size[0] = start[8];
  if ((await source.fill(size.subarray(1))) < size.length - 1) throw truncatedHeader(source);
  const length = size.reduceRight((sum, byte) => sum * 256 + byte, 0);
  if (length > MAX_HEADER) throw expected(`a header of at most ${MAX_HEADER} bytes`, source.name, length);
  const header = new Uint8Array(length);
  if ((await source.fill(header)) < length) throw truncatedHeader(source);

  const text = new TextDecoder(version < 3 ? 'latin1' : 'utf-8').decode(header);
  const parsed = parseNpyHeader(text);
  if (!parsed) throw expected('a .npy header', source.name, JSON.stringify(text.trim().slice(0, 80)));
  return parsed;
}

function truncatedHeader(source: Bytes) {
  return expected('a whole .npy header', source.name, 'a part of it (the file is truncated)');
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'nothing';
  if (NPY_MAGIC.subarray(0, bytes.length).every((byte, i) => bytes[i] === byte))
    return 'the beginning of one';
  const text = Buffer.from(bytes).toString('latin1');
  const readable = /^[\x20-\x7e\s]*$/.test(text);
  return `a file that starts with ${readable ? JSON.stringify(text) : Buffer.from(bytes).toString('hex')}`;
}

/** The header's Python dictionary; undefined where it is not one of the format. */
export function parseNpyHeader(text: string): NpyHeader | undefined {
  let entries: PythonLiteral;
  try {
    entries = parsePythonLiteral(text);
  } catch {
    return undefined;
  }
  if (!(entries instanceof Map)) return undefined;
  const dtype = entries.get('descr');
  const fortranOrder = entries.get('fortran_order');
  const shape = entries.get('shape');
  if (dtype === undefined || typeof fortranOrder !== 'boolean' || !isShape(shape)) return undefined;
  return { dtype: typeof dtype === 'string' ? dtype : 'a structured dtype', fortranOrder, shape };
}

function isShape(value: PythonLiteral | undefined): value is number[] {
  return Array.isArray(value) && value.every((length) => Number.isSafeInteger(length) && Number(length) >= 0);
}

/**
 * All that comes before the data, padded so that the data begins at a multiple of 64.
 * @param dtype as Python writes it: `'<f4'` with its quotes, or a list of fields.
 * @param least the fewest bytes to take: room for a shape that is not known yet.
 */
export function formatNpyHeader(dtype: string, shape: readonly number[], least = 0): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': ${dtype}, 'fortran_order': False, 'shape': ${tuple}, }`;
  const version = text.length + 75 > 0xffff ? 2 : 1;
  const prefix = version === 1 ? 10 : 12;
  const total = Math.max(least, Math.ceil((prefix + text.length + 1) / 64) * 64);

  const bytes = Buffer.alloc(total, ' ');
  bytes.set(NPY_MAGIC);
  bytes[6] = version;
  bytes[7] = 0;
  if (version === 1) bytes.writeUInt16LE(total - prefix, 8);
  else bytes.writeUInt32LE(total - prefix, 8);
  bytes.write(text, prefix, 'latin1');
  bytes[total - 1] = 0x0a;
  return bytes;
}
