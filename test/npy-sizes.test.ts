/** Sizes that a .npy's header claims: none is the bound of a loop or of memory before the file vouches for it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../lib/cli/npy-header.js';

const CLI = join(import.meta.dirname, '../dist/cli.js');
const MOST = Number.MAX_SAFE_INTEGER;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-sizes-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function score(shape: readonly number[], args: readonly string[] = [], stdin = false) {
  const bytes = formatNpyHeader("'<f4'", shape);
  const path = join(folder, 'x.npy');
  writeFileSync(path, bytes);
  const all = [CLI, 'score', stdin ? '-' : path, '--json', ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 60_000, input: bytes });
}

describe('a header that claims what is not there', () => {
  for (const stdin of [false, true]) {
    for (const shape of [
      [MOST, 0],
      [2 ** 40, 5, 0],
      [MOST, MOST, MOST, 0],
      [MOST, 1],
      [1, MOST],
      [MOST, MOST],
      [2 ** 33, 2 ** 33],
    ]) {
      test(`${stdin ? 'from a pipe, ' : ''}[${shape}]: one line, exit code 1`, () => {
        const { status, stdout, stderr } = score(shape, [], stdin);
        expect(stderr).toMatch(/^simd-softmax: Expected [^\n]+\n$/);
        expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      });
    }
  }

  test('along another axis', () => {
    expect(score([5, 0, MOST], ['--axis', '1'])).toMatchObject({ status: 1, stdout: '' });
  });

  test('as true classes', () => {
    const truth = join(folder, 'truth.npy');
    writeFileSync(truth, formatNpyHeader("'<i8'", [2 ** 33]));
    const { status, stderr } = score([5, 0], ['--truth', truth]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^simd-softmax: Expected 68719476736 bytes of data .* received 0[^\n]+\n$/);
  });

  test('rows without classes, and no rows, stay valid', () => {
    for (const shape of [
      [5, 0],
      [0, 5],
      [0, 0],
      [0, MOST],
    ]) {
      const { status, stdout, stderr } = score(shape);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(JSON.parse(stdout).shape).toEqual(shape);
    }
  });
});
