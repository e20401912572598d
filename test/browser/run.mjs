/**
 * `npm run test:browser`: the packed package, bundled by Vite, in a headless Chromium, and in Firefox where it is
 * installed: a page runs the contract suite in pure TypeScript, another one in WebAssembly, which has the bits of Node.
 * Needs Chromium (apt-get install chromium, or its path in CHROMIUM; firefox-esr, FIREFOX); draws nothing from outside.
 */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { skip } from '../../native/test/tools.mjs';
import { expectEqual, finish, install, node, pack, proof, root } from '../package/packed.mjs';
import { browsers } from './browsers.mjs';
import { serve } from './serve.mjs';

const folder = install(pack().path, 'browser', process.env.PATH);

const pages = {
  js: await buildPage('js', []),
  wasm: await buildPage('wasm', [
    { find: /^.*\/lib\/index\.js$|^simd-softmax$/, replacement: 'simd-softmax/wasm' },
    {
      find: /^.*\/lib\/promises\.js$|^simd-softmax\/promises$/,
      replacement: await promisesOfWasm(),
    },
    { find: './ready.mjs', replacement: 'simd-softmax/wasm' },
  ]),
};
for (const { show, name, executablePath } of browsers) {
  if (executablePath === undefined) {
    if (name === 'chromium') skip('the pages', `apt-get install ${name}`);
    else console.warn(`  *** SKIPPED ${name}: it is not installed ***`);
  } else for (const backend of Object.keys(pages)) await provePage(name, show, executablePath, backend);
}
finish();

/** A module with every name of `simd-softmax/promises`, for tests that import them so. */
async function promisesOfWasm() {
  const names = Object.keys(await import(join(folder, 'node_modules/simd-softmax/dist/promises.js')));
  const file = join(folder, 'promises-of-wasm.mjs');
  writeFileSync(
    file,
    `import * as all from 'simd-softmax/wasm';
export const { ${names.join(', ')} } = { ...all, ...all.promises };\n`,
  );
  return file;
}

/** The folder of a page whose tests run on a backend. */
async function buildPage(backend, alias) {
  for (const part of [
    'browser',
    'conformance',
    'contract',
    'references',
    'package/smoke.mjs',
    'oracle.ts',
    'elements.ts',
    'exact-sum.ts',
    'random.ts',
    'temperate.ts',
  ]) {
    cpSync(join(root, 'test', part), join(folder, 'test', part), { recursive: true });
  }
  // The tests name the sources; here they mean the package.
  const the = (name) => join(root, 'node_modules', name);
  const outDir = join(folder, `page-${backend}`);
  await build({
    root: join(folder, 'test/browser'),
    base: './',
    configFile: false,
    logLevel: 'error',
    define: {
      'process.env.SIMD_SOFTMAX_BACKEND': backend === 'js' ? '"js"' : 'globalThis.isa',
      'process.env.SIMD_SOFTMAX_TEST_SEED': '"1"',
      'process.env.SIMD_SOFTMAX_TEST_BUDGET': JSON.stringify(process.env.SIMD_SOFTMAX_TEST_BUDGET ?? '0.2'),
    },
    resolve: {
      alias: [
        ...alias,
        { find: /^.*\/lib\/index\.js$/, replacement: 'simd-softmax' },
        { find: /^.*\/lib\/promises\.js$/, replacement: 'simd-softmax/promises' },
        { find: /^vitest$/, replacement: join(folder, 'test/browser/vitest.ts') },
        ...['@vitest/expect', 'fast-check', 'decimal.js'].map((name) => ({
          find: name,
          replacement: the(name),
        })),
      ],
    },
    build: { outDir, target: 'es2022', assetsInlineLimit: 0 },
  });
  return outDir;
}

/** What Node computes: natively, or in the module of that name. */
function digestsOfNode(isa) {
  const code = `import * as api from 'simd-softmax'; import * as promises from 'simd-softmax/promises';
    import { digest } from './test/browser/digest.mjs';
    console.log(JSON.stringify([api.backend.isa, await digest(api, promises)]));`;
  const env = { ...process.env, SIMD_SOFTMAX_BACKEND: isa === 'wasm-relaxed' ? 'native' : isa };
  return JSON.parse(node(['--input-type=module', '-e', code], { cwd: folder, env }));
}

async function provePage(name, show, executablePath, backend) {
  const { origin, posted, close } = await serve(pages[backend]);
  let seen;
  await proof(`the contract suite in ${name}, ${backend}`, async () => {
    const { named, report, complaints, outside } = await show(executablePath, origin, posted);
    if (report.failures.length > 0) throw new Error(report.failures.slice(0, 20).join('\n'));
    expectEqual(complaints.join('\n'), '', 'errors of the page');
    expectEqual(outside.join(' '), '', 'requests that go elsewhere');
    expectEqual(report.backend.kind, backend, 'backend.kind');
    seen = report;
    return `${report.passed} cases on ${report.backend.isa}, ${named}`;
  });
  close();
  if (backend === 'wasm' && seen !== undefined)
    await proof(`${name}: the bits of ${seen.backend.isa} are those of Node`, () => {
      const [isa, digests] = digestsOfNode(seen.backend.isa);
      expectEqual(JSON.stringify(seen.digests, null, 1), JSON.stringify(digests, null, 1), 'hashes');
      return `${Object.keys(digests).length} shapes, on ${isa} there`;
    });
}
