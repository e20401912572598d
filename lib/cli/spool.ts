import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFailure } from './failure.js';
import { type Bytes, openInput } from './input.js';

const CHUNK = 1 << 20;

/**
 * A pipe as a file, for formats whose directory stands at the end. It is gone when it is closed.
 * @param start what has been read of it already.
 */
export async function spool(source: Bytes, start: readonly Uint8Array[] = []): Promise<Bytes> {
  const path = join(tmpdir(), `simd-softmax-${randomBytes(8).toString('hex')}`);
  try {
    await writeFile(path, piecesOf(source, start), { flag: 'wx' });
    return await openInput(path, source.name);
  } catch (error) {
    throw systemFailure(error, 'a writable file', path);
  } finally {
    // It can be read as long as it is open; on Windows it stays in the folder for temporary files.
    await rm(path, { force: true }).catch(() => {});
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
