/**
 * Where the addon's binary may lie, best first. Every place is told from where this module lies, or the bundle that
 * holds it. Nothing of the working directory is ever loaded: where the module's own place is unknown, nothing is
 * looked for.
 */
import { version } from '../../../package.json';

type Fs = typeof import('node:fs');
type Path = typeof import('node:path');

/** What stands in the name of a prebuilt binary (prebuildify's --tag-libc); '' on systems with one C library. */
export type CLibrary = 'glibc' | 'musl' | '';

export interface Places {
  /** The C library of this process; undefined where it cannot be told. */
  readonly libc: CLibrary | undefined;
  /** The folder of this module or of the bundle that holds it; undefined where that is unknown. */
  readonly folder: string | undefined;
  /** The package's own folder, where this module lies in it; undefined for a bundle. */
  readonly root: string | undefined;
  /** Paths to try, best first. Not all of them exist. */
  readonly binaries: readonly string[];
  /** Packages of this name in reach that are of another version. */
  readonly others: readonly string[];
}

/**
 * The binary that ships. Bundlers read this source: webpack copies what the URL may name into its output, @vercel/nft
 * traces it, and in CommonJS the path. So both stay templates, and stand in return statements.
 */
function shippedUrl(libc: CLibrary): URL {
  const name = binaryName(libc);
  return new URL(`../prebuilds/${process.platform}-${process.arch}/${name}.node`, import.meta.url);
}

function shippedPath(libc: CLibrary): string {
  return `${__dirname}/../prebuilds/${process.platform}-${process.arch}/${binaryName(libc)}.node`;
}

/** The file name of the binary for a C library, without `.node`. */
export function binaryName(libc: CLibrary): string {
  return libc === '' ? 'simd-softmax' : `simd-softmax.${libc}`;
}

export function findPlaces(fs: Fs, path: Path): Places {
  const libc = cLibrary(fs);
  const libcs: readonly CLibrary[] = libc === undefined ? ['glibc', 'musl'] : [libc];
  const { folder, root, installed, others, isText } = lookAround(fs, path);
  const binaries: string[] = [];
  for (const at of root === undefined ? installed : [root]) {
    binaries.push(path.join(at, 'build', 'Release', 'simd_softmax.node'));
    for (const each of libcs) binaries.push(path.join(at, 'prebuilds', target(), `${binaryName(each)}.node`));
  }
  if (root === undefined) {
    // What webpack has copied, then what somebody has put beside a bundle.
    if (!isText) binaries.push(...libcs.flatMap(shipped));
    if (folder !== undefined)
      binaries.push(...libcs.map((each) => path.join(folder, `${binaryName(each)}.node`)));
  }
  return { libc, folder, root, binaries, others };
}

/** What is known of this module's place. */
export interface Surroundings extends Pick<Places, 'folder' | 'root' | 'others'> {
  /** Packages of this name and version that a bundle has in reach, best first. */
  readonly installed: readonly string[];
  /** True for a program without a file: from standard input, say. Its name is `[stdin]`, in the working directory. */
  readonly isText: boolean;
}

export function lookAround(fs: Fs, path: Path): Surroundings {
  const file = ownFile();
  const known = file !== undefined && path.isAbsolute(file) && !/^\[[\w ]*\]$/.test(path.basename(file));
  const folder = known ? path.dirname(file) : undefined;
  return { folder, isText: file !== undefined && !known, ...findPackages(fs, path, folder) };
}

/** As in prebuilds/: 'linux-x64', for one. */
export const target = (): string => `${process.platform}-${process.arch}`;

/**
 * This module, or the bundle that holds it. Not by import.meta.url, for which webpack writes the path on the build
 * machine. In a single executable application `__filename` is the executable.
 */
function ownFile(): string | undefined {
  return import.meta.filename ?? (typeof __filename === 'string' ? __filename : undefined);
}

/** The package that a folder lies in, or else the packages of this name that Node would find from there. */
function findPackages(fs: Fs, path: Path, folder: string | undefined) {
  const installed: string[] = [];
  const others: string[] = [];
  for (let at = folder; at !== undefined; at = at === path.dirname(at) ? undefined : path.dirname(at)) {
    if (versionOf(at) === version) return { root: at, installed, others };
    const candidate = path.join(at, 'node_modules', 'simd-softmax');
    const found = versionOf(candidate);
    if (found === version) installed.push(candidate);
    else if (found !== undefined) others.push(`${candidate} is ${found}, and this is ${version}`);
  }
  return { root: undefined, installed, others };

  function versionOf(at: string): string | undefined {
    try {
      const manifest = JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8'));
      return manifest.name === 'simd-softmax' ? String(manifest.version) : undefined;
    } catch {
      return undefined; // none, or none that this process may read
    }
  }
}

/** Where the binary lies that ships, or where webpack has put it; none where nothing is known about places. */
function shipped(libc: CLibrary): readonly string[] {
  try {
    return [process.getBuiltinModule('node:url').fileURLToPath(shippedUrl(libc))];
  } catch {
    return typeof __dirname === 'string' ? [shippedPath(libc)] : [];
  }
}

/**
 * Read from the executable, whose ELF header names its loader: 0.1 ms. The process report tells it too, where files of
 * the system may not be read, but takes 5 ms and waits for every worker thread to answer.
 */
function cLibrary(fs: Fs): CLibrary | undefined {
  if (process.platform !== 'linux') return '';
  const { Deno } = globalThis as { Deno?: { build: { target: string } } };
  if (Deno !== undefined) return Deno.build.target.endsWith('musl') ? 'musl' : 'glibc';
  return loaderOf(fs, process.execPath) ?? reported();
}

function loaderOf(fs: Fs, executable: string): CLibrary | undefined {
  try {
    const file = fs.openSync(executable, 'r');
    try {
      const start = Buffer.alloc(4096);
      const text = start.toString('latin1', 0, fs.readSync(file, start, 0, start.length, 0));
      if (text.includes('/ld-musl-')) return 'musl';
      return text.includes('/ld-linux') || text.includes('/ld64.so') ? 'glibc' : undefined;
    } finally {
      fs.closeSync(file);
    }
  } catch {
    return undefined;
  }
}

function reported(): CLibrary | undefined {
  try {
    const { header, sharedObjects } = process.report.getReport() as {
      header?: { glibcVersionRuntime?: string };
      sharedObjects?: readonly string[];
    };
    if (header?.glibcVersionRuntime) return 'glibc';
    return sharedObjects?.some((name) => name.includes('musl')) ? 'musl' : undefined;
  } catch {
    return undefined;
  }
}
