/**
 * Loads the native addon: the build in the package's folder if there is one, else the prebuilt binary for this machine.
 * The package is looked up by its name, so that a bundle of this file finds it too where it is installed.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { version } from '../package.json';
import type { Addon } from './native.js';

function load(): Addon | Error {
  try {
    // Bundled as CommonJS, this file has no URL: the way to packages is then from where the process runs.
    const require = createRequire(import.meta.url ?? `${process.cwd()}/`);
    const manifest = require.resolve('simd-softmax/package.json');
    const installed = (require(manifest) as { version: string }).version;
    if (installed !== version) throw new Error(`The addon installed is ${installed}, and this is ${version}`);
    const folder = dirname(manifest);
    const nodeGypBuild = createRequire(`${folder}/`)('node-gyp-build') as (folder: string) => Addon;
    return nodeGypBuild(folder);
  } catch (cause) {
    const { platform, arch } = process;
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    return new Error(
      `No native addon for ${platform}-${arch} on Node ${process.version}, so pure TypeScript serves: ${why}\n` +
        'Possible solutions:\n' +
        '- Install again, with the files of the package complete (prebuilds/ holds the binaries)\n' +
        '- Build it here: npm explore simd-softmax -- npm run build:native (wants CMake and a C++ compiler)\n' +
        '- Start Node without --no-addons',
      { cause },
    );
  }
}

const loaded = load();

export const addon: Addon | null = loaded instanceof Error ? null : loaded;
export const loadError: Error | null = loaded instanceof Error ? loaded : null;
