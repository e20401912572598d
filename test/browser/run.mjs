/**
 * `npm run test:browser`: the packed package, bundled by Vite, in a headless Chromium, and in Firefox where it is
 * installed: a page runs the contract suite in pure TypeScript, another one in WebAssembly, which has the bits of Node.
 * Needs Chromium (apt-get install chromium, or its path in CHROMIUM); draws nothing from outside.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { chromium, firefox } from 'playwright-core';
import { build } from 'vite';
import { skip } from '../../native/test/tools.mjs';
import { expectEqual, finish, install, node, pack, proof, root } from '../package/packed.mjs';

const folder = install(pack().path, 'browser', process.env.PATH);

const browsers = [
  [chromium, ['CHROMIUM', '/usr/bin/chromium', '/usr/bin/google-chrome'], 'chromium'],
  [firefox, ['FIREFOX', '/usr/bin/firefox-esr', '/usr/bin/firefox'], 'firefox-esr'],
].map(([type, [variable, ...paths], name]) => ({
  type,
  name,
  executablePath: [process.env[variable], ...paths].find((path) => path && existsSync(path)),
}));

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
for (const { type, name, executablePath } of browsers) {
  if (executablePath === undefined) {
    if (name === 'chromium') skip('the pages', `apt-get install ${name}`);
    else console.warn(`  *** SKIPPED ${name}: it is not installed ***`);
  } else for (const backend of Object.keys(pages)) await showPage(type, executablePath, backend);
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

async function showPage(type, executablePath, backend) {
  const kinds = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
  const server = createServer((request, response) => {
    const path = join(pages[backend], request.url === '/' ? 'index.html' : request.url);
    if (!existsSync(path)) return response.writeHead(404).end();
    // Isolated, so that SharedArrayBuffer is there.
    const isolated = {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    };
    response.writeHead(200, { 'Content-Type': kinds[extname(path)] ?? 'text/plain', ...isolated });
    response.end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}/`;
  let browser;
  try {
    browser = await type.launch({
      executablePath,
      args: type === chromium ? ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] : [],
    });
  } catch (error) {
    server.close();
    // Playwright drives a Firefox of its own build alone: Debian's ends at once.
    if (type !== firefox) throw error;
    console.warn(
      `  *** SKIPPED firefox: ${executablePath} cannot be driven (${error.message.split('\n')[0]}) ***`,
    );
    return;
  }
  const named = `${type.name()} ${browser.version()}`;
  const outside = [];
  let report;
  try {
    await proof(`the contract suite in ${named}, ${backend}`, async () => {
      const page = await browser.newPage();
      const complaints = [];
      // What a page throws ends it: it would never report.
      const thrown = new Promise((_, reject) => {
        page.on('pageerror', (error) => {
          complaints.push(error.stack);
          reject(error);
        });
      });
      thrown.catch(() => {});
      page.on('request', (request) => {
        if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
          outside.push(request.url());
      });
      await page.goto(origin);
      const reported = page.waitForFunction(() => document.body.dataset.report, null, { timeout: 900_000 });
      await Promise.race([reported, thrown]).catch((error) => {
        throw new Error([error.message, ...complaints].join('\n'));
      });
      if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
      report = JSON.parse(await page.evaluate(() => document.body.dataset.report));
      if (report.failures.length > 0) throw new Error(report.failures.slice(0, 20).join('\n'));
      expectEqual(complaints.join('\n'), '', 'errors of the page');
      expectEqual(report.backend.kind, backend, 'backend.kind');
      return `${report.passed} cases on ${report.backend.isa}`;
    });
    await proof(`${named}, ${backend}: nothing was drawn from outside`, () =>
      expectEqual(outside.join(' '), '', 'requests'),
    );
    if (backend === 'wasm' && report !== undefined)
      await proof(`${named}: the bits of ${report.backend.isa} are those of Node`, () => {
        const [isa, digests] = digestsOfNode(report.backend.isa);
        expectEqual(JSON.stringify(report.digests, null, 1), JSON.stringify(digests, null, 1), 'hashes');
        return `${Object.keys(digests).length} shapes, on ${isa} there`;
      });
  } finally {
    await browser.close();
    server.close();
  }
}
