/** What bundlers make of the package for a page: they leave out the operations that it does not call, and no other code. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expectEqual, finish, node, proof } from '../package/packed.mjs';
import { runWebpack } from './bundlers.mjs';
import { app, copyOf } from './shipped.mjs';
import { importTool } from './tools.mjs';

const { rollup } = await importTool('rollup');
const { default: nodeResolve } = await importTool('@rollup/plugin-node-resolve');
const esbuild = await importTool('esbuild');
const vite = await importTool('vite');

/** Each builds `page.mjs` of a folder into its `out`. */
const bundlers = {
  esbuild: eachAlone((folder) =>
    esbuild.build({
      entryPoints: [join(folder, 'page.mjs')],
      bundle: true,
      minify: true,
      format: 'esm',
      outfile: join(folder, 'out/page.mjs'),
    }),
  ),
  rollup: eachAlone(async (folder) => {
    const bundle = await rollup({
      input: join(folder, 'page.mjs'),
      plugins: [nodeResolve({ browser: true, exportConditions: ['browser'] })],
    });
    const { output } = await bundle.generate({ format: 'esm' });
    const { code } = await esbuild.transform(output[0].code, { minify: true, format: 'esm' });
    mkdirSync(join(folder, 'out'));
    writeFileSync(join(folder, 'out/page.mjs'), code);
  }),
  'webpack 5': withWebpack,
  Vite: eachAlone((folder) =>
    vite.build({
      root: folder,
      configFile: false,
      logLevel: 'error',
      build: {
        outDir: 'out',
        rollupOptions: { input: join(folder, 'page.mjs'), output: { entryFileNames: 'page.mjs' } },
      },
    }),
  ),
};

function eachAlone(build) {
  return async (folders) => {
    for (const folder of folders) await build(folder);
  };
}

/** All pages in one run, in a third of the time: each is an entry, with code of its own. */
function withWebpack(folders) {
  const parent = dirname(folders[0]);
  const entry = Object.fromEntries(
    folders.map((folder) => [`${basename(folder)}/out/page`, join(folder, 'page.mjs')]),
  );
  const output = {
    path: parent,
    filename: '[name].mjs',
    module: true,
    assetModuleFilename: '[name]-[hash][ext]',
  };
  return runWebpack({ target: 'web', context: parent, entry, experiments: { outputModule: true }, output });
}

const y = '[3.2, 1.3, 0.2, 0.8]';
const pairs = 'Float32Array.of(3, 1, 1, 3, 2, 1, 1, 4), [0, 0, 0, 1], { shape: [4, 2] }';
const labels = "{ labels: ['dog', 'cat', 'horse', 'cheetah'] }";
const prepared = `['softmax', 'topK', 'sample', 'crossEntropy', 'entropy', 'sigmoid'].every((name) => {
  const call = prepare(name, { shape: [1, 4], dtype: 'float32', ...(name === 'topK' ? { k: 2 } : {}) });
  return call.input.set(${y}), call.run(), call.output !== undefined; })`;
/** What a page imports and says, and at most how many kB of code it is, gzipped. */
const pages = [
  ['simd-softmax', 'softmax', `softmax(${y})[0].toFixed(3)`, '0.775', 19],
  ['simd-softmax', 'topK', `topK(${y}, 2).indices.join()`, '0,1', 21],
  ['simd-softmax', 'sample', `sample(${y}, { temperature: 0 })[0]`, '0', 27],
  ['simd-softmax', 'classify', `classify(${y}, ${labels})[0].label`, 'dog', 22.5],
  ['simd-softmax', 'evaluate', `evaluate(${pairs}).accuracy`, '0.75', 22.5],
  ['simd-softmax', 'fitTemperature', `fitTemperature(${pairs}).converged`, 'true', 21],
  ['simd-softmax', 'prepare', prepared, 'true', 37],
  ['simd-softmax/promises', 'softmax', `(await softmax(${y}))[0].toFixed(3)`, '0.775', 17],
  ['simd-softmax/promises', 'evaluate', `(await evaluate(${pairs})).accuracy`, '0.75', 20.5],
  ['simd-softmax/wasm', 'softmax', `softmax(${y})[0].toFixed(3)`, '0.775', 24],
];

for (const [bundler, build] of Object.entries(bundlers)) {
  const folder = copyOf(app, ['node_modules', 'package.json']);
  const at = ([from, name]) => join(folder, `${name}-${from.replace('/', '-')}`);
  for (const page of pages) {
    const [from, name, expression] = page;
    mkdirSync(at(page));
    writeFileSync(
      join(at(page), 'page.mjs'),
      `import { ${name} } from '${from}';\nconsole.log(String(${expression}));\n`,
    );
  }
  await proof(`${bundler} bundles them`, () => build(pages.map(at)));
  for (const page of pages) {
    const [from, name, , expected, most] = page;
    await proof(`${bundler}: a page with ${name} of ${from} is right, and under ${most} kB`, () => {
      const out = join(at(page), 'out');
      expectEqual(node([join(out, 'page.mjs')]).trim(), expected, 'what it says');
      const codes = readdirSync(out, { recursive: true }).filter((path) => /\.m?js$/.test(path));
      const sizes = codes.map((path) => gzipSync(readFileSync(join(out, path)), { level: 9 }).length);
      const size = sizes.reduce((sum, own) => sum + own, 0) / 1000;
      if (size > most) throw new Error(`Expected at most ${most} kB but received ${size.toFixed(1)}`);
      return `${size.toFixed(1)} kB`;
    });
  }
}
finish();
