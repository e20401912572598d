/** The tools that ship the package: pinned in package.json beside this, installed in a folder of their own. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { npm, root, work } from '../package/packed.mjs';

/** Give a folder in SIMD_SOFTMAX_DEPLOY_TOOLS to keep them for the next run. */
export const folder = process.env.SIMD_SOFTMAX_DEPLOY_TOOLS ?? join(work, 'tools');

if (!existsSync(join(folder, 'node_modules/webpack'))) {
  console.log(`Installing the tools into ${folder} (600 MB) …`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'test/deploy/package.json'), join(folder, 'package.json'));
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline'], {
    cwd: folder,
  });
}

export const tool = (path) => join(folder, 'node_modules', path);
const require = createRequire(join(folder, 'package.json'));
export const importTool = (name) => import(pathToFileURL(require.resolve(name)).href);
export const node26 = tool('node26/bin/node');
export const bun = tool('@oven/bun-linux-x64/bin/bun');
export const deno = tool('@deno/linux-x64-glibc/deno');
/**
 * Electron's executable. npm has the package alone; its own script fetches the executable from GitHub. Undefined where that
 * cannot be had. SIMD_SOFTMAX_ELECTRON names another.
 */
export function electron() {
  if (process.env.SIMD_SOFTMAX_ELECTRON) return process.env.SIMD_SOFTMAX_ELECTRON;
  const fetched = spawnSync(process.execPath, [tool('electron/install.js')], { timeout: 120_000 });
  const executable = tool('electron/dist/electron');
  return fetched.status === 0 && existsSync(executable) ? executable : undefined;
}
export const workerd = tool('@cloudflare/workerd-linux-64/bin/workerd');
