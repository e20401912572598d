/** How many threads a process may use: each case is a process of its own. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backend } from '../../lib/index.js';

const library = join(import.meta.dirname, '..', '..', 'dist', 'index.cjs');
const canPin = backend.kind === 'native' && spawnSync('taskset', ['--version']).status === 0;

test.runIf(canPin)('a process that is bound to one CPU has one thread', () => {
  const [cpu] = /Cpus_allowed_list:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.slice(1) ?? [];
  const code = `process.stdout.write(String(require(${JSON.stringify(library)}).backend.threads))`;
  const { stdout } = spawnSync('taskset', ['-c', String(cpu), process.execPath, '-e', code], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('1');
});
