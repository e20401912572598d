/**
 * The folder below which a process touches files, whoever names them. Without one, every path is opened as it stands.
 *
 * A path is walked name by name from the open root, as openat2 does with RESOLVE_BENEATH: a link is read, never followed,
 * and one that leads out is refused before anything outside is looked at. Linux walks by open folders (/proc/self/fd), so
 * a link swapped in meanwhile is refused too. Elsewhere it walks by names and checks again when the file is open: a swap
 * between the two can have a file outside opened, but not read, and an output created in a folder outside.
 * What remains everywhere: hard links and mounts below the root are below the root.
 */
import { constants, existsSync, realpathSync } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { expected, expectedUsage, type Failure, systemFailure } from './failure.js';

/** Where a path leads: an open folder below the root, and a name in it that is no link. */
interface Place {
  /** The path to use: it goes by the open folder, where the system can. */
  readonly path: string;
  /** Undefined where there is no such file yet. */
  readonly existing: Awaited<ReturnType<typeof lstat>> | undefined;
  close(): Promise<void>;
}

/** Where an output goes in the end, links resolved. */
export interface Target {
  readonly target: string;
  readonly existing: { readonly mode: number; isFile(): boolean } | undefined;
  /** To be called when nothing of the path is used any more. */
  release(): Promise<void>;
}

interface Folder {
  readonly path: string;
  readonly handle: FileHandle | undefined;
}

const MOST_LINKS = 40;
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
/** Linux: a place in the tree, for which no permission to read is needed. */
const O_PATH = 0o10000000;
const byHandle = process.platform === 'linux' && existsSync('/proc/self/fd');

let root: { readonly given: string; readonly real: string; readonly folder: Folder } | undefined;

/** From now on this process touches files below `path` only. */
export async function confineTo(path: string): Promise<string> {
  const given = resolve(path);
  try {
    const real = await realpath(given);
    if (!(await stat(real)).isDirectory()) throw expectedUsage('a folder', '--root', `'${path}'`);
    root = { given, real, folder: await folderAt(real) };
    return real;
  } catch (error) {
    throw systemFailure(error, 'a folder', '--root');
  }
}

async function folderAt(path: string): Promise<Folder> {
  if (!byHandle) return { path, handle: undefined };
  const handle = await open(path, O_PATH | constants.O_DIRECTORY | NO_FOLLOW);
  return { path: `/proc/self/fd/${handle.fd}`, handle };
}

/** @throws Failure where it lies outside the root: in the same words whether it is there or not. */
export async function openToRead(path: string): Promise<FileHandle> {
  if (!root) return await open(path);
  const place = await walk(path);
  try {
    // A named pipe would wait for a writer.
    const handle = await open(place.path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw expected('a regular file', path, 'something else');
      if (!(await isStillInside(handle, place.path))) throw outside(path);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw isLink(error) ? outside(path) : error;
  } finally {
    await place.close();
  }
}

/** A path for others to open, who follow links: it goes by the open file, where the system can. */
export async function pathToRead(path: string): Promise<{ readonly path: string; release(): Promise<void> }> {
  if (!root) return { path: resolve(path), release: async () => {} };
  const handle = await openToRead(path);
  const open = byHandle ? `/proc/self/fd/${handle.fd}` : realpathSync(resolve(root.given, path));
  return { path: open, release: () => handle.close() };
}

/** Size and time of a file, without waiting for what is none. */
export async function statOf(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }> {
  if (!root) return await stat(path);
  const handle = await openToRead(path);
  try {
    return await handle.stat();
  } finally {
    await handle.close();
  }
}

/** The folder that a file is in, as a path to use until it is released. */
export async function folderOf(path: string): Promise<{ readonly path: string; release(): Promise<void> }> {
  if (!root) return { path: dirname(path), release: async () => {} };
  const { path: within, close } = await walk(path);
  return { path: dirname(within), release: close };
}

/** The file that a path stands for in the end; a link stays a link. */
export async function targetOf(path: string): Promise<Target> {
  if (root) {
    const { path: target, existing, close } = await walk(path);
    if (existing && !existing.isFile()) {
      await close();
      throw expected('a regular file', path, existing.isDirectory() ? 'a directory' : 'something else');
    }
    return {
      target,
      existing: existing && { mode: Number(existing.mode), isFile: () => true },
      release: close,
    };
  }
  const existing = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing?.isDirectory()) throw expected('a file', path, 'a directory');
  return { target: existing?.isFile() ? await realpath(path) : path, existing, release: async () => {} };
}

async function walk(path: string): Promise<Place> {
  const { folder: top } = root!;
  let folders: Folder[] = [];
  const here = () => folders.at(-1) ?? top;
  async function leave(left: readonly Folder[]): Promise<void> {
    for (const { handle } of left) await handle?.close();
  }
  async function restart(): Promise<void> {
    const left = folders;
    folders = [];
    await leave(left);
  }

  try {
    let names = namesBelow(path, path);
    for (let links = 0; names.length > 0; ) {
      const [name, ...rest] = names;
      names = rest;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        const left = folders.pop();
        if (!left) throw outside(path);
        await leave([left]);
        continue;
      }
      const at = join(here().path, name);
      const last = names.every((next) => next === '');
      const found = await lstat(at).catch((error: NodeJS.ErrnoException) => {
        if (last && error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (found?.isSymbolicLink()) {
        if (++links > MOST_LINKS) throw expected('a file', path, 'links without an end');
        const link = await readlink(at);
        if (isAbsolute(link)) {
          names = [...namesBelow(link, path), ...names];
          await restart();
        } else names = [...link.split(/[/\\]/), ...names];
      } else if (last) {
        const kept = folders;
        folders = [];
        return { path: at, existing: found, close: () => leave(kept) };
      } else folders.push(await folderAt(at));
    }
    throw expected('a file', path, 'a directory');
  } catch (error) {
    await restart();
    throw isLink(error) ? outside(path) : error;
  }
}

/** The names from the root to a path, by the letters of the path alone. */
function namesBelow(path: string, shown: string): string[] {
  const { given, real } = root!;
  const whole = resolve(given, path);
  for (const base of [given, real]) {
    const below = relative(base, whole);
    if (below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below)) return below.split(sep);
  }
  throw outside(shown);
}

/** Also a folder may have been moved out of the root meanwhile. */
async function isStillInside(handle: FileHandle, path: string): Promise<boolean> {
  const { real } = root!;
  const now = byHandle ? await readlink(`/proc/self/fd/${handle.fd}`) : realpathSync(path);
  if (!now.startsWith(real.endsWith(sep) ? real : real + sep)) return false;
  if (byHandle) return true;
  const [opened, found] = [await handle.stat(), await stat(now)];
  return opened.dev === found.dev && opened.ino === found.ino;
}

/** Of O_NOFOLLOW, and of O_DIRECTORY with it: a link was put where none was. */
function isLink(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ELOOP';
}

function outside(path: string): Failure {
  return expected("a path below the worker's root", path, 'one that lies outside the root');
}
