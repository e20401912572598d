import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orSystemFailure, systemFailure } from './failure.js';
import { type Bytes, bytesOf } from './input.js';

const CHUNK = 1 << 20;

/**
 * A pipe as a file, for formats whose directory stands at the end. It is gone when it is closed.
 * @param start what has been read of it already.
 */
export async function spool(source: Bytes, start: readonly Uint8Array[] = []): Promise<Bytes> {
  const { fd, path, close } = openTemporary();
  try {
    for await (const piece of piecesOf(source, start)) appendFileSync(fd, piece);
    return bytesOf({ fd, stats: fstatSync(fd), close }, source.name);
  } catch (error) {
    close();
    throw systemFailure(error, 'a writable file', path);
  }
}

/** Bytes that are wanted again, from the first on, when all have come. */
export function newSpool() {
  const { fd, path, close } = openTemporary();
  let open = true;
  return {
    write(bytes: Uint8Array): void {
      orSystemFailure(() => appendFileSync(fd, bytes), 'a writable file', path);
    },
    *pieces(): Generator<Uint8Array> {
      const chunk = new Uint8Array(CHUNK);
      for (let at = 0, count = CHUNK; count > 0; at += count) {
        count = orSystemFailure(() => readSync(fd, chunk, 0, CHUNK, at), 'a readable file', path);
        if (count > 0) yield chunk.subarray(0, count);
      }
    },
    close(): void {
      if (open) close();
      open = false;
    },
  };
}

/** It stays as long as it is open, and no end of the process leaves it behind. */
function openTemporary() {
  const path = join(tmpdir(), `simd-softmax-${randomBytes(8).toString('hex')}`);
  const fd = orSystemFailure(() => openSync(path, 'wx+'), 'a writable file', path);
  rmSync(path);
  return { fd, path, close: () => closeSync(fd) };
}

async function* piecesOf(source: Bytes, start: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* start;
  const chunk = new Uint8Array(CHUNK);
  for (let count = CHUNK; count === CHUNK; ) {
    count = await source.fill(chunk);
    yield chunk.subarray(0, count);
  }
}
