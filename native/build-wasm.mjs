// `npm run build:wasm`: builds the two WebAssembly modules into dist/. Where clang for wasm32 is missing it says so in
// one line and succeeds: the package on npm has them, and without them pure TypeScript serves where no addon loads.
// Binaryen makes them a sixth smaller, gzipped; without it they are right, but larger.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { namedByPlace } from './order-functions.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Relaxed SIMD, with multiply-adds that are rounded once where the CPU can, and plain SIMD. */
const modules = { 'simd-softmax.relaxed.wasm': ['-mrelaxed-simd'], 'simd-softmax.wasm': [] };
const out = (name) => join(root, 'dist', name);

const units = ['native/kernels', 'native/kernels/ops'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => join(folder, name)),
);
const sources = ['native/wasm.cc', ...units];
const read = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.h$/.test(path) || ['build-wasm.mjs', 'order-functions.mjs'].includes(path))
  .map((path) => join('native', path));
const timeOf = (path) => statSync(join(root, path)).mtimeMs;
const newest = Math.max(...[...sources, ...read].map(timeOf));
if (Object.keys(modules).every((name) => existsSync(out(name)) && statSync(out(name)).mtimeMs >= newest)) {
  console.log('simd-softmax: the WebAssembly modules in dist/ are up to date.');
  process.exit();
}

const versions = ['-19', '', '-22', '-21', '-20', '-18', '-17'];
const first = (tool) =>
  versions
    .map((version) => tool + version)
    .find((command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0);
const clang = first('clang++');
const linker = first('wasm-ld');
if (clang === undefined || linker === undefined) {
  console.warn(
    'simd-softmax: clang and lld are missing (apt-get install clang-19 lld-19), so no WebAssembly is built.',
  );
  process.exit();
}

const flags = [
  ...['--target=wasm32', '-std=c++17', '-msimd128', '-mbulk-memory', '-ffreestanding', '-nostdlib'],
  ...['-fno-exceptions', '-fno-rtti', '-ffp-contract=off', '-fvisibility=hidden', '-Wall', '-Wextra'],
  ...['-Wno-unused-function', '-Werror'],
  ...['-Inative/kernels', '-DSIMD_HEADER="isa/wasm.h"', '-DKERNELS=kernels_wasm', '-DKERNELS_NAME="wasm"'],
];
/** Units whose small functions cost little time: 8 kB. Of others it would take more from what they share with these. */
const smallest = /(selection|judge|kl_divergence)\.cc$/;
/**
 * What Binaryen does. Functions that several operations share by other names become one; then those that are alike stand side by
 * side, where gzip sees it: that alone saves 50 kB. Nothing here changes an instruction that calculates.
 */
const features = [
  ...['simd', 'relaxed-simd', 'bulk-memory', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals'],
].map((feature) => `--enable-${feature}`);
const bare = ['--strip-debug', '--strip-producers', '--strip-target-features'];
const passes = [
  ...['--duplicate-function-elimination', '--simplify-locals', '--vacuum', '--merge-locals'],
  ...['--coalesce-locals-learning', '--rse', '--vacuum', '--reorder-locals', '--merge-blocks'],
  ...['--remove-unused-brs', '--remove-unused-names', '--code-folding', '--vacuum'],
  ...['--duplicate-function-elimination', '--simplify-locals', '--coalesce-locals-learning'],
  ...['--reorder-locals', '--vacuum', '--remove-unused-module-elements', '--memory-packing'],
];
const optimizer = join(root, 'node_modules/binaryen/bin/wasm-opt');
const launcher = process.env.CMAKE_CXX_COMPILER_LAUNCHER;

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command}: exit code ${code}`))));
  });
}

async function build(name, own, work) {
  const objects = [];
  for (const source of sources) {
    const object = join(work, `${name}.${objects.length}.o`);
    const level = smallest.test(source) ? '-Oz' : '-Os';
    const compile = [clang, ...flags, level, ...own, '-c', source, '-o', object];
    const [command, ...args] = launcher ? [launcher, ...compile] : compile;
    await run(command, args);
    objects.push(object);
  }
  const options = ['--no-entry', '--gc-sections', '-z', 'stack-size=524288'];
  if (existsSync(optimizer)) {
    const linked = join(work, name);
    const optimize = (passes, from, to) =>
      run(process.execPath, [optimizer, ...features, ...passes, ...bare, from, '-o', to]);
    await run(linker, [...options, ...objects, '-o', linked]);
    await optimize(passes, linked, linked);
    writeFileSync(linked, namedByPlace(readFileSync(linked)));
    await optimize(['--reorder-functions-by-name'], linked, out(name));
  } else {
    console.warn('simd-softmax: binaryen is missing (npm install), so the WebAssembly modules are larger.');
    await run(linker, [...options, '--strip-all', ...objects, '-o', out(name)]);
  }
  const bytes = readFileSync(out(name));
  const zipped = gzipSync(bytes, { level: 9 });
  const [size, zippedSize] = [bytes, zipped].map(({ length }) => `${(length / 1000).toFixed(0)} kB`);
  console.log(`simd-softmax: dist/${name} is built: ${size}, ${zippedSize} gzipped.`);
}

mkdirSync(join(root, 'dist'), { recursive: true });
const work = mkdtempSync(join(tmpdir(), 'simd-softmax-wasm-'));
try {
  await Promise.all(Object.entries(modules).map(([name, own]) => build(name, own, work)));
} catch (error) {
  console.error(`simd-softmax: the WebAssembly modules could not be built (see above). ${error.message}`);
  process.exitCode = process.env.CI ? 1 : 0;
} finally {
  rmSync(work, { recursive: true });
}
