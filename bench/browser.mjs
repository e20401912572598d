/**
 * `npm run bench:browser`: WebAssembly beside TypeScript in the browsers of this machine (apt-get install chromium firefox-esr).
 * `-- --serve` shows the page's address instead, for a browser of yours.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { browsers } from '../test/browser/browsers.mjs';
import { serve } from '../test/browser/serve.mjs';

const outDir = mkdtempSync(join(tmpdir(), 'simd-softmax-bench-'));
process.on('exit', () => rmSync(outDir, { recursive: true, force: true }));
await build({
  root: fileURLToPath(new URL('browser', import.meta.url)),
  base: './',
  configFile: false,
  logLevel: 'error',
  resolve: {
    alias: { 'simd-softmax/wasm': fileURLToPath(new URL('../dist/wasm.js', import.meta.url)) },
  },
  build: { outDir, emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
});

if (process.argv.includes('--serve')) console.log(`Open ${(await serve(outDir)).origin}`);
else
  for (const { show, name, executablePath } of browsers) {
    if (executablePath === undefined) {
      console.warn(`*** SKIPPED ${name}: it is not installed ***`);
      continue;
    }
    const { origin, posted, close } = await serve(outDir);
    const { named, report } = await show(executablePath, origin, posted);
    close();
    console.log(
      `\n## ${named}: ${report.isa}\n\n| float32 | WebAssembly, ns per logit | TypeScript | times |\n|---|---|---|---|`,
    );
    for (const cells of report.rows) console.log(`| ${cells.join(' | ')} |`);
  }
