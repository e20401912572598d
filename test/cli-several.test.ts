/** `score` of several files into a folder. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatNpyHeader } from '../lib/cli/npy-header.js';

const CLI = join(import.meta.dirname, '..', 'dist', 'cli.js');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-several-'));
  mkdirSync(join(folder, 'in'));
  for (const [name, rows] of [
    ['a.npy', 3],
    ['b.npy', 5],
    ['c[1].npy', 7],
  ] as const) {
    const data = Float32Array.from({ length: rows * 4 }, (_, i) => Math.sin(i * rows));
    writeFileSync(
      join(folder, 'in', name),
      Buffer.concat([formatNpyHeader("'<f4'", [rows, 4]), Buffer.from(data.buffer)]),
    );
  }
  writeFileSync(join(folder, 'poison.npy'), 'no array');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function score(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'score', ...args], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const bytes = (...path: string[]) => readFileSync(join(folder, ...path));

test('a pattern becomes a file each, with the bytes of a run of its own', async () => {
  const { code, stdout, stderr } = await score('in/*.npy', '-o', 'out/', '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ rows: 15, failed: [], output: 'out/' });
  expect(readdirSync(join(folder, 'out'))).toEqual(['a.npy', 'b.npy', 'c[1].npy']);
  await score('in/b.npy', '-o', 'b.npy');
  expect(bytes('out', 'b.npy').equals(bytes('b.npy'))).toBe(true);
});

test('a file whose name looks like a pattern is itself; its output can have another format', async () => {
  const { code, stdout } = await score('in/c[1].npy', '-o', 'one/', '--output-format', 'ndjson');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^softmax of 7 rows of 4 classes .*\n1 file written to one\/\n$/);
  expect(bytes('one', 'c[1].ndjson').toString().trim().split('\n')).toHaveLength(7);
});

test('one that cannot be scored is named, and keeps no other from it', async () => {
  const { code, stdout, stderr } = await score(
    'in/a.npy',
    'poison.npy',
    'none.npy',
    'in/b.npy',
    '-o',
    'some/',
  );
  expect(code).toBe(1);
  expect(stdout).toContain('2 files written to some/');
  expect(stderr).toMatch(/^poison\.npy: Expected a \.npy file .*\nnone\.npy: Expected a readable file .*\n/);
  expect(stderr).toContain('simd-softmax: Expected every file to be scored but received 2 that could not be');
  expect(readdirSync(join(folder, 'some'))).toEqual(['a.npy', 'b.npy']);
});

test('two inputs never share an output, and no input is written over', async () => {
  const same = await score('in/a.npy', './in/a.npy', 'in/b.npy', '-o', 'same/');
  expect(same.code).toBe(2);
  expect(same.stderr).toContain('Expected names that differ for');
  const over = await score('in/a.npy', 'in/b.npy', '-o', 'in');
  expect(over.code).toBe(2);
  expect(over.stderr).toContain('Expected another folder than that of the inputs for -o but received in');
  const truth = await score('in/*.npy', '-o', 'x/', '--truth', 'truth.npy');
  expect(truth.stderr).toContain('Expected one input for --truth but received 3');
});
