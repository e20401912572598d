/** Installed by other managers than npm, and run by those who test. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finish, node, proof, root, work } from '../package/packed.mjs';
import { writeApp } from './program.mjs';
import { app, copyOf, env, expectNative, start, tarball } from './shipped.mjs';
import { tool } from './tools.mjs';

for (const [manager, how] of [
  ['pnpm', { command: [tool('pnpm/bin/pnpm.cjs'), 'add', '--offline=false', '--ignore-scripts', tarball] }],
  ['yarn, node_modules', { linker: 'node-modules' }],
  ["yarn, Plug'n'Play", { linker: 'pnp' }],
]) {
  await proof(`installed by ${manager}: native`, () => {
    const folder = join(work, manager.replace(/\W+/g, '-'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true }));
    writeApp(folder);
    const quiet = { cwd: folder, env: { ...env, YARN_ENABLE_TELEMETRY: '0', CI: '' } };
    const yarn = tool('@yarnpkg/cli-dist/bin/yarn.js');
    if (how.command) node(how.command, quiet);
    else {
      writeFileSync(
        join(folder, '.yarnrc.yml'),
        `nodeLinker: ${how.linker}\nenableScripts: false\nenableImmutableInstalls: false\nglobalFolder: ${join(work, 'yarn')}\n`,
      );
      writeFileSync(join(folder, 'yarn.lock'), '');
      node([yarn, 'add', `simd-softmax@file:${tarball}`], quiet);
    }
    const args = ['src/app.cjs', 'src/app.mjs'];
    for (const file of args) {
      const seen =
        how.linker === 'pnp'
          ? start(process.execPath, [yarn, 'node', file], { cwd: folder })
          : start(process.execPath, [join(folder, file)]);
      expectNative(seen);
    }
  });
}

for (const pool of ['forks', 'threads', 'vmThreads'])
  await proof(`vitest, pool ${pool}: native`, () => {
    const folder = copyOf(app, ['node_modules', 'package.json']);
    writeFileSync(
      join(folder, 'app.test.js'),
      "import { backend } from 'simd-softmax'; import { expect, test } from 'vitest';\ntest('native', () => expect(backend.kind).toBe('native'));\n",
    );
    node([join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, '--pool', pool], {
      env: { ...env, NODE_PATH: join(root, 'node_modules') },
    });
  });
for (const flags of [['-i'], ['-w=2'], ['-w=2', '--workerThreads']])
  await proof(`jest ${flags.join(' ')}: native`, () => {
    const folder = copyOf(app, ['node_modules']);
    writeFileSync(join(folder, 'package.json'), '{"jest":{"testEnvironment":"node"}}');
    for (const name of ['one', 'two'])
      writeFileSync(
        join(folder, `${name}.test.js`),
        "const { backend, softmax } = require('simd-softmax');\ntest('native', () => { expect(backend.kind).toBe('native'); expect(softmax([0, 0])[0]).toBe(0.5); });\n",
      );
    node([tool('jest-cli/bin/jest.js'), '--rootDir', folder, ...flags], { cwd: folder, env });
  });
finish();
