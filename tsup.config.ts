import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, PluginBuild } from 'esbuild';
import { defineConfig } from 'tsup';

/** What the command line bundles, so that the package keeps a single dependency; the licences travel along. */
const licences = [
  ['commander', 'commander/LICENSE'],
  ['cli-progress', 'cli-progress/LICENSE.md'],
  ['string-width, get-east-asian-width, strip-ansi, ansi-regex', 'string-width/license'],
  ['tinyglobby', 'tinyglobby/LICENSE'],
  ['fzstd', 'fzstd/LICENSE'],
  ['@uwdata/flechette', '@uwdata/flechette/LICENSE'],
  ['fdir', 'fdir/LICENSE'],
  ['picomatch', 'picomatch/LICENSE'],
].map(([names, path]) => `${names}\n\n${readFileSync(`node_modules/${path}`, 'utf8')}`);

function esbuildOptions(options: BuildOptions, { format }: { readonly format: string }): void {
  // In CommonJS a file has no URL.
  if (format === 'cjs')
    options.define = { 'import.meta.url': 'undefined', 'import.meta.filename': '__filename' };
}

export default defineConfig([
  {
    // `addon` and `no-addon` are entries of their own: package.json's "imports" picks one by condition,
    // so that a bundler for the browser never sees the word `node:` or a binary.
    entry: {
      index: 'lib/index.ts',
      promises: 'lib/promises.ts',
      duckdb: 'lib/duckdb.ts',
      addon: 'lib/backends/native/addon.ts',
      'no-addon': 'lib/backends/native/no-addon.ts',
    },
    format: ['esm', 'cjs'],
    // tsup sets baseUrl, which TypeScript 6 calls deprecated.
    dts: {
      entry: ['lib/index.ts', 'lib/promises.ts', 'lib/duckdb.ts', 'lib/wasm.ts'],
      compilerOptions: { ignoreDeprecations: '6.0' },
      // For [Symbol.dispose], which few projects have among their `lib`.
      banner: '/// <reference lib="esnext.disposable" />',
    },
    target: 'node20',
    esbuildOptions,
    external: ['#addon'],
    splitting: true,
    clean: ['!cli.js', '!wasm.js', '!wasm.cjs', '!wasm-workerd.js', '!*.wasm'],
    silent: true,
  },
  // `simd-softmax/wasm` shares no state with the rest: importing it switches nothing there.
  ...(['fetched', 'imported'] as const).map((modules) => ({
    entry: { [modules === 'fetched' ? 'wasm' : 'wasm-workerd']: 'lib/wasm.ts' },
    format: (modules === 'fetched' ? ['esm', 'cjs'] : ['esm']) as ('esm' | 'cjs')[],
    target: 'node20',
    esbuildOptions,
    external: [/\.wasm$/],
    splitting: false,
    silent: true,
    esbuildPlugins: [
      {
        name: 'modules',
        setup(build: PluginBuild) {
          const path = fileURLToPath(new URL(`./lib/backends/wasm/${modules}.ts`, import.meta.url));
          build.onResolve({ filter: /^#addon$|wasm\/fetched\.js$/ }, () => ({ path }));
        },
      },
    ],
  })),
  {
    entry: ['lib/cli.ts'],
    format: ['esm'],
    target: 'node20',
    minifyWhitespace: true, // half of it is others' code
    noExternal: ['@uwdata/flechette', 'cli-progress', 'commander', 'fzstd', 'string-width', 'tinyglobby'],
    splitting: false,
    silent: true,
    // commander is CommonJS and asks for Node's own modules.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
    },
    footer: { js: `/*! Bundled here, under the MIT licence or as it says:\n\n${licences.join('\n')}*/` },
    // The command line is a user of the package like any other: it runs the library that stands beside it.
    esbuildPlugins: [
      {
        name: 'library-beside-cli',
        setup(build) {
          build.onResolve({ filter: /^(\.\.\/)+(index|promises|duckdb)\.js$/ }, ({ path }) => ({
            path: path.replace(/^[./]+/, './'),
            external: true,
          }));
        },
      },
    ],
  },
]);
