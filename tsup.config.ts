import { defineConfig } from 'tsup';

export default defineConfig({
  // `addon` and `no-addon` are entries of their own: package.json's "imports" picks one by condition,
  // so that a bundler for the browser never sees the word `node:` or a binary.
  entry: ['lib/index.ts', 'lib/promises.ts', 'lib/addon.ts', 'lib/no-addon.ts', 'lib/cli.ts'],
  format: ['esm', 'cjs'],
  dts: { entry: ['lib/index.ts', 'lib/promises.ts'] },
  target: 'node20',
  external: ['#addon'],
  splitting: true,
  clean: true,
  silent: true,
});
