/**
 * Loads the native addon: the build in the package's folder if there is one, else the prebuilt binary for this machine.
 * The package is looked up by its name, so that a bundle of this file finds it too where it is installed.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { version } from '../../../package.json';
import type { Addon } from './native.js';

/**
 * What this side and native/binding.cc agree on: the places of the header, the arguments of each call. The twin of
 * `protocol` there; a change of either side that the other has to follow changes both.
 */
const protocol = 1;

function load(): Addon | Error {
  try {
    // Bundled as CommonJS, this file has no URL: the way to packages is then from where the process runs.
    const require = createRequire(import.meta.url ?? `${process.cwd()}/`);
    const manifest = require.resolve('simd-softmax/package.json');
    const installed = (require(manifest) as { version: string }).version;
    if (installed !== version) throw new Error(`The addon installed is ${installed}, and this is ${version}`);
    const folder = dirname(manifest);
    const { path } = createRequire(`${folder}/`)('node-gyp-build') as { path(folder: string): string };
    const binary = path(folder);
    if (process.platform === 'linux') refuseCutShort(binary);
    const loaded = require(binary) as Addon;
    if (loaded.protocol !== protocol)
      throw new Error(
        `${binary} was built from other sources: Expected protocol ${protocol} but received ${loaded.protocol}`,
      );
    return loaded;
  } catch (cause) {
    const { platform, arch } = process;
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    return new Error(
      `No native addon for ${platform}-${arch} on Node ${process.version}, so pure TypeScript serves: ${why}\n` +
        'Possible solutions:\n' +
        '- Install again, with the files of the package complete (prebuilds/ holds the binaries)\n' +
        '- Build it here, with CMake and a C++ compiler: npm install --no-save cmake-js node-addon-api && ' +
        'npm explore simd-softmax -- npm run build:native\n' +
        '- Start Node without --no-addons',
      { cause },
    );
  }
}

/**
 * Linux maps a binary without comparing it with the file's size: the process would die of SIGBUS in dlopen where a full
 * disk cut the file short. The section headers stand at the end of the file, and the ELF header says where that is.
 */
function refuseCutShort(path: string): void {
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

const loaded = load();

export const addon: Addon | null = loaded instanceof Error ? null : loaded;
export const loadError: Error | null = loaded instanceof Error ? loaded : null;
