/** Compiles the contenders once, so that their processes are plain Node and start fast. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** As deep as contenders/, whose relative paths therefore hold. */
const built = fileURLToPath(new URL('../.built/', import.meta.url));

export async function buildContenders(): Promise<string> {
  const folder = fileURLToPath(new URL('../contenders/', import.meta.url));
  await build({
    entryPoints: readdirSync(folder)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}${name}`),
    outdir: built,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outExtension: { '.js': '.mjs' },
    logLevel: 'warning',
  });
  return built;
}
