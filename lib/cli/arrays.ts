/** Files of arrays: a .npy, a member of a .npz, a tensor of safetensors. `FILE#NAME` names one of several. */

import { expected } from './failure.js';
import type { Bytes } from './input.js';
import { NPY_MAGIC, type NpyHeader, product, readNpyHeader, type StoredArray } from './npy-header.js';
import { isSafetensors, openTensor } from './safetensors.js';
import { spool } from './spool.js';
import { isZip, openZipMember } from './zip.js';

export async function openArray(source: Bytes): Promise<StoredArray> {
  const start = new Uint8Array(9);
  const begun = start.subarray(0, await source.fill(start));
  const rewind = async () => {
    const file = source.seek ? source : await spool(source, [begun]);
    file.seek?.(0);
    return file;
  };
  if (isZip(begun)) {
    const { bytes, names } = await openZipMember(await rewind(), source.member);
    const found = new Uint8Array(NPY_MAGIC.length);
    const received = await bytes.fill(found);
    if (received < found.length || NPY_MAGIC.some((byte, i) => found[i] !== byte)) {
      throw expected('a member that is a .npy', bytes.name, `another (of ${names.join(', ')})`);
    }
    return { source: bytes, ...(await readNpyHeader(bytes, found)) };
  }
  if (isSafetensors(begun)) return await openTensor(await rewind(), source.member);
  if (source.member !== undefined) {
    throw expected('a .npz or safetensors', source.name, 'something else before the #');
  }
  return { source, ...(await readNpyHeader(source, begun)) };
}

/** What a type of elements is called, taken apart. */
export interface ElementKind {
  readonly kind: 'float' | 'bfloat' | 'int' | 'uint' | 'bool' | 'raw';
  readonly bytes: number;
  readonly bigEndian: boolean;
}

const KINDS: Readonly<Record<string, ElementKind['kind']>> = {
  f: 'float',
  i: 'int',
  u: 'uint',
  b: 'bool',
  V: 'raw',
};

/** Undefined where it is none that an array of numbers has. */
export function elementKind(dtype: string): ElementKind | undefined {
  if (dtype === 'bfloat16') return { kind: 'bfloat', bytes: 2, bigEndian: false };
  const [, order, letter, digits] = dtype.match(/^([<>=|])([fiubV])(\d{1,2})$/) ?? [];
  if (letter === undefined) return undefined;
  return { kind: KINDS[letter], bytes: Number(digits), bigEndian: order === '>' };
}

/** Turns the bytes of each element around, in place. */
export function swapBytes({ buffer, byteOffset, byteLength }: Uint8Array, elementBytes: number): void {
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  if (elementBytes === 2) bytes.swap16();
  else if (elementBytes === 4) bytes.swap32();
  else if (elementBytes === 8) bytes.swap64();
}

/** All elements of an array, in C order and little-endian. */
export async function readWhole(
  { source, fortranOrder, shape }: StoredArray,
  { bytes: elementBytes, bigEndian }: Pick<ElementKind, 'bytes' | 'bigEndian'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const wanted = product(shape) * elementBytes;
  const cut = (received: number) =>
    expected(`${wanted} bytes of data`, source.name, `${received} (the file is truncated)`);
  const there = source.size === undefined ? wanted : source.size - source.position;
  if (there < wanted) throw cut(there);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(wanted);
  } catch {
    throw expected('an array that fits in memory', source.name, `the shape [${shape.join(', ')}]`);
  }
  const received = await source.fill(bytes);
  if (received < wanted) throw cut(received);
  if (!(await source.ended())) throw expected(`${wanted} bytes of data`, source.name, 'more');
  if (bigEndian) swapBytes(bytes, elementBytes);
  return isTransposed({ fortranOrder, shape }) ? toRowMajor(bytes, shape, elementBytes) : bytes;
}

/** Whether its elements lie in another order than C's: with a single long dimension the two are the same bytes. */
export function isTransposed({ fortranOrder, shape }: Pick<NpyHeader, 'fortranOrder' | 'shape'>): boolean {
  return fortranOrder && shape.filter((length) => length > 1).length > 1 && !shape.includes(0);
}

/** Elements that lie as Fortran has them, the first index fastest, put as C has them. */
function toRowMajor(
  bytes: Uint8Array<ArrayBuffer>,
  shape: readonly number[],
  elementBytes: number,
): Uint8Array<ArrayBuffer> {
  const count = bytes.length / elementBytes;
  const target = new Uint8Array(bytes.length);
  const [from, to] =
    elementBytes === 8
      ? [new Float64Array(bytes.buffer, 0, count), new Float64Array(target.buffer)]
      : elementBytes === 4
        ? [new Uint32Array(bytes.buffer, 0, count), new Uint32Array(target.buffer)]
        : elementBytes === 2
          ? [new Uint16Array(bytes.buffer, 0, count), new Uint16Array(target.buffer)]
          : [bytes, target];
  // The last index runs fastest in the target; how far each step leads in the source.
  const strides: number[] = [];
  for (let i = 0, stride = 1; i < shape.length; stride *= shape[i++]) strides[i] = stride;
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < count; i++) {
    to[i] = from[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return target;
}
