/**
 * Whether a compressed text is whole. DuckDB 1.5.6 takes the end of a file for the end of the text, and does not compare
 * checksums: half a file would be half the rows.
 *
 *     zstd frame   magic (4) · descriptor (1) · header · blocks · checksum (0 or 4)
 *     block        last (1 bit) · type (2 bits) · size (21 bits), and so many bytes; one, where one byte repeats
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { expected } from '../failure.js';
import { type Compression, compressionOf } from './head.js';
import type { Place } from './relation.js';

/**
 * @param onText called with what comes out of gzip.
 * @throws Failure where it is not; the signal's reason where it is aborted.
 */
export async function refuseCutOff(
  { path, name }: Place,
  onText: ((chunk: Uint8Array) => void) | undefined,
  signal: AbortSignal,
): Promise<Compression> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const bytes = async (at: number, count: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(count), 0, count, at);
      return buffer.subarray(0, bytesRead);
    };
    const compression = compressionOf(await bytes(0, 4));
    if (compression === 'gzip') await gunzipped(path, name, onText, signal);
    if (compression === 'zstd' && !(await isWholeZstd(size, bytes, signal)))
      throw expected('a whole zstd file', name, 'a part');
    return compression;
  } finally {
    await file.close();
  }
}

/** Decompresses it once more, on a thread beside the engine's. */
async function gunzipped(
  path: string,
  name: string,
  onText: ((chunk: Uint8Array) => void) | undefined,
  signal: AbortSignal,
): Promise<void> {
  const nowhere = new Writable({
    write(chunk, _, done) {
      onText?.(chunk);
      done();
    },
  });
  try {
    await pipeline(
      createReadStream(path, { highWaterMark: 1 << 18 }),
      createGunzip({ chunkSize: 1 << 18 }),
      nowhere,
      {
        signal,
      },
    );
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    throw expected('a whole gzip file', name, code === 'Z_BUF_ERROR' ? 'a part' : message);
  }
}

const FRAME = 0xfd2fb528;
/** What may be skipped: the last four bits are free. */
const SKIPPABLE = 0x184d2a50;

async function isWholeZstd(
  size: number,
  bytes: (at: number, count: number) => Promise<Buffer>,
  signal: AbortSignal,
): Promise<boolean> {
  for (let at = 0; at < size; ) {
    const head = await bytes(at, 8);
    if (head.length < 8) return false;
    const magic = head.readUInt32LE(0);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      at += 8 + head.readUInt32LE(4);
      continue;
    }
    // What is no frame the engine refuses.
    if (magic !== FRAME) return true;
    const descriptor = head[4];
    const single = (descriptor >> 5) & 1;
    const sizeBytes = descriptor >> 6 === 0 ? single : 1 << (descriptor >> 6);
    at += 5 + (1 - single) + [0, 1, 2, 4][descriptor & 3] + sizeBytes;
    for (let last = false; !last; ) {
      signal.throwIfAborted();
      const block = await bytes(at, 3);
      if (block.length < 3) return false;
      const word = block.readUIntLE(0, 3);
      last = (word & 1) === 1;
      at += 3 + (((word >> 1) & 3) === 1 ? 1 : word >> 3);
    }
    at += (descriptor >> 2) & 1 ? 4 : 0;
    if (at > size) return false;
  }
  return true;
}
