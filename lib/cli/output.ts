import { randomBytes } from 'node:crypto';
import { close, fdatasync, fstatSync, ftruncateSync, openSync, rename, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expectedUsage, systemFailure } from './failure.js';
import { targetOf } from './root.js';
import { write } from './streams.js';
import { takeTurns } from './turns.js';

/** Where a result goes. Nothing stands under its final name until `commit`. */
export interface Output {
  /** One piece behind the other. The bytes may be changed when the promise resolves. */
  write(...pieces: readonly Uint8Array[]): Promise<void>;
  /** How many bytes have been written. */
  readonly position: number;
  /** Where it stands until it is whole, for others to write to; files only. */
  readonly path?: string;
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
    return openSpecial(
      (piece) => writeToFile(1, piece),
      async () => {},
      'stdout',
    );
  }
  if (process.stdout.isTTY) throw expectedUsage('a file or a pipe', '-o -', 'a terminal');
  return openSpecial(
    (piece) => write(process.stdout, piece),
    async () => {},
    'stdout',
  );
}

async function openFile(path: string, given: Temporary | undefined): Promise<Output> {
  const { target, existing, release: leave } = targetOf(path);
  // A device or a named pipe is written as it stands; nothing may be renamed over it.
  if (existing && !existing.isFile()) {
    const special = await open(path, 'w');
    return openSpecial(
      (piece) => special.writeFile(piece),
      () => special.close(),
      path,
    );
  }

  const temporary = given?.path ?? `${target}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
  const stay = given ? () => {} : removeAtExit(temporary);
  const release = () => {
    stay();
    leave();
  };
  const mode = existing ? existing.mode & 0o777 : 0o666;
  let fd: number;
  try {
    fd = openSync(temporary, given === undefined ? 'wx+' : given.from > 0 ? 'r+' : 'w+', mode);
    if (given) ftruncateSync(fd, given.from);
  } catch (error) {
    release();
    throw error;
  }
  let position = given?.from ?? 0;
  let closed = false;

  /** Returns where they end. */
  async function put(pieces: readonly Uint8Array[], at: number): Promise<number> {
    let end = at;
    try {
      for (const piece of pieces) {
        await writeToFile(fd, piece, end);
        end += piece.length;
      }
      return end;
    } catch (error) {
      throw systemFailure(error, 'a writable file', path);
    }
  }

  /** Its number may belong to another file afterwards. */
  async function closeOnce(): Promise<void> {
    if (closed) return;
    closed = true;
    await promisify(close)(fd);
  }

  async function sync(): Promise<void> {
    try {
      await promisify(fdatasync)(fd);
    } catch (error) {
      throw systemFailure(error, 'a writable file', path);
    }
  }

  return {
    path: temporary,
    async write(...pieces) {
      position = await put(pieces, position);
    },
    get position() {
      return position;
    },
    async patch(at, bytes) {
      await put([bytes], at);
    },
    sync,
    async commit() {
      try {
        // As with cp, the system brings it to the disk when it likes: to wait for that takes longer than all the rest.
        // Both may take long on a disk of the network.
        await closeOnce();
        await promisify(rename)(temporary, target);
      } catch (error) {
        throw systemFailure(error, 'a writable file', path);
      }
      release();
    },
    async discard(keep = false) {
      await closeOnce().catch(() => {});
      if (!keep) rmSync(temporary, { force: true });
      release();
    },
  };
}

/** Written as it stands, from front to back. */
function openSpecial(
  writePiece: (piece: Uint8Array) => Promise<void>,
  close: () => Promise<void>,
  path: string,
): Output {
  let position = 0;
  return {
    async write(...pieces) {
      try {
        for (const piece of pieces) {
          await writePiece(piece);
          position += piece.length;
        }
      } catch (error) {
        throw systemFailure(error, 'a writable file', path);
      }
    },
    get position() {
      return position;
    },
    commit: close,
    discard: () => close().catch(() => {}),
  };
}

/**
 * A file is given so many bytes at a time, from one multiple of it to the next: the page cache then has them in one piece,
 * and Linux 6.18 is a quarter faster than with pieces that begin anywhere, behind a header for example. Of more bytes it
 * takes pages of up to 2 MiB, for which a virtual machine goes to its host: it wrote four times as fast by 128 KiB as by
 * 512 KiB and more.
 */
const WRITE_BYTES = 1 << 17;

/**
 * Writes to a regular file on this thread: the bytes go no further than the page cache, which takes less time than to ask
 * another thread for it.
 * @param start default: where the file stands.
 */
async function writeToFile(fd: number, piece: Uint8Array, start?: number): Promise<void> {
  for (let at = 0; at < piece.length; ) {
    await takeTurns();
    // One write may take less than it is given.
    const length = Math.min(piece.length - at, WRITE_BYTES - (((start ?? 0) + at) % WRITE_BYTES));
    at += writeSync(fd, piece, at, length, start === undefined ? null : start + at);
  }
}

/** Removes the file if the process exits before it is whole; returns what stops that. */
function removeAtExit(path: string): () => void {
  const remove = () => rmSync(path, { force: true });
  process.on('exit', remove);
  return () => process.off('exit', remove);
}
