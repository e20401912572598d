/**
 * `npm run test:deploy [-- group …]`: the packed package, shipped in the ways that services are. It is packed and installed
 * once; the groups of proofs run side by side, each in a process of its own, the longest first.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { install, pack } from '../package/packed.mjs';
import { writeApp } from './program.mjs';
import { folder as tools } from './tools.mjs';

const all = ['bundles', 'pages', 'installs', 'single-executables', 'runtimes'];
const asked = process.argv.slice(2);
const unknown = asked.find((name) => !all.includes(name));
if (unknown !== undefined)
  throw new RangeError(`Expected some of ${all.join(', ')} for group but received ${unknown}`);
const groups = asked.length > 0 ? asked : all;

const { path: tarball } = pack();
const app = install(tarball, 'app');
writeApp(app);
const env = {
  ...process.env,
  SIMD_SOFTMAX_DEPLOY_APP: app,
  SIMD_SOFTMAX_DEPLOY_TARBALL: tarball,
  SIMD_SOFTMAX_DEPLOY_TOOLS: tools,
};

const total = { passed: 0, failed: 0 };

/** Prints what a group said when it has ended, so that groups do not mix. */
function prove(group) {
  return new Promise((resolve) => {
    const file = fileURLToPath(new URL(`${group}.mjs`, import.meta.url));
    const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (said += text));
    child.on('close', () => {
      const last = /^(\d+) passed, (\d+) failed\n$/m.exec(said);
      console.log(
        `${group}\n${last ? said.slice(0, last.index) : `${said}  ✗ ${group} did not end`}`.trimEnd(),
      );
      total.passed += Number(last?.[1] ?? 0);
      total.failed += Number(last?.[2] ?? 1);
      resolve();
    });
  });
}

const waiting = groups.values();
const lanes = Array.from({ length: Math.min(availableParallelism(), groups.length) }, async () => {
  for (const group of waiting) await prove(group);
});
await Promise.all(lanes);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 ? 1 : 0);
