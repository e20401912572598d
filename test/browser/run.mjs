/**
 * `npm run test:browser`: the packed package, bundled by Vite, in a headless Chromium: the page runs the contract suite
 * on the pure-TypeScript path. Needs Chromium (apt-get install chromium, or its path in CHROMIUM).
 */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { skip } from '../../native/test/tools.mjs';
import { expectEqual, finish, install, pack, proof, root } from '../package/packed.mjs';

const folder = install(pack().path, 'browser', process.env.PATH);

/** Minified, as for a user's page: the bundle of some exports. */
async function bundle(entry) {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: entry, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
  });
  return outputFiles[0].text;
}
const kilobytes = (code) => `${(gzipSync(code, { level: 9 }).length / 1000).toFixed(1)} kB gzipped`;

const all = await bundle("export * from 'simd-softmax'; export * as promises from 'simd-softmax/promises';");
await proof('nothing of Node and nothing native in the bundle', () => {
  const stray = all.match(/node:|createRequire|node-gyp-build|solveScratch|submit\(|\.node\b/g);
  expectEqual(stray, null, 'what does not belong');
});
await proof('everything is under 20 kB gzipped', () => {
  const size = gzipSync(all, { level: 9 }).length;
  if (size >= 20_000) throw new Error(kilobytes(all));
  return kilobytes(all);
});
for (const op of ['softmax', 'topK', 'sample', 'crossEntropy']) {
  await proof(`${op} alone is smaller`, async () => {
    const alone = await bundle(`export { ${op} } from 'simd-softmax';`);
    if (alone.length > all.length * 0.8) throw new Error(`${kilobytes(alone)} of ${kilobytes(all)}`);
    return kilobytes(alone);
  });
}

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);
if (executablePath === undefined) {
  skip('the page', 'apt-get install chromium');
} else await showPage();
finish();

async function showPage() {
  for (const part of [
    'browser',
    'conformance',
    'contract',
    'package/smoke.mjs',
    'oracle.ts',
    'elements.ts',
    'random.ts',
  ]) {
    cpSync(join(root, 'test', part), join(folder, 'test', part), { recursive: true });
  }
  // The tests name the sources; here they mean the package.
  const the = (name) => join(root, 'node_modules', name);
  await build({
    root: join(folder, 'test/browser'),
    configFile: false,
    logLevel: 'error',
    define: {
      'process.env.SIMD_SOFTMAX_BACKEND': '"js"',
      'process.env.SIMD_SOFTMAX_TEST_SEED': '"1"',
      'process.env.SIMD_SOFTMAX_TEST_BUDGET': JSON.stringify(process.env.SIMD_SOFTMAX_TEST_BUDGET ?? '0.2'),
    },
    resolve: {
      alias: [
        { find: /^.*\/lib\/index\.js$/, replacement: 'simd-softmax' },
        { find: /^.*\/lib\/promises\.js$/, replacement: 'simd-softmax/promises' },
        { find: /^vitest$/, replacement: join(folder, 'test/browser/vitest.ts') },
        ...['@vitest/expect', 'fast-check', 'decimal.js'].map((name) => ({
          find: name,
          replacement: the(name),
        })),
      ],
    },
    build: { outDir: join(folder, 'page'), target: 'es2022' },
  });
  const types = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer((request, response) => {
    const path = join(folder, 'page', request.url === '/' ? 'index.html' : request.url);
    if (!existsSync(path)) return response.writeHead(404).end();
    // Isolated, so that SharedArrayBuffer is there.
    const isolated = {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    };
    response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'text/plain', ...isolated });
    response.end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  try {
    await proof(`the contract suite in Chromium ${browser.version()}`, async () => {
      const page = await browser.newPage();
      const complaints = [];
      page.on('pageerror', (error) => complaints.push(error.stack));
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      await page
        .waitForFunction(() => document.body.dataset.report, null, { timeout: 600_000 })
        .catch((error) => {
          throw new Error([error.message, ...complaints].join('\n'));
        });
      if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
      const report = JSON.parse(await page.evaluate(() => document.body.dataset.report));
      if (report.failures.length > 0) throw new Error(report.failures.slice(0, 20).join('\n'));
      expectEqual(complaints.join('\n'), '', 'errors of the page');
      expectEqual(report.backend.isa, 'js', 'backend.isa');
      return `${report.passed} cases`;
    });
  } finally {
    await browser.close();
    server.close();
  }
}
