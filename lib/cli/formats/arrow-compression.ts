/**
 * The buffers of a compressed record batch, each compressed for itself behind its size:
 * https://arrow.apache.org/docs/format/Columnar.html#compression. LZ4 is what pandas writes to Feather.
 */
import { expected } from '../failure.js';
import { needPeer } from '../peers.js';

/** As a record batch names it: LZ4 frames, or ZSTD. */
export interface Compression {
  readonly type: number;
}

export type Decompress = (buffer: Uint8Array) => Uint8Array;

/** Where the size stands, this means that the rest is as it was. */
const NOT_COMPRESSED = -1n;

/** @param name what messages call the file. */
export async function openCompression({ type }: Compression, name: string): Promise<Decompress> {
  const decompress = type === 0 ? await loadLz4() : await loadZstd();
  return (buffer) => {
    if (buffer.length === 0) return buffer;
    const damaged = (why: string) => expected('whole compressed buffers', name, why);
    if (buffer.length < 8) throw damaged(`one of ${buffer.length} bytes`);
    const size = new DataView(buffer.buffer, buffer.byteOffset).getBigInt64(0, true);
    const rest = buffer.slice(8);
    if (size === NOT_COMPRESSED) return rest;
    if (size < 0n || size > 2n ** 40n) throw damaged(`one of ${size} bytes`);
    let written: number;
    const target = new Uint8Array(Number(size));
    try {
      written = decompress(rest, target);
    } catch (error) {
      throw damaged((error as Error).message);
    }
    if (written !== target.length) throw damaged(`${written} of ${size} bytes`);
    return target;
  };
}

/** Fills the target; returns how many bytes there were. */
type Decompressor = (bytes: Uint8Array, target: Uint8Array) => number;

/**
 * The frame is taken apart here, since lz4js 0.2 looks for the checksum of a block before it:
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
 */
function loadLz4(): Promise<Decompressor> {
  return needPeer(['lz4js'], 'Arrow compressed by LZ4', async () => {
    const { decompressBlock } = await import('lz4js');
    return (frame, target) => {
      const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
      if (view.getUint32(0, true) !== 0x184d2204) throw new Error('something other than an LZ4 frame');
      const flags = view.getUint8(4);
      const [sized, checked, named] = [flags & 8, flags & 16, flags & 1];
      let at = 7 + (sized ? 8 : 0) + (named ? 4 : 0);
      let written = 0;
      for (let word = view.getUint32(at, true); word !== 0; word = view.getUint32(at, true)) {
        const length = word & 0x7fffffff;
        const block = frame.subarray(at + 4, at + 4 + length);
        if (block.length < length) throw new Error('a part of a block');
        if (word >>> 31) {
          if (written + length > target.length) throw new Error('a block that is too long');
          target.set(block, written);
          written += length;
        } else written = decompressBlock(block, target, 0, length, written);
        at += 4 + length + (checked ? 4 : 0);
      }
      return written;
    };
  });
}

function loadZstd(): Promise<Decompressor> {
  return needPeer(['fzstd'], 'Arrow compressed by ZSTD', async () => {
    const { decompress } = await import('fzstd');
    return (bytes, target) => decompress(bytes, target).length;
  });
}
