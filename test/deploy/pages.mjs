/** What bundlers make of the package for a page: they leave out the operations that it does not call, and no other code. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expectEqual, node, proof } from '../package/packed.mjs';
import { importTool } from './tools.mjs';

const { default: webpack } = await importTool('webpack');
const { rollup } = await importTool('rollup');
const { default: nodeResolve } = await importTool('@rollup/plugin-node-resolve');
const esbuild = await importTool('esbuild');
const vite = await importTool('vite');

/** Each builds `page.mjs` of a folder into its `out`. */
const bundlers = {
  esbuild: (folder) =>
    esbuild.build({
      entryPoints: [join(folder, 'page.mjs')],
      bundle: true,
      minify: true,
      format: 'esm',
      outfile: join(folder, 'out/page.mjs'),
    }),
  rollup: async (folder) => {
    const bundle = await rollup({
      input: join(folder, 'page.mjs'),
      plugins: [nodeResolve({ browser: true, exportConditions: ['browser'] })],
    });
    const { output } = await bundle.generate({ format: 'esm' });
    const { code } = await esbuild.transform(output[0].code, { minify: true, format: 'esm' });
    mkdirSync(join(folder, 'out'));
    writeFileSync(join(folder, 'out/page.mjs'), code);
  },
  'webpack 5': (folder) =>
    new Promise((resolve, reject) => {
      const output = { path: join(folder, 'out'), filename: 'page.mjs', module: true };
      const experiments = { outputModule: true };
      const options = { mode: 'production', target: 'web', context: folder, entry: './page.mjs' };
      webpack({ ...options, experiments, output }, (error, stats) => {
        if (error) return reject(error);
        const said = stats.toString({ all: false, errors: true });
        if (said) reject(new Error(said));
        else resolve();
      });
    }),
  Vite: (folder) =>
    vite.build({
      root: folder,
      configFile: false,
      logLevel: 'error',
      build: {
        outDir: 'out',
        rollupOptions: { input: join(folder, 'page.mjs'), output: { entryFileNames: 'page.mjs' } },
      },
    }),
};

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

/** Proves it of the package that is installed in `app`; `folderOf` gives a new folder with it. */
export async function provePages(folderOf) {
  for (const [bundler, build] of Object.entries(bundlers)) {
    const folder = folderOf();
    for (const [from, name, expression, expected, most] of pages)
      await proof(`${bundler}: a page with ${name} of ${from} is right, and under ${most} kB`, async () => {
        const at = join(folder, `${name}-${from.replace('/', '-')}`);
        mkdirSync(at);
        writeFileSync(
          join(at, 'page.mjs'),
          `import { ${name} } from '${from}';\nconsole.log(String(${expression}));\n`,
        );
        await build(at);
        expectEqual(node([join(at, 'out/page.mjs')]).trim(), expected, 'what it says');
        const codes = readdirSync(join(at, 'out'), { recursive: true }).filter((path) =>
          /\.m?js$/.test(path),
        );
        const sizes = codes.map((path) => gzipSync(readFileSync(join(at, 'out', path)), { level: 9 }).length);
        const size = sizes.reduce((sum, own) => sum + own, 0) / 1000;
        if (size > most) throw new Error(`Expected at most ${most} kB but received ${size.toFixed(1)}`);
        return `${size.toFixed(1)} kB`;
      });
  }
}
