/** How much of the package a page loads: all of it, and single functions, which leave the others' code out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { expectEqual, proof } from './packed.mjs';

/** Bytes, gzipped, above what they are today: docs/platforms.md states these sizes. */
const most = {
  softmax: 19_000,
  topK: 21_000,
  crossEntropy: 22_500,
  evaluate: 22_500,
  sample: 27_000,
};

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB gzipped`;
const gzipped = (content) => gzipSync(content, { level: 9 }).length;

/** Proves it of the package that is installed in `folder`. */
export async function provePage(folder) {
  /** Minified, as for a user's page: the bundle of some exports. */
  async function bundle(contents) {
    const { outputFiles } = await esbuild.build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
    });
    return outputFiles[0].text;
  }
  function expectUnder(limit, bytes) {
    if (bytes >= limit)
      throw new Error(`Expected under ${kilobytes(limit)} but received ${kilobytes(bytes)}`);
    return kilobytes(bytes);
  }

  const all = await bundle(
    "export * from 'simd-softmax'; export * as promises from 'simd-softmax/promises';",
  );
  await proof('a page: nothing of Node and nothing native in the bundle', () => {
    const stray = all.match(/node:|createRequire|node-gyp-build|solveScratch|submit\(|\.node\b/g);
    expectEqual(stray, null, 'what does not belong');
  });
  await proof('a page: everything is under 45 kB gzipped', () => expectUnder(45_000, gzipped(all)));
  for (const [name, limit] of Object.entries(most)) {
    await proof(`a page: ${name} alone is under ${limit / 1000} kB`, async () =>
      expectUnder(limit, gzipped(await bundle(`export { ${name} } from 'simd-softmax';`))),
    );
  }
  await proof('a page with WebAssembly: what one browser loads is under 450 kB gzipped', async () => {
    const dist = join(folder, 'node_modules/simd-softmax/dist');
    const sizes = ['simd-softmax.relaxed.wasm', 'simd-softmax.wasm'].map((name) =>
      gzipped(readFileSync(join(dist, name))),
    );
    return expectUnder(
      450_000,
      gzipped(await bundle("export * from 'simd-softmax/wasm';")) + Math.max(...sizes),
    );
  });
}
