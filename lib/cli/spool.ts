import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, fstatSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFailure } from './failure.js';
import { type Bytes, bytesOf } from './input.js';

const CHUNK = 1 << 20;

/**
 * A pipe as a file, for formats whose directory stands at the end. It is gone when it is closed.
 * @param start what has been read of it already.
 */
export async function spool(source: Bytes, start: readonly Uint8Array[] = []): Promise<Bytes> {
  const path = join(tmpdir(), `simd-softmax-${randomBytes(8).toString('hex')}`);
  let fd: number | undefined;
  try {
    const open = openSync(path, 'wx+');
    fd = open;
    // It stays as long as it is open, and no end of the process leaves it behind.
    rmSync(path);
    for await (const piece of piecesOf(source, start)) appendFileSync(open, piece);
    return bytesOf({ fd: open, stats: fstatSync(open), close: () => closeSync(open) }, source.name);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw systemFailure(error, 'a writable file', path);
  }
}

async function* piecesOf(source: Bytes, start: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* start;
  const chunk = new Uint8Array(CHUNK);
  for (let count = CHUNK; count === CHUNK; ) {
    count = await source.fill(chunk);
    yield chunk.subarray(0, count);
  }
}
