import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { expected, expectedUsage, systemFailure } from './failure.js';
import { write } from './streams.js';

/** Where a result goes. Nothing stands under its final name until `commit`. */
export interface Output {
  /** The bytes may be changed when the promise resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** How many bytes have been written. */
  readonly position: number;
  /** Writes over what is there already; files only. */
  patch?(at: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was written is on the disk; files only. */
  sync?(): Promise<void>;
  commit(): Promise<void>;
  /** @param keep leaves what is there for a run that goes on with it, where there will be one. */
  discard(keep?: boolean): Promise<void>;
}

/** What to call the file until it is whole, and where in it to go on. */
export interface Temporary {
  readonly path: string;
  /** Bytes of an earlier run to keep. */
  readonly from: number;
}

/**
 * `-` is stdout. Opened before the work starts, so that a wrong place is told at once.
 * @param temporary a name of its own for each run unless it is given.
 */
export async function openOutput(path: string, temporary?: Temporary): Promise<Output> {
  if (path === '-') return openStdout();
  try {
    return await openFile(path, temporary);
  } catch (error) {
    throw systemFailure(error, 'a writable file', path);
  }
}

function openStdout(): Output {
  if (process.stdout.isTTY) throw expectedUsage('a file or a pipe', '-o -', 'a terminal');
  let position = 0;
  return {
    async write(bytes) {
      await write(process.stdout, bytes);
      position += bytes.length;
    },
    get position() {
      return position;
    },
    async commit() {},
    async discard() {},
  };
}

async function openFile(path: string, given: Temporary | undefined): Promise<Output> {
  const { target, existing } = await targetOf(path);
  // A device or a named pipe is written as it stands; nothing may be renamed over it.
  if (existing && !existing.isFile()) return openSpecial(path);

  const temporary = given?.path ?? `${target}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
  const release = given ? () => {} : removeAtExit(temporary);
  const mode = existing ? existing.mode & 0o777 : 0o666;
  const file = await open(temporary, given === undefined ? 'wx' : given.from > 0 ? 'r+' : 'w', mode).catch(
    (error) => {
      release();
      throw error;
    },
  );
  if (given) await file.truncate(given.from);
  let position = given?.from ?? 0;
  const fail = (error: unknown) => systemFailure(error, 'a writable file', path);
  return {
    async write(bytes) {
      await writeAll(file, bytes, position, path);
      position += bytes.length;
    },
    get position() {
      return position;
    },
    patch: (at, bytes) => writeAll(file, bytes, at, path),
    sync: () =>
      file.datasync().catch((error) => {
        throw fail(error);
      }),
    async commit() {
      try {
        await file.datasync();
        await file.close();
        await rename(temporary, target);
      } catch (error) {
        throw fail(error);
      }
      release();
    },
    async discard(keep = false) {
      await file.close().catch(() => {});
      if (!keep) await rm(temporary, { force: true });
      release();
    },
  };
}

/** The file that a path stands for in the end; a link stays a link. */
export async function targetOf(path: string) {
  const existing = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing?.isDirectory()) throw expected('a file', path, 'a directory');
  return { target: existing?.isFile() ? await realpath(path) : path, existing };
}

async function openSpecial(path: string): Promise<Output> {
  const file = await open(path, 'w');
  let position = 0;
  return {
    async write(bytes) {
      await writeAll(file, bytes, null, path);
      position += bytes.length;
    },
    get position() {
      return position;
    },
    commit: () => file.close(),
    discard: () => file.close().catch(() => {}),
  };
}

/**
 * In pieces, because one write takes less than 2 GiB, and may take less than it is given.
 * @param start where; null for files that have no positions.
 */
async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  start: number | null,
  path: string,
): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) {
      const most = Math.min(bytes.length - at, 1 << 26);
      const { bytesWritten } = await file.write(bytes, at, most, start === null ? null : start + at);
      at += bytesWritten;
    }
  } catch (error) {
    throw systemFailure(error, 'a writable file', path);
  }
}

/** Removes the file if the process exits before it is whole; returns what stops that. */
function removeAtExit(path: string): () => void {
  const remove = () => rmSync(path, { force: true });
  process.on('exit', remove);
  return () => process.off('exit', remove);
}
