/** How each bundler is told to build `src/app.mjs` (or app.cjs) of a folder for Node; each gives the file to start. */
import { basename, join } from 'node:path';
import { importTool } from './tools.mjs';

const { default: webpack } = await importTool('webpack');
const { rollup } = await importTool('rollup');
const { default: nodeResolve } = await importTool('@rollup/plugin-node-resolve');
const { default: commonjs } = await importTool('@rollup/plugin-commonjs');
const esbuild = await importTool('esbuild');
const vite = await importTool('vite');

const extension = (format) => (format === 'esm' ? 'mjs' : 'cjs');

export const bundlers = [
  ...['esm', 'cjs'].flatMap((format) =>
    ['mjs', 'cjs'].map((source) => ({
      name: `webpack, ${format} from ${source}`,
      format,
      // What it copies into its output is the binary too.
      carries: true,
      line: /externals: \{ 'simd-softmax': 'commonjs simd-softmax' \}/,
      build: (folder) => withWebpack(folder, format, source),
    })),
  ),
  ...['esm', 'cjs'].flatMap((format) => [
    {
      name: `rollup with its default conditions, ${format}`,
      format,
      build: (folder) => withRollup(folder, format),
    },
    { name: `esbuild, ${format}`, format, build: (folder) => withEsbuild(folder, format) },
    {
      name: `Vite's server build, everything bundled, ${format}`,
      format,
      build: (folder) => withVite(folder, format, { noExternal: true }),
    },
  ]),
];

async function withWebpack(folder, format, source) {
  const esm = format === 'esm';
  const filename = `app.${extension(format)}`;
  const path = join(folder, 'out');
  await runWebpack(
    {
      target: 'node',
      context: folder,
      entry: `./src/app.${source}`,
      experiments: { outputModule: esm },
      // Once is enough: what makes code small takes most of the time.
      optimization: { minimize: esm && source === 'mjs' },
      output: { path, filename, module: esm, ...(esm ? { chunkFormat: 'module' } : {}) },
    },
    { warnings: true },
  );
  return join(path, filename);
}

/** @param told what fails a build beside errors. */
export function runWebpack(options, told = {}) {
  return new Promise((resolve, reject) => {
    webpack({ mode: 'production', ...options }, (error, stats) => {
      if (error) return reject(error);
      const said = stats.toString({ all: false, errors: true, ...told });
      if (said) reject(new Error(said));
      else resolve();
    });
  });
}

async function withRollup(folder, format) {
  const file = join(folder, 'out', `app.${extension(format)}`);
  const bundle = await rollup({
    input: join(folder, 'src/app.mjs'),
    plugins: [nodeResolve(), commonjs()],
    onwarn: (warning) => {
      throw new Error(warning.message);
    },
  });
  await bundle.write({ file, format });
  return file;
}

export async function withEsbuild(folder, format) {
  const outfile = join(folder, 'out', `app.${extension(format)}`);
  const { warnings } = await esbuild.build({
    entryPoints: [join(folder, 'src/app.mjs')],
    bundle: true,
    platform: 'node',
    format,
    outfile,
    logLevel: 'silent',
  });
  const odd = warnings.filter(({ id }) => id !== 'empty-import-meta');
  if (odd.length > 0) throw new Error(JSON.stringify(odd));
  return outfile;
}

export async function withVite(folder, format, ssr) {
  const name = `app.${extension(format)}`;
  await vite.build({
    root: folder,
    logLevel: 'error',
    configFile: false,
    ssr,
    build: {
      ssr: 'src/app.mjs',
      outDir: 'out',
      rollupOptions: { output: { format, entryFileNames: name } },
    },
  });
  return join(folder, 'out', name);
}

/** Bundles a file for workerd, which takes WebAssembly as modules beside the code: they keep their names. */
export async function withWorkerd(file, out) {
  const beside = {
    name: 'modules-beside',
    setup(build) {
      build.onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path: `./${basename(path)}`, external: true }));
    },
  };
  await esbuild.build({
    entryPoints: [file],
    bundle: true,
    format: 'esm',
    outfile: out,
    conditions: ['workerd'],
    plugins: [beside],
  });
}
