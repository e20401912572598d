/** Loads the native addon: the build in this folder if there is one, else the prebuilt binary for this machine. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Addon } from './native.js';

function load(): Addon | Error {
  const require = createRequire(import.meta.url);
  try {
    const nodeGypBuild = require('node-gyp-build') as (folder: string) => Addon;
    return nodeGypBuild(fileURLToPath(new URL('..', import.meta.url)));
  } catch (cause) {
    const { platform, arch, version } = process;
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    return new Error(
      `No native addon for ${platform}-${arch} on Node ${version}, so pure TypeScript serves: ${why}\n` +
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
