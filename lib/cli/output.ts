import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, open, realpath, rename, stat } from 'node:fs/promises';
import { expected, expectedUsage, systemFailure } from './failure.js';
import { write } from './streams.js';

/** Where a result goes. Nothing stands under its final name until `commit`. */
export interface Output {
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/** `-` is stdout. Opened before the work starts, so that a wrong place is told at once. */
export async function openOutput(path: string): Promise<Output> {
  if (path === '-') {
    if (process.stdout.isTTY) throw expectedUsage('a file or a pipe', '-o -', 'a terminal');
    return { write: (bytes) => write(process.stdout, bytes), async commit() {}, async discard() {} };
  }
  try {
    return await openFile(path);
  } catch (error) {
    throw systemFailure(error, 'a writable file', path);
  }
}

async function openFile(path: string): Promise<Output> {
  const existing = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing?.isDirectory()) throw expected('a file', path, 'a directory');
  // A device or a named pipe is written as it stands; nothing may be renamed over it.
  if (existing && !existing.isFile()) return openSpecial(path);

  const target = existing ? await realpath(path) : path;
  const temporary = `${target}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
  const release = removeAtExit(temporary);
  const file = await open(temporary, 'wx', existing ? existing.mode & 0o777 : 0o666).catch((error) => {
    release();
    throw error;
  });
  return {
    write: (bytes) => writeAll(file, bytes, path),
    async commit() {
      try {
        await file.datasync();
        await file.close();
        await rename(temporary, target);
      } catch (error) {
        throw systemFailure(error, 'a writable file', path);
      }
      release();
    },
    async discard() {
      await file.close().catch(() => {});
      rmSync(temporary, { force: true });
      release();
    },
  };
}

async function openSpecial(path: string): Promise<Output> {
  const file = await open(path, 'w');
  return {
    write: (bytes) => writeAll(file, bytes, path),
    commit: () => file.close(),
    discard: () => file.close().catch(() => {}),
  };
}

/** In pieces, because one write takes less than 2 GiB, and may take less than it is given. */
async function writeAll(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, at, Math.min(bytes.length - at, 1 << 26));
      at += bytesWritten;
    }
  } catch (error) {
    throw systemFailure(error, 'a writable file', path);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Removes the file however the process ends, short of SIGKILL; returns what stops that. */
function removeAtExit(path: string): () => void {
  const remove = () => rmSync(path, { force: true });
  // After cleaning up, die of the signal itself, so that a shell's loop around us stops too.
  const interrupt = (signal: NodeJS.Signals) => {
    remove();
    release();
    process.kill(process.pid, signal);
  };
  function release() {
    process.off('exit', remove);
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
  process.on('exit', remove);
  for (const signal of SIGNALS) process.on(signal, interrupt);
  return release;
}
