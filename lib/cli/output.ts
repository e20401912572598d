import { randomBytes } from 'node:crypto';
import { fstatSync, rmSync, writev } from 'node:fs';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expected, expectedUsage, systemFailure } from './failure.js';
import { write } from './streams.js';

/**
 * Of so many bytes the disk is told at a time. It writes them while the next are scored, so that little is left to wait
 * for at the end.
 */
const FLUSH_BYTES = 1 << 25;

/** Where a result goes. Nothing stands under its final name until `commit`. */
export interface Output {
  /** One piece behind the other. The bytes may be changed when the promise resolves. */
  write(...pieces: readonly Uint8Array[]): Promise<void>;
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
  // The stream would write to a file while nothing else can run.
  if (fstatSync(1).isFile()) {
    const toStdout = promisify(writev).bind(undefined, 1);
    return openSpecial({ writev: toStdout, async close() {} }, 'stdout');
  }
  if (process.stdout.isTTY) throw expectedUsage('a file or a pipe', '-o -', 'a terminal');
  let position = 0;
  return {
    async write(...pieces) {
      for (const bytes of pieces) {
        await write(process.stdout, bytes);
        position += bytes.length;
      }
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
  if (existing && !existing.isFile()) return openSpecial(await open(path, 'w'), path);

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
  let flushed = position;
  let flushing: Promise<void> | undefined;
  /** What the disk said to it: the system tells it once. */
  let failure: unknown;

  function flush(): void {
    if (flushing || position - flushed < FLUSH_BYTES) return;
    flushed = position;
    flushing = file
      .datasync()
      .catch((error) => {
        failure = error;
      })
      .finally(() => {
        flushing = undefined;
      });
  }

  async function sync(): Promise<void> {
    try {
      await flushing;
      if (failure) throw failure;
      await file.datasync();
    } catch (error) {
      throw systemFailure(error, 'a writable file', path);
    }
  }

  return {
    async write(...pieces) {
      if (failure) throw systemFailure(failure, 'a writable file', path);
      position += await writeAll(file, pieces, position, path);
      flush();
    },
    get position() {
      return position;
    },
    async patch(at, bytes) {
      await writeAll(file, [bytes], at, path);
    },
    sync,
    async commit() {
      await sync();
      try {
        await file.close();
        await rename(temporary, target);
      } catch (error) {
        throw systemFailure(error, 'a writable file', path);
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

/** Written as it stands, from front to back. */
function openSpecial(file: Writable, path: string): Output {
  let position = 0;
  return {
    async write(...pieces) {
      position += await writeAll(file, pieces, undefined, path);
    },
    get position() {
      return position;
    },
    commit: () => file.close(),
    discard: () => file.close().catch(() => {}),
  };
}

interface Writable {
  writev(pieces: readonly Uint8Array[], position: number | undefined): Promise<{ bytesWritten: number }>;
  close(): Promise<void>;
}

/** No piece is larger, since the system takes less than 2 GiB at a time. */
const MOST = 1 << 26;

/**
 * One write may take less than it is given.
 * @param start where; undefined for files that have no positions.
 * @returns how many bytes there were.
 */
async function writeAll(
  file: Pick<Writable, 'writev'>,
  pieces: readonly Uint8Array[],
  start: number | undefined,
  path: string,
): Promise<number> {
  let written = 0;
  try {
    for (let left = pieces.flatMap(split); left.length > 0; ) {
      const { bytesWritten } = await file.writev(left, start === undefined ? undefined : start + written);
      left = without(left, bytesWritten);
      written += bytesWritten;
    }
    return written;
  } catch (error) {
    throw systemFailure(error, 'a writable file', path);
  }
}

function split(piece: Uint8Array): Uint8Array[] {
  const count = Math.ceil(piece.length / MOST);
  return Array.from({ length: count }, (_, i) => piece.subarray(i * MOST, (i + 1) * MOST));
}

/** The pieces without their first so many bytes. */
function without(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let passed = bytes;
  return pieces.flatMap((piece) => {
    const rest = piece.subarray(Math.min(passed, piece.length));
    passed -= piece.length - rest.length;
    return rest.length > 0 ? [rest] : [];
  });
}

/** Removes the file if the process exits before it is whole; returns what stops that. */
function removeAtExit(path: string): () => void {
  const remove = () => rmSync(path, { force: true });
  process.on('exit', remove);
  return () => process.off('exit', remove);
}
