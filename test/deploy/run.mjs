/**
 * `npm run test:deploy`: the packed package, shipped in the ways that services are: bundled and moved, traced, in a
 * single executable, under a permission model. Every program starts in a folder full of traps, of which nothing may
 * ever be loaded or run.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import {
  expectEqual,
  finish,
  here,
  install,
  node,
  pack,
  prebuilds,
  proof,
  root,
  run,
  work,
} from '../package/packed.mjs';
import { bundlers, withEsbuild, withVite, withWorkerd } from './bundlers.mjs';
import { provePages } from './pages.mjs';
import { bun, deno, electron, importTool, node24, tool, workerd } from './tools.mjs';

const packed = pack();
const app = install(packed.path, 'app');
const library = join(app, 'node_modules/simd-softmax');
const [binary] = prebuilds(app);
const binaryName = relative(dirname(binary), binary);
const report = `console.log(JSON.stringify({ kind: backend.kind, isa: backend.isa,
  p: softmax([3.2, 1.3, 0.2, 0.8])[0].toFixed(3), loadError: backend.loadError?.message ?? null }));`;
writeApp(app);
const trap = layTraps();
const env = { ...process.env, SIMD_SOFTMAX_BACKEND: '' };

function writeApp(folder) {
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(
    join(folder, 'src/app.mjs'),
    `import { backend, softmax } from 'simd-softmax';
import { topK } from 'simd-softmax/promises';
topK([1, 2], 1).then(({ indices }) => { if (indices[0] !== 1) throw new Error('promises'); });\n${report}\n`,
  );
  writeFileSync(
    join(folder, 'src/app.cjs'),
    `const { backend, softmax } = require('simd-softmax');\n${report}\n`,
  );
}

/** A folder with everything that a careless loader would take: real binaries, and modules that say when they run. */
function layTraps() {
  const folder = join(work, 'trap');
  const speak = `require('node:fs').writeFileSync(${JSON.stringify(join(work, 'RAN'))}, __filename);`;
  for (const name of ['node-gyp-build', 'simd-softmax', 'bindings']) {
    const at = join(folder, 'node_modules', name);
    mkdirSync(join(at, 'dist'), { recursive: true });
    writeFileSync(join(at, 'package.json'), JSON.stringify({ name, version: '0.1.0', main: 'index.js' }));
    for (const file of ['index.js', 'dist/addon.cjs', 'dist/index.cjs']) writeFileSync(join(at, file), speak);
  }
  const binaries = [`prebuilds/${here}/${binaryName}`, 'build/Release/simd_softmax.node', binaryName];
  for (const at of [folder, join(folder, 'node_modules/simd-softmax')])
    for (const path of binaries) {
      mkdirSync(dirname(join(at, path)), { recursive: true });
      copyFileSync(binary, join(at, path));
    }
  copyFileSync(join(library, 'package.json'), join(folder, 'node_modules/simd-softmax/package.json'));
  return folder;
}

/** Starts a program in the folder of traps: what it reports of the backend. */
function start(command, args, options = {}) {
  const printed = run(command, args, { cwd: trap, env, ...options });
  if (existsSync(join(work, 'RAN'))) throw new Error(`ran ${readFileSync(join(work, 'RAN'), 'utf8')}`);
  const seen = JSON.parse(printed.trim().split('\n').at(-1));
  expectEqual(seen.p, '0.775', 'the probability of a dog');
  return seen;
}

function expectNative(seen) {
  expectEqual(seen.kind, 'native', `backend.kind (${seen.loadError})`);
}

/** Not native, and loadError says in two lines what machine this is, what was looked for and what to do. */
function expectAdvice(seen, advice) {
  if (seen.kind === 'native') throw new Error('Expected no addon: one of the working directory was loaded');
  const lines = String(seen.loadError).split('\n');
  expectEqual(lines.length, 2, `the lines of ${seen.loadError}`);
  const machine = process.platform === 'linux' ? `${here} (glibc)` : here;
  if (!lines[0].startsWith(`No native addon for ${machine} on `) || lines[0].includes(trap))
    throw new Error(lines[0]);
  if (!advice.test(lines[1])) throw new Error(`Expected ${advice} for loadError but received ${lines[1]}`);
  return seen.kind;
}

/** Throws where a file of a build names the folder it was built in, comments apart. */
function expectNothingBakedIn(folder, built) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!/\.[mc]?js$/.test(name)) continue;
    const code = readFileSync(join(folder, name), 'utf8').replace(/^\s*\/\/.*$/gm, '');
    if (code.includes(built)) throw new Error(`${name} names ${built}`);
  }
}

let copies = 0;
/** A copy of the app, or of some of it, in a new folder. */
function copyOf(from, parts) {
  const folder = join(work, `copy-${++copies}`);
  for (const part of parts) cpSync(join(from, part), join(folder, part), { recursive: true });
  return folder;
}

for (const { name, format, carries = false, line = /external: \['simd-softmax'\]/, build } of bundlers) {
  const folder = copyOf(app, ['src', 'node_modules', 'package.json']);
  let file;
  await proof(`${name}: native where it was built`, async () => {
    file = await build(folder);
    expectNative(start(process.execPath, [file]));
    expectNothingBakedIn(join(folder, 'out'), folder);
  });
  if (file === undefined) continue;
  const moved = copyOf(folder, ['out', 'node_modules']);
  const alone = copyOf(folder, ['out']);
  rmSync(folder, { recursive: true });
  const at = (place) => join(place, relative(folder, file));
  await proof(`${name}: native with node_modules in reach, moved, the build's folder gone`, () =>
    expectNative(start(process.execPath, [at(moved)])),
  );
  if (carries) {
    await proof(`${name}: native with what it copied into the output, and nothing else`, () =>
      expectNative(start(process.execPath, [at(alone)])),
    );
    for (const each of readdirSync(join(alone, 'out')))
      if (each.endsWith('.node')) rmSync(join(alone, 'out', each));
  }
  await proof(`${name}: the bundle alone says which line keeps the package out of it`, () =>
    expectAdvice(start(process.execPath, [at(alone)]), line),
  );
  await proof(`${name}: the bundle alone takes the binary beside it`, () => {
    const beside = copyOf(alone, ['out']);
    copyFileSync(binary, join(beside, 'out', binaryName));
    expectNative(start(process.execPath, [at(beside)]));
  });
  await proof(`${name}: by standard input it looks for nothing`, () =>
    expectAdvice(
      start(process.execPath, format === 'esm' ? ['--input-type=module', '-'] : ['-'], {
        input: readFileSync(at(moved), 'utf8'),
      }),
      /./,
    ),
  );
}

await proof("Vite's server build as it is by default, the package left out: native", async () => {
  const folder = copyOf(app, ['src', 'node_modules', 'package.json']);
  await withVite(folder, 'esm', {});
  expectNative(start(process.execPath, [join(copyOf(folder, ['out', 'node_modules']), 'out/app.mjs')]));
});

await provePages(() => copyOf(app, ['node_modules', 'package.json']));

const { nodeFileTrace } = await importTool('@vercel/nft');
for (const source of ['mjs', 'cjs'])
  await proof(`@vercel/nft traces what an .${source} file needs, and that alone is native`, async () => {
    const { fileList } = await nodeFileTrace([join(app, `src/app.${source}`)], { base: app });
    const folder = copyOf(app, [...fileList]);
    expectNative(start(process.execPath, [join(folder, `src/app.${source}`)]));
    return `${fileList.size} files`;
  });

for (const [manager, how] of [
  [
    'pnpm',
    { command: [tool('pnpm/bin/pnpm.cjs'), 'add', '--offline=false', '--ignore-scripts', packed.path] },
  ],
  ['yarn, node_modules', { linker: 'node-modules' }],
  ["yarn, Plug'n'Play", { linker: 'pnp' }],
]) {
  await proof(`installed by ${manager}: native`, () => {
    const folder = join(work, manager.replace(/\W+/g, '-'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true }));
    writeApp(folder);
    const quiet = { cwd: folder, env: { ...env, YARN_ENABLE_TELEMETRY: '0', CI: '' } };
    const yarn = tool('@yarnpkg/cli-dist/bin/yarn.js');
    if (how.command) node(how.command, quiet);
    else {
      writeFileSync(
        join(folder, '.yarnrc.yml'),
        `nodeLinker: ${how.linker}\nenableScripts: false\nenableImmutableInstalls: false\nglobalFolder: ${join(work, 'yarn')}\n`,
      );
      writeFileSync(join(folder, 'yarn.lock'), '');
      node([yarn, 'add', `simd-softmax@file:${packed.path}`], quiet);
    }
    const args = ['src/app.cjs', 'src/app.mjs'];
    for (const file of args) {
      const seen =
        how.linker === 'pnp'
          ? start(process.execPath, [yarn, 'node', file], { cwd: folder })
          : start(process.execPath, [join(folder, file)]);
      expectNative(seen);
    }
  });
}

for (const pool of ['forks', 'threads', 'vmThreads'])
  await proof(`vitest, pool ${pool}: native`, () => {
    const folder = copyOf(app, ['node_modules', 'package.json']);
    writeFileSync(
      join(folder, 'app.test.js'),
      "import { backend } from 'simd-softmax'; import { expect, test } from 'vitest';\ntest('native', () => expect(backend.kind).toBe('native'));\n",
    );
    node([join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, '--pool', pool], {
      env: { ...env, NODE_PATH: join(root, 'node_modules') },
    });
  });
for (const flags of [['-i'], ['-w=2'], ['-w=2', '--workerThreads']])
  await proof(`jest ${flags.join(' ')}: native`, () => {
    const folder = copyOf(app, ['node_modules']);
    writeFileSync(join(folder, 'package.json'), '{"jest":{"testEnvironment":"node"}}');
    for (const name of ['one', 'two'])
      writeFileSync(
        join(folder, `${name}.test.js`),
        "const { backend, softmax } = require('simd-softmax');\ntest('native', () => { expect(backend.kind).toBe('native'); expect(softmax([0, 0])[0]).toBe(0.5); });\n",
      );
    node([tool('jest-cli/bin/jest.js'), '--rootDir', folder, ...flags], { cwd: folder, env });
  });

const permission = ['--permission', `--allow-fs-read=${library}`, `--allow-fs-read=${join(app, 'src')}`];
for (const source of ['mjs', 'cjs']) {
  const file = join(app, 'src', `app.${source}`);
  await proof(`node --permission with the package's folder readable, .${source}: native`, () =>
    expectNative(start(node24, [...permission, '--allow-addons', file])),
  );
  await proof(`node --permission without --allow-addons, .${source}: loadError names the flag`, () =>
    expectAdvice(start(node24, [...permission, file]), /--allow-addons/),
  );
}
await proof('node --no-addons: loadError names the flag', () =>
  expectAdvice(start(node24, ['--no-addons', join(app, 'src/app.mjs')]), /without --no-addons/),
);
await proof('SIMD_SOFTMAX_ADDON names a binary; a relative path is refused', () => {
  const folder = copyOf(app, ['src', 'node_modules']);
  rmSync(join(folder, 'node_modules/simd-softmax/prebuilds'), { recursive: true });
  const named = (path) =>
    start(process.execPath, [join(folder, 'src/app.mjs')], { env: { ...env, SIMD_SOFTMAX_ADDON: path } });
  expectNative(named(binary));
  const { loadError } = named(binaryName);
  if (!/Expected an absolute path for SIMD_SOFTMAX_ADDON/.test(loadError)) throw new Error(loadError);
});

const denoRun = ['run', '--no-prompt', '--node-modules-dir=manual', '--cached-only'];
await proof('Deno with --allow-ffi --allow-read alone: native', () =>
  expectNative(
    start(deno, [...denoRun, '--allow-ffi', '--allow-read', join(app, 'src/app.mjs')], { cwd: app }),
  ),
);
await proof('Deno without any permission: the import works, and loadError names the flags', () =>
  expectAdvice(start(deno, [...denoRun, join(app, 'src/app.mjs')], { cwd: app }), /--allow-ffi --allow-read/),
);
await proof('deno compile: works', () => {
  const out = join(work, 'deno-compiled');
  const compile = spawnSync(
    deno,
    [
      'compile',
      '--no-check',
      '--node-modules-dir=manual',
      '--allow-ffi',
      '--allow-read',
      '--output',
      out,
      'src/app.mjs',
    ],
    { cwd: app, env, encoding: 'utf8', timeout: 300_000 },
  );
  if (
    compile.status !== 0 &&
    /denort|dl\.deno\.land|sending request|connect|download/i.test(compile.stderr)
  ) {
    console.warn('*** SKIPPED deno compile: it downloads its runtime, and there is no network ***');
    return 'skipped';
  }
  expectEqual(compile.status, 0, `the exit code (${compile.stderr})`);
  return start(out, []).kind;
});
await proof('Bun: native', () => expectNative(start(bun, [join(app, 'src/app.mjs')])));
await proof('bun build --compile: works', () => {
  const out = join(work, 'bun-compiled');
  run(bun, ['build', '--compile', join(app, 'src/app.mjs'), '--outfile', out], { cwd: app, env });
  return start(out, []).kind;
});

await proof('workerd, with simd-softmax/wasm: WebAssembly, with the bits of the addon', async () => {
  const folder = copyOf(app, ['node_modules', 'package.json']);
  // Of whole numbers: Math.sin is not the same in all.
  const tell = `const logits = Float32Array.from({ length: 4096 }, (_, i) => ((i * 7919) % 2001 - 1000) / 100);
const bits = new Uint32Array(softmax(logits).buffer).reduce((sum, own) => (Math.imul(sum, 31) + own) | 0, 0);
console.log(JSON.stringify({ kind: backend.kind, isa: backend.isa, bits, p: softmax([3.2, 1.3, 0.2, 0.8])[0].toFixed(3) }));`;
  const import_ = (from) => `import { backend, softmax } from '${from}';\n`;
  writeFileSync(
    join(folder, 'worker.mjs'),
    `${import_('simd-softmax/wasm')}export default { test() { ${tell} } };`,
  );
  writeFileSync(join(folder, 'app.mjs'), import_('simd-softmax') + tell);
  await withWorkerd(join(folder, 'worker.mjs'), join(folder, 'main.js'));
  const modules = ['simd-softmax.wasm', 'simd-softmax.relaxed.wasm'];
  for (const name of modules) copyFileSync(join(library, 'dist', name), join(folder, name));
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);
const worker :Workerd.Worker = (compatibilityDate = "2026-01-01", modules = [
  (name = "main.js", esModule = embed "main.js"),
  ${modules.map((name) => `(name = "${name}", wasm = embed "${name}")`).join(',\n  ')}
]);
`,
  );
  const there = start(workerd, ['test', join(folder, 'config.capnp')]);
  const native = start(process.execPath, [join(folder, 'app.mjs')]);
  expectEqual(there.kind, 'wasm', 'backend.kind');
  if (there.isa === 'wasm-relaxed' && native.isa !== 'portable')
    expectEqual(there.bits, native.bits, 'the bits');
  return there.isa;
});

const electronHere = electron();
if (electronHere === undefined)
  console.warn('*** SKIPPED Electron: its executable comes from GitHub, and cannot be fetched here ***');
for (const source of electronHere === undefined ? [] : ['mjs', 'cjs'])
  await proof(`Electron's main process, .${source}: native`, () => {
    const main = join(app, 'src', `electron.${source}`);
    const load =
      source === 'mjs' ? "import { app } from 'electron';" : "const { app } = require('electron');";
    const program = readFileSync(join(app, `src/app.${source}`), 'utf8');
    writeFileSync(main, `${load}\n${program}\napp.exit(0);\n`);
    // As root there is no sandbox, and without a display no window: the main process needs neither.
    expectNative(start(electronHere, ['--no-sandbox', '--ozone-platform=headless', '--disable-gpu', main]));
  });

const sea = copyOf(app, ['src', 'node_modules', 'package.json']);
const main = await withEsbuild(sea, 'cjs');
/** A single executable application of Node 24. */
function executable(name, assets) {
  const folder = join(work, name);
  mkdirSync(folder);
  const out = join(folder, 'app');
  const config = { main, output: join(folder, 'app.blob'), disableExperimentalSEAWarning: true, assets };
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(config));
  run(node24, ['--experimental-sea-config', join(folder, 'sea.json')]);
  copyFileSync(node24, out);
  chmodSync(out, 0o755);
  node([
    ...[tool('postject/dist/cli.js'), out, 'NODE_SEA_BLOB', config.output],
    ...['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'],
  ]);
  return out;
}
await proof('a single executable application alone: loadError says what to put beside it', () => {
  const out = executable('sea-alone', {});
  expectAdvice(start(out, []), /beside the executable/);
  copyFileSync(binary, join(dirname(out), binaryName));
  expectNative(start(out, []));
  return 'and with that file: native';
});
await proof('a single executable application with the binary as an asset: native', () =>
  expectNative(start(executable('sea-asset', { [binaryName]: binary }), [])),
);

finish();
