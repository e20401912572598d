/**
 * The door from the root's scripts: `node bench/start.mjs <script> [arguments]` runs bench/<script>.ts. The peers and
 * tools of the benchmark are installed here, on first use, so that the package itself knows nothing of them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const [script, ...args] = process.argv.slice(2);

if (!existsSync(`${here}../dist/index.cjs`)) {
  console.error('There is no dist/ yet: run `npm install`, or `npm run build`, and then this again.');
  process.exit(1);
}
if (!isInstalled()) {
  console.error('Installing what the benchmark compares with into bench/node_modules (about 600 MB, once) …');
  // Its install script would fetch CUDA; bench/.npmrc says no to scripts, and this says it once more.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' };
  const install = spawnSync('npm', ['ci', '--silent'], { cwd: here, env, stdio: ['ignore', 2, 2] });
  if (install.status !== 0) process.exit(install.status ?? 1);
}
const run = spawnSync(
  process.execPath,
  ['--import', import.meta.resolve('tsx'), `${here}${script}.ts`, ...args],
  {
    stdio: 'inherit',
  },
);
process.exit(run.status ?? 1);

function isInstalled() {
  const installed = `${here}node_modules/.package-lock.json`;
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${here}package-lock.json`).mtimeMs;
}
