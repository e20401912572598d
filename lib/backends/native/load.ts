/**
 * Loads the native addon: once, when it is first asked for. Node's modules come from `process`, so that this file
 * loads, and finds nothing, where there is no Node.
 */
import { operations, parted } from '../../ops/all.js';
import { environmentVariable } from '../environment.js';
import type { Addon } from './binding.js';
import { complaint, type Failure } from './complaint.js';
import { binaryName, findPlaces, type Places } from './places.js';

export type Loaded =
  | { readonly addon: Addon; readonly loadError: null }
  | { readonly addon: null; readonly loadError: Error };

let loaded: Loaded | undefined;

export function loadAddon(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  if (typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function') {
    const loadError = new Error('No native addon: this runtime has no process.getBuiltinModule.');
    return { addon: null, loadError };
  }
  const places = findPlaces(process.getBuiltinModule('node:fs'), process.getBuiltinModule('node:path'));
  const failures: Failure[] = [];
  const given = givenPath(failures);
  for (const path of given ?? places.binaries) {
    try {
      const addon = open(path);
      if (addon !== undefined) return { addon, loadError: null };
    } catch (error) {
      failures.push({ path, error });
    }
  }
  try {
    const addon = given === undefined ? openAsset(places) : undefined;
    if (addon !== undefined) return { addon, loadError: null };
  } catch (error) {
    failures.push({ path: 'the asset', error });
  }
  return { addon: null, loadError: complaint(places, failures) };
}

/** The path of a binary to load and no other, where SIMD_SOFTMAX_ADDON gives one. */
function givenPath(failures: Failure[]): readonly string[] | undefined {
  const path = environmentVariable('SIMD_SOFTMAX_ADDON');
  if (!path) return undefined;
  if (process.getBuiltinModule('node:path').isAbsolute(path)) return [path];
  const error = new RangeError(`Expected an absolute path for SIMD_SOFTMAX_ADDON but received ${path}`);
  failures.push({ path, error });
  return [];
}

/**
 * What this thread has loaded, by path: once for the package imported and required, and for every context of jest. All
 * of these see the same built-in module.
 */
function loadedAddons(): Map<string, Addon> {
  const key = Symbol.for('simd-softmax: loaded addons');
  const shared = process.getBuiltinModule('node:module') as unknown as {
    [key: symbol]: Map<string, Addon> | undefined;
  };
  shared[key] ??= new Map();
  return shared[key];
}

/** Undefined where there is no such file; throws where there is one and it does not serve. */
function open(path: string): Addon | undefined {
  const { existsSync } = process.getBuiltinModule('node:fs');
  if (!existsSync(path)) return undefined;
  if (process.platform === 'linux') refuseCutShort(path);
  const module = { exports: {} };
  const addons = loadedAddons();
  if (!addons.has(path)) process.dlopen(module, path);
  const addon = addons.get(path) ?? (module.exports as Addon);
  addons.set(path, addon);
  refuseOtherSources(addon);
  return addon;
}

/** A binary older or newer than this file: the operations that it knows are not those that are declared here. */
function refuseOtherSources({ call }: Partial<Addon>): void {
  for (const { op } of Object.values({ ...operations, ...parted })) {
    const own = op.writes.filter((name) => name !== 'out');
    const expected = listOf([...op.numbers, ...op.reads, ...own]);
    const line = call?.operations.find(({ name }) => name === op.name);
    const received = line === undefined ? 'no such operation' : listOf([...line.numbers, ...line.arrays]);
    if (received !== expected)
      throw new Error(
        `built from other sources: Expected ${expected} for ${op.name} but received ${received}`,
      );
  }
}

function listOf(names: readonly string[]): string {
  return [...names].sort().join(', ');
}

/**
 * The binary that a single executable application (SEA) carries as an asset by its own file name. It has to be a file
 * to be loaded: one in a new folder that nobody else can write to, gone as soon as it is loaded.
 */
function openAsset({ libc }: Places): Addon | undefined {
  const sea = process.getBuiltinModule('node:sea');
  if (libc === undefined || !sea?.isSea()) return undefined;
  const name = `${binaryName(libc)}.node`;
  let binary: ArrayBuffer;
  try {
    binary = sea.getRawAsset(name) as ArrayBuffer;
  } catch {
    return undefined; // no such asset
  }
  const { mkdtempSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  const folder = mkdtempSync(join(process.getBuiltinModule('node:os').tmpdir(), 'simd-softmax-'));
  try {
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(binary), { mode: 0o500 });
    return open(path);
  } finally {
    try {
      rmSync(folder, { recursive: true });
    } catch {
      // Windows keeps a library that is in use.
    }
  }
}

/**
 * Linux maps a binary without comparing it with the file's size: the process would die of SIGBUS in dlopen where a full
 * disk cut the file short. The section headers stand at the end of the file, and the ELF header says where that is.
 */
function refuseCutShort(path: string): void {
  const { closeSync, fstatSync, openSync, readSync } = process.getBuiltinModule('node:fs');
  const file = openSync(path, 'r');
  try {
    const elf = Buffer.alloc(64);
    readSync(file, elf, 0, 64, 0);
    const [headersAt, headerSize, headers] = [
      elf.readBigUInt64LE(40),
      elf.readUInt16LE(58),
      elf.readUInt16LE(60),
    ];
    const end = Number(headersAt) + headerSize * headers;
    if (elf.readUInt32BE(0) === 0x7f454c46 && fstatSync(file).size < end)
      throw new Error(`${path}: file too short`);
  } finally {
    closeSync(file);
  }
}
