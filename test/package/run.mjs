/**
 * `npm run test:package`: the package as it ships, proved in empty folders without compiler, CMake or Python on PATH
 * and with npm's --ignore-scripts. Needs the npm registry (or its cache) for the one dependency.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { build as viteBuild } from 'vite';
import {
  barePath,
  expectEqual,
  expectSmoke,
  finish,
  install,
  node,
  npmCli,
  pack,
  prebuilds,
  proof,
  root,
  work,
} from './packed.mjs';
import { provePage } from './page.mjs';

const bare = { ...process.env, PATH: barePath(), SIMD_SOFTMAX_BACKEND: '' };
const tool = (...path) => join(root, 'node_modules', ...path);

/** Prints the backend's kind and the first probability of the canonical example. */
const score = `const p = softmax([3.2, 1.3, 0.2, 0.8])[0].toFixed(3); console.log(backend.kind, p);`;

const packed = pack();
console.log(`${packed.filename}: ${(packed.size / 1e6).toFixed(2)} MB packed, ${packed.files.length} files`);
const folder = install(packed.path, 'installed');
copyFileSync(join(root, 'test/package/smoke.mjs'), join(folder, 'smoke.mjs'));
const inside = (args, options) => node(args, { cwd: folder, env: bare, ...options });
const evaluate = (code, flags = []) => inside([...flags, '--input-type=module', '-e', code]).trim();

/** A copy of the installed folder to be broken. */
function copyOf(name) {
  const copy = join(work, name);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** Without an addon everything still works, in WebAssembly, and loadError says why not. */
function expectFallback(at, why, flags = [], kind = 'wasm') {
  const { backend } = expectSmoke(node([...flags, 'smoke.mjs'], { cwd: at, env: bare }), kind);
  if (!why.test(backend.loadError))
    throw new Error(`Expected ${why} for loadError but received ${backend.loadError}`);
  return backend.loadError.split('\n')[0];
}

await proof('the tarball holds what it should, and is under 8 MB (3 MB per binary past two)', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const wanted of [
    'LICENSE',
    'README.md',
    'CMakeLists.txt',
    'native/build.mjs',
    'dist/index.js',
    'dist/index.d.cts',
    'dist/simd-softmax.wasm',
    'dist/simd-softmax.relaxed.wasm',
  ]) {
    if (!paths.includes(wanted)) throw new Error(`${wanted} is missing`);
  }
  const stray = paths.filter((path) => !/^(dist|prebuilds|native)\/|^[^/]+$/.test(path));
  expectEqual(stray.join(), '', 'stray files');
  const binaries = paths.filter((path) => path.endsWith('.node')).length;
  if (packed.size >= 1e6 * Math.max(8, 3 * binaries + 2)) throw new Error(`${packed.size} bytes`);
});
await proof('nothing runs at install', () => {
  const { scripts } = JSON.parse(
    readFileSync(join(folder, 'node_modules/simd-softmax/package.json'), 'utf8'),
  );
  for (const hook of ['preinstall', 'install', 'postinstall']) expectEqual(scripts[hook], undefined, hook);
  expectEqual(
    packed.files.some(({ path }) => path === 'binding.gyp'),
    false,
    'a binding.gyp, which npm would build',
  );
});
await proof('neither compiler, CMake nor Python was on PATH', () => {
  for (const command of ['c++', 'g++', 'cc', 'gcc', 'clang', 'cmake', 'make', 'python3', 'python']) {
    if (!spawnSync(command, ['--version'], { env: bare }).error) throw new Error(command);
  }
});
await proof('every operation and route, natively', () => {
  const { backend, passed } = expectSmoke(inside(['smoke.mjs']), 'native');
  return `${passed} checks on ${backend.isa}`;
});
await proof('import', () =>
  expectEqual(
    evaluate(`import { backend, softmax } from 'simd-softmax'; ${score}`),
    'native 0.775',
    'output',
  ),
);
await proof('require', () =>
  expectEqual(
    inside([
      '--input-type=commonjs',
      '-e',
      `const { backend, softmax } = require('simd-softmax'); ${score}`,
    ]).trim(),
    'native 0.775',
    'output',
  ),
);
await proof('require and import in one process, one addon for both', () => {
  const code = `import { createRequire } from 'node:module'; import * as two from 'simd-softmax';
    const one = createRequire(import.meta.url)('simd-softmax');
    const x = Float32Array.of(3.2, 1.3, 0.2, 0.8);
    for (const api of [one, two, one]) console.log(api.backend.kind, api.softmax(x)[0].toFixed(3), api.softmax(new Float64Array(40))[0]);`;
  writeFileSync(join(folder, 'both.mjs'), code);
  expectEqual(inside(['both.mjs']), 'native 0.775 0.025\n'.repeat(3), 'output');
});
await proof('a Worker, and another after it', () => {
  writeFileSync(join(folder, 'worker.mjs'), `import { backend, softmax } from 'simd-softmax'; ${score}`);
  const code = `import { Worker } from 'node:worker_threads'; import { once } from 'node:events';
    for (let i = 0; i < 2; i++) { const [code] = await once(new Worker('./worker.mjs'), 'exit'); if (code) throw code; }`;
  writeFileSync(join(folder, 'workers.mjs'), code);
  expectEqual(inside(['workers.mjs']).trim(), 'native 0.775\nnative 0.775', 'output');
});
await proof('the command line', () => {
  const cli = join(folder, 'node_modules/simd-softmax/dist/cli.js');
  if (!/self-test\s+passed/.test(inside([cli, 'info']))) throw new Error(inside([cli, 'info']));
});

const use =
  `import { backend, classify, type BackendInfo, logSumExp, prepare, sample, softmax, topK } from 'simd-softmax';
import * as promises from 'simd-softmax/promises';
const floats: Float32Array = softmax(Float32Array.of(3.2, 1.3, 0.2, 0.8));
const numbers: number[] = logSumExp([3.2, 1.3]);
const nested: number[][] = softmax([[1, 2], [3, 4]]);
const { indices }: { indices: Uint32Array } = topK(Float64Array.of(1, 2), 1);
const [{ label }] = classify([1, 2], { labels: ['a', 'b'] });
const token: number = sample([1, 2], { seed: 1 })[0];
const prepared = prepare('softmax', { shape: [2, 2], dtype: 'float32' });
const info: BackendInfo = backend;
const later: Promise<Float32Array> = promises.softmax(floats, { signal: AbortSignal.timeout(1000) });
// @ts-expect-error: misspelled
softmax(floats, { temprature: 2 });
void [numbers, nested, indices, label, token, prepared, later];
console.log(info.kind, floats[0].toFixed(3));
`.replace(
    /\n\/\/ @ts-expect-error.*\n.*\n/,
    '\nconst wrong = (): unknown =>\n  // @ts-expect-error: misspelled\n  softmax(floats, { temprature: 2 });\nvoid wrong;\n',
  );
for (const resolution of ['node16', 'bundler']) {
  for (const extension of resolution === 'node16' ? ['mts', 'cts'] : ['ts']) {
    for (const lib of [
      ['ES2022', 'DOM'],
      ['ES2023', 'ESNext'],
    ]) {
      await proof(`TypeScript, strict: ${resolution}, .${extension}, lib ${lib}`, () => {
        const at = join(folder, `${resolution}-${extension}-${lib[0]}`);
        const compilerOptions = {
          module: resolution === 'node16' ? 'node16' : 'esnext',
          moduleResolution: resolution,
          target: 'es2022',
          lib: lib.map((name) => name.toLowerCase()),
          types: lib.includes('DOM') ? [] : ['node'],
          typeRoots: [tool('@types')],
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          outDir: 'out',
        };
        cpSync(join(root, 'LICENSE'), join(at, 'LICENSE')); // makes the folder
        writeFileSync(join(at, `use.${extension}`), use);
        writeFileSync(
          join(at, 'tsconfig.json'),
          JSON.stringify({ compilerOptions, files: [`use.${extension}`] }),
        );
        node([tool('typescript/bin/tsc'), '-p', at], { cwd: folder });
        const out = join(at, 'out', `use.${extension.replace('ts', 'js')}`);
        expectEqual(inside([out]).trim(), 'native 0.775', 'output');
      });
    }
  }
}

writeFileSync(join(folder, 'app.mjs'), `import { backend, softmax } from 'simd-softmax'; ${score}`);
for (const format of ['esm', 'cjs']) {
  for (const external of [['simd-softmax'], []]) {
    const how =
      external.length > 0
        ? 'the package external'
        : 'the package bundled, its addon left where it is installed';
    await proof(`esbuild for Node, ${format}: ${how}`, async () => {
      const outfile = join(folder, `app.${format}.${external.length}.${format === 'esm' ? 'mjs' : 'cjs'}`);
      const { warnings } = await esbuild.build({
        entryPoints: [join(folder, 'app.mjs')],
        bundle: true,
        platform: 'node',
        format,
        external,
        outfile,
        logLevel: 'silent',
      });
      const odd = warnings.filter(({ id }) => id !== 'empty-import-meta');
      if (odd.length > 0) throw new Error(JSON.stringify(odd));
      expectEqual(inside([outfile]).trim(), 'native 0.775', 'output');
    });
  }
}
await proof('esbuild for Node, all bundled and taken elsewhere: pure TypeScript', () => {
  const elsewhere = join(work, 'app.esm.0.mjs');
  copyFileSync(join(folder, 'app.esm.0.mjs'), elsewhere);
  expectEqual(node([elsewhere], { cwd: work, env: bare }).trim(), 'js 0.775', 'output');
});
await provePage(folder);
await proof('Vite for browsers: pure TypeScript, nothing of Node or of the native side', async () => {
  await viteBuild({
    root: folder,
    logLevel: 'error',
    configFile: false,
    build: { lib: { entry: 'app.mjs', formats: ['es'], fileName: 'browser' }, outDir: 'vite', minify: true },
  });
  const code = readFileSync(join(folder, 'vite/browser.js'), 'utf8');
  const stray = code.match(/node:|node-gyp-build|createRequire|solveScratch|__vite-browser-external/g);
  expectEqual(stray, null, 'what does not belong');
  expectEqual(inside(['vite/browser.js']).trim(), 'js 0.775', 'output');
});

await proof('without a prebuilt binary: WebAssembly, and why', () => {
  const copy = copyOf('no-prebuild');
  rmSync(join(copy, 'node_modules/simd-softmax/prebuilds'), { recursive: true });
  return expectFallback(copy, /there is no prebuilds/);
});
await proof('with a prebuilt binary cut short: WebAssembly, and why', () => {
  const copy = copyOf('cut-short');
  for (const path of prebuilds(copy)) writeFileSync(path, readFileSync(path).subarray(0, 5000));
  return expectFallback(copy, /file too short|cannot|invalid|not a valid/i);
});
await proof('with something else in place of the binary: WebAssembly, and why', () => {
  const copy = copyOf('corrupt');
  for (const path of prebuilds(copy)) writeFileSync(path, 'nothing that a loader knows\n'.repeat(1000));
  return expectFallback(copy, /invalid ELF header|not a valid|mach-o/i);
});
// The modules of WebAssembly are from those sources too.
await proof('with binaries built from other sources: pure TypeScript, and why', () => {
  const copy = copyOf('other-sources');
  const dist = join(copy, 'node_modules/simd-softmax/dist');
  for (const name of readdirSync(dist)) {
    const code = readFileSync(join(dist, name), 'utf8');
    writeFileSync(join(dist, name), code.replaceAll('"gradientScale"', '"gradientScales"'));
  }
  return expectFallback(copy, /built from other sources: Expected gradient, gradientScales, /, [], 'js');
});
await proof('node --no-addons: WebAssembly, and why', () =>
  expectFallback(folder, /addon/i, ['--no-addons']),
);
await proof('a backend asked for that is not there is an error', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--no-addons', 'smoke.mjs'], {
    cwd: folder,
    env: { ...bare, SIMD_SOFTMAX_BACKEND: 'native' },
    encoding: 'utf8',
  });
  if (status === 0 || !stderr.includes('ERR_BACKEND_UNAVAILABLE')) throw new Error(stderr);
});

await proof('publint has nothing to say', () => {
  node([tool('publint/src/cli.js'), packed.path, '--strict'], { cwd: root });
});
await proof('are the types wrong? no', () => {
  const modules = ['simd-softmax.wasm', 'simd-softmax.relaxed.wasm'];
  node(
    [
      tool('@arethetypeswrong/cli/dist/index.js'),
      packed.path,
      '--no-emoji',
      '--exclude-entrypoints',
      ...modules,
    ],
    { cwd: root },
  );
});
const audit = spawnSync(process.execPath, [npmCli, 'audit', '--omit=dev', '--loglevel=error'], {
  cwd: folder,
  encoding: 'utf8',
});
if (/audit endpoint returned an error/.test(audit.stderr)) {
  console.warn(
    '  *** SKIPPED npm audit: this registry has no audits; the release workflow asks one that has ***',
  );
} else {
  await proof('npm audit finds nothing in what ships', () => {
    if (audit.status !== 0) throw new Error(audit.stdout + audit.stderr);
  });
}

finish();
