/**
 * The buffers of a compressed record batch, each compressed for itself behind its size:
 * https://arrow.apache.org/docs/format/Columnar.html#compression. LZ4 is what pandas writes to Feather.
 */
import * as zlib from 'node:zlib';
import { decompress as decompressByFzstd } from 'fzstd';
import { expected } from '../../failure.js';

/** As a record batch names it: 0 for LZ4 frames, 1 for ZSTD. */
export type Codec = 0 | 1;

/** Where the size stands, this means that the rest is as it was. */
const NOT_COMPRESSED = -1n;
/** Of one buffer, when it is whole. */
const MOST_BYTES = 2 ** 31;

/** @param name what messages call the file. */
export function decompress(codec: Codec, buffer: Uint8Array, name: string): Uint8Array {
  if (buffer.length === 0) return buffer;
  const damaged = (why: string) => expected('whole compressed buffers', name, why);
  if (buffer.length < 8) throw damaged(`one of ${buffer.length} bytes`);
  const size = new DataView(buffer.buffer, buffer.byteOffset).getBigInt64(0, true);
  const rest = buffer.subarray(8);
  if (size === NOT_COMPRESSED) return rest;
  if (size < 0n) throw damaged(`one of ${size} bytes`);
  if (size > MOST_BYTES) {
    throw expected(`compressed buffers of at most ${MOST_BYTES} bytes (smaller record batches)`, name, size);
  }
  let bytes: Uint8Array;
  try {
    bytes = codec === 0 ? decompressLz4(rest, Number(size)) : decompressZstd(rest, Number(size));
  } catch (error) {
    throw damaged((error as Error).message);
  }
  if (bytes.length !== Number(size)) throw damaged(`${bytes.length} of ${size} bytes`);
  return bytes;
}

/** Of Node since 22.15; quicker than fzstd. */
const { zstdDecompressSync } = zlib as {
  zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
};

function decompressZstd(bytes: Uint8Array, size: number): Uint8Array {
  if (zstdDecompressSync) return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, size) });
  return decompressByFzstd(bytes, new Uint8Array(size));
}

const FRAME = 0x184d2204;

/**
 * A frame of blocks: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md. Checksums are passed over.
 *
 *     magic  flags  block size  [content size]  [dictionary]  header checksum
 *     { size | stored << 31   block   [block checksum] }…   0   [content checksum]
 */
function decompressLz4(frame: Uint8Array, size: number): Uint8Array {
  const target = new Uint8Array(size);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== FRAME) throw new Error('something other than an LZ4 frame');
  const flags = view.getUint8(4);
  const checked = (flags & 16) !== 0;
  if (flags & 1) throw new Error('an LZ4 frame with a dictionary');
  let at = 7 + (flags & 8 ? 8 : 0);
  let written = 0;
  for (let word = view.getUint32(at, true); word !== 0; word = view.getUint32(at, true)) {
    const length = word & 0x7fffffff;
    const block = frame.subarray(at + 4, at + 4 + length);
    if (block.length < length) throw new Error('a part of a block');
    if (word >>> 31) {
      if (written + length > size) throw new Error('a block that is too long');
      target.set(block, written);
      written += length;
    } else written = decompressBlock(block, target, written);
    at += 4 + length + (checked ? 4 : 0);
  }
  return target.subarray(0, written);
}

/**
 * One block: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. Sequences of a token (how many literals, how
 * long the match), literals, and how far back the match is; 15 means that bytes follow that are added up.
 *
 * @returns where what was written ends.
 */
function decompressBlock(block: Uint8Array, target: Uint8Array, start: number): number {
  let from = 0;
  let to = start;
  function lengthOf(nibble: number): number {
    let length = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) {
      if (from >= block.length) throw new Error('a part of a block');
      byte = block[from++];
    }
    return length;
  }
  while (from < block.length) {
    const token = block[from++];
    const literals = lengthOf(token >> 4);
    if (from + literals > block.length || to + literals > target.length)
      throw new Error('a block that is too long');
    if (literals < 32) for (let i = 0; i < literals; i++) target[to + i] = block[from + i];
    else target.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence ends with its literals.
    if (from === block.length) break;
    const back = block[from] | (block[from + 1] << 8);
    from += 2;
    if (from > block.length) throw new Error('a part of a block');
    const length = lengthOf(token & 15) + 4;
    if (back === 0 || back > to || to + length > target.length) throw new Error('a match out of place');
    // A match may reach into what it writes: then it repeats.
    if (back >= length && length >= 32) target.copyWithin(to, to - back, to - back + length);
    else for (let i = 0; i < length; i++) target[to + i] = target[to + i - back];
    to += length;
  }
  return to;
}
