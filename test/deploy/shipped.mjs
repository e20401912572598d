/**
 * The packed package, installed, and what every group of proofs does with it: programs start in a folder full of traps, of
 * which nothing may ever be loaded or run.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expectEqual, here, prebuilds, run, work } from '../package/packed.mjs';

/** run.mjs packs and installs once for all groups. */
if (process.env.SIMD_SOFTMAX_DEPLOY_APP === undefined)
  throw new Error('Start a group by its name: npm run test:deploy -- bundles');
export const app = process.env.SIMD_SOFTMAX_DEPLOY_APP;
export const tarball = process.env.SIMD_SOFTMAX_DEPLOY_TARBALL;
export const library = join(app, 'node_modules/simd-softmax');
export const [binary] = prebuilds(app);
export const binaryName = relative(dirname(binary), binary);
export const env = { ...process.env, SIMD_SOFTMAX_BACKEND: '' };
const trap = layTraps();

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
export function start(command, args, options = {}) {
  const printed = run(command, args, { cwd: trap, env, ...options });
  if (existsSync(join(work, 'RAN'))) throw new Error(`ran ${readFileSync(join(work, 'RAN'), 'utf8')}`);
  const seen = JSON.parse(printed.trim().split('\n').at(-1));
  expectEqual(seen.p, '0.775', 'the probability of a dog');
  return seen;
}

export function expectNative(seen) {
  expectEqual(seen.kind, 'native', `backend.kind (${seen.loadError})`);
}

/** Not native, and loadError says in two lines what machine this is, what was looked for and what to do. */
export function expectAdvice(seen, advice) {
  if (seen.kind === 'native') throw new Error('Expected no addon: one of the working directory was loaded');
  const lines = String(seen.loadError).split('\n');
  expectEqual(lines.length, 2, `the lines of ${seen.loadError}`);
  const machine = process.platform === 'linux' ? `${here} (glibc)` : here;
  if (!lines[0].startsWith(`No native addon for ${machine} on `) || lines[0].includes(trap))
    throw new Error(lines[0]);
  if (!advice.test(lines[1])) throw new Error(`Expected ${advice} for loadError but received ${lines[1]}`);
  return seen.kind;
}

let copies = 0;
/** A copy of the app, or of some of it, in a new folder. */
export function copyOf(from, parts) {
  const folder = join(work, `copy-${++copies}`);
  for (const part of parts) cpSync(join(from, part), join(folder, part), { recursive: true });
  return folder;
}
