import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bytes, openInput } from './input.js';
import { openOutput } from './output.js';

const CHUNK = 1 << 20;

/**
 * A pipe as a file, for formats whose directory stands at the end. It is gone when it is closed.
 * @param start what has been read of it already.
 */
export async function spool(source: Bytes, start: readonly Uint8Array[] = []): Promise<Bytes> {
  const path = join(tmpdir(), `simd-softmax-${randomBytes(8).toString('hex')}`);
  const output = await openOutput(path);
  try {
    for (const piece of start) await output.write(piece);
    const chunk = new Uint8Array(CHUNK);
    for (let count = CHUNK; count === CHUNK; ) {
      count = await source.fill(chunk);
      await output.write(chunk.subarray(0, count));
    }
    await output.commit();
    return await openInput(path, source.name);
  } catch (error) {
    await output.discard();
    throw error;
  } finally {
    // It can be read as long as it is open; on Windows it stays in the folder for temporary files.
    await rm(path, { force: true }).catch(() => {});
  }
}
