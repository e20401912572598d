/** Under the permissions of Node, and in Deno, Bun, workerd and Electron. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectEqual, finish, proof, run, work } from '../package/packed.mjs';
import { withWorkerd } from './bundlers.mjs';
import {
  app,
  binary,
  binaryName,
  copyOf,
  env,
  expectAdvice,
  expectNative,
  library,
  start,
} from './shipped.mjs';
import { bun, deno, electron, node26, workerd } from './tools.mjs';

const permission = ['--permission', `--allow-fs-read=${library}`, `--allow-fs-read=${join(app, 'src')}`];
for (const source of ['mjs', 'cjs']) {
  const file = join(app, 'src', `app.${source}`);
  await proof(`node --permission with the package's folder readable, .${source}: native`, () =>
    expectNative(start(node26, [...permission, '--allow-addons', file])),
  );
  await proof(`node --permission without --allow-addons, .${source}: loadError names the flag`, () =>
    expectAdvice(start(node26, [...permission, file]), /--allow-addons/),
  );
}
await proof('node --no-addons: loadError names the flag', () =>
  expectAdvice(start(node26, ['--no-addons', join(app, 'src/app.mjs')]), /without --no-addons/),
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

await proof(
  "simd-softmax/wasm where modules are fetched: TypeScript, then one module, which `backend: 'wasm'` means",
  () => {
    const folder = copyOf(app, ['node_modules']);
    const file = join(folder, 'as-browser.mjs');
    writeFileSync(
      file,
      `import { readFileSync } from 'node:fs';
process.getBuiltinModule = undefined;
globalThis.fetch = async (url) => new Response(readFileSync(url), { headers: { 'Content-Type': 'application/wasm' } });
const { backend, ready, softmax } = await import('simd-softmax/wasm');
const before = backend.kind;
await ready;
console.log(JSON.stringify({ before, kind: backend.kind, isas: backend.supported.join(),
  p: softmax([3.2, 1.3, 0.2, 0.8], { backend: 'wasm' })[0].toFixed(3) }));\n`,
    );
    const seen = start(node26, [file]);
    expectEqual(seen.before, 'js', 'backend.kind before it is ready');
    expectEqual(seen.kind, 'wasm', 'backend.kind');
    return seen.isas;
  },
);

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
finish();
