/**
 * The folder below which a process touches files, whoever names them. Without one, every path is opened as it stands.
 *
 * A path is walked name by name from the open root, as openat2 does with RESOLVE_BENEATH: a link is read, never followed,
 * and one that leads out is refused before anything outside is looked at. Linux walks by open folders (/proc/self/fd), so
 * a link swapped in meanwhile is refused too. Elsewhere it walks by names and checks again when the file is open: a swap
 * between the two can have a file outside opened, but not read, and an output created in a folder outside.
 * What remains everywhere: hard links and mounts below the root are below the root.
 *
 * The system is asked on this thread. An answer takes 2 µs, by another thread 40 µs, and a small file needs some twenty.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  open,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { expected, expectedUsage, type Failure, systemFailure } from './failure.js';

/** A file that is open for reading. */
export interface OpenFile {
  readonly fd: number;
  /** When it was opened. */
  readonly stats: Stats;
  close(): void;
}

/** Where a path leads: an open folder below the root, and a name in it that is no link. */
interface Place {
  /** The path to use: it goes by the open folder, where the system can. */
  readonly path: string;
  /** Undefined where there is no such file yet. */
  readonly existing: Stats | undefined;
  close(): void;
}

/** Where an output goes in the end, links resolved. */
export interface Target {
  readonly target: string;
  readonly existing: { readonly mode: number; isFile(): boolean } | undefined;
  /** To be called when nothing of the path is used any more. */
  release(): void;
}

interface Folder {
  readonly path: string;
  /** Undefined where paths go by names. */
  readonly fd: number | undefined;
}

const MOST_LINKS = 40;
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
/** Linux: a place in the tree, for which no permission to read is needed. */
const O_PATH = 0o10000000;
const byHandle = process.platform === 'linux' && existsSync('/proc/self/fd');

let root: { readonly given: string; readonly real: string; readonly folder: Folder } | undefined;

/** From now on this process touches files below `path` only. */
export function confineTo(path: string): string {
  const given = resolve(path);
  try {
    const real = realpathSync(given);
    if (!statSync(real).isDirectory()) throw expectedUsage('a folder', '--root', `'${path}'`);
    root = { given, real, folder: folderAt(real) };
    return real;
  } catch (error) {
    throw systemFailure(error, 'a folder', '--root');
  }
}

function folderAt(path: string): Folder {
  if (!byHandle) return { path, fd: undefined };
  const fd = openSync(path, O_PATH | constants.O_DIRECTORY | NO_FOLLOW);
  return { path: `/proc/self/fd/${fd}`, fd };
}

function leave(folders: readonly Folder[]): void {
  for (const { fd } of folders) if (fd !== undefined) closeSync(fd);
}

/** @throws Failure where it lies outside the root: in the same words whether it is there or not. */
export async function openToRead(path: string): Promise<OpenFile> {
  if (root) return openBelowRoot(path);
  // A named pipe waits for a writer: not on this thread.
  const fd = statSync(path).isFile() ? openSync(path, 'r') : await promisify(open)(path, 'r');
  return { fd, stats: fstatSync(fd), close: () => closeSync(fd) };
}

function openBelowRoot(path: string): OpenFile {
  const place = walk(path);
  try {
    // A named pipe would wait for a writer.
    const fd = openSync(place.path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) throw expected('a regular file', path, 'something else');
      if (!isStillInside(fd, stats, place.path)) throw outside(path);
      return { fd, stats, close: () => closeSync(fd) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } catch (error) {
    throw isLink(error) ? outside(path) : error;
  } finally {
    place.close();
  }
}

/** A path for others to open, who follow links: it goes by the open file, where the system can. */
export function pathToRead(path: string): { readonly path: string; release(): void } {
  if (!root) return { path: resolve(path), release: () => {} };
  const { fd, close } = openBelowRoot(path);
  const open = byHandle ? `/proc/self/fd/${fd}` : realpathSync(resolve(root.given, path));
  return { path: open, release: close };
}

/** What is known of a file, without waiting for what is none. Below a root, anything but a file is refused. */
export function statOf(path: string): Stats {
  if (!root) return statSync(path);
  const { stats, close } = openBelowRoot(path);
  close();
  return stats;
}

/** The folder that a file is in, as a path to use until it is released. */
export function folderOf(path: string): { readonly path: string; release(): void } {
  if (!root) return { path: dirname(path), release: () => {} };
  const { path: within, close } = walk(path);
  return { path: dirname(within), release: close };
}

/** The file that a path stands for in the end; a link stays a link. */
export function targetOf(path: string): Target {
  if (root) {
    const { path: target, existing, close } = walk(path);
    if (existing && !existing.isFile()) {
      close();
      throw expected('a regular file', path, existing.isDirectory() ? 'a directory' : 'something else');
    }
    return { target, existing, release: close };
  }
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing?.isDirectory()) throw expected('a file', path, 'a directory');
  return { target: existing?.isFile() ? realpathSync(path) : path, existing, release: () => {} };
}

function walk(path: string): Place {
  const { folder: top } = root!;
  const folders: Folder[] = [];
  const leaveAll = () => leave(folders.splice(0));

  try {
    let names = namesBelow(path, path);
    for (let links = 0; names.length > 0; ) {
      const [name, ...rest] = names;
      names = rest;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        const left = folders.pop();
        if (!left) throw outside(path);
        leave([left]);
        continue;
      }
      const at = join((folders.at(-1) ?? top).path, name);
      const last = names.every((next) => next === '');
      const found = lstatSync(at, { throwIfNoEntry: !last });
      if (found?.isSymbolicLink()) {
        if (++links > MOST_LINKS) throw expected('a file', path, 'links without an end');
        const link = readlinkSync(at);
        if (isAbsolute(link)) {
          names = [...namesBelow(link, path), ...names];
          leaveAll();
        } else names = [...link.split(/[/\\]/), ...names];
      } else if (last) return { path: at, existing: found, close: leaveAll };
      else folders.push(folderAt(at));
    }
    throw expected('a file', path, 'a directory');
  } catch (error) {
    leaveAll();
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
function isStillInside(fd: number, opened: Stats, path: string): boolean {
  const { real } = root!;
  const now = byHandle ? readlinkSync(`/proc/self/fd/${fd}`) : realpathSync(path);
  if (!now.startsWith(real.endsWith(sep) ? real : real + sep)) return false;
  if (byHandle) return true;
  const found = statSync(now);
  return opened.dev === found.dev && opened.ino === found.ino;
}

/** Of O_NOFOLLOW, and of O_DIRECTORY with it: a link was put where none was. */
function isLink(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ELOOP';
}

function outside(path: string): Failure {
  return expected("a path below the worker's root", path, 'one that lies outside the root');
}
