/** The root of a worker while somebody swaps what lies below it. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openOutput } from '../lib/cli/output.js';
import { confineTo, openToRead } from '../lib/cli/root.js';

const TRIES = 300;

/** Puts a file, a link that leads out, a folder and a link to a folder outside by turns under the same names. */
const SWAP = `
const { workerData } = require('node:worker_threads');
const { renameSync, rmSync, symlinkSync, writeFileSync, mkdirSync } = require('node:fs');
const { root, outside, stop } = workerData;
const quietly = (change) => { try { change(); } catch {} };
for (let i = 0; Atomics.load(stop, 0) === 0; i++) {
  quietly(() => symlinkSync(outside + '/secret', root + '/next'));
  quietly(() => renameSync(root + '/next', root + '/file'));
  quietly(() => writeFileSync(root + '/next', 'inside'));
  quietly(() => renameSync(root + '/next', root + '/file'));
  quietly(() => renameSync(root + '/folder', root + '/aside'));
  quietly(() => symlinkSync(outside, root + '/folder'));
  quietly(() => rmSync(root + '/folder'));
  quietly(() => renameSync(root + '/aside', root + '/folder'));
}
`;

let folder: string;
let root: string;
let outside: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-root-'));
  root = join(folder, 'root');
  outside = join(folder, 'outside');
  for (const path of [root, outside, join(root, 'folder')]) mkdirSync(path);
  writeFileSync(join(outside, 'secret'), 'secret');
  writeFileSync(join(root, 'file'), 'inside');
  writeFileSync(join(root, 'folder/secret'), 'inside');
  symlinkSync('folder', join(root, 'link'));
  await confineTo(root);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.skipIf(process.platform !== 'linux')('a link swapped in is not followed', async () => {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const swapping = new Worker(SWAP, { eval: true, workerData: { root, outside, stop } });
  const seen = new Map<string, number>();
  for (let i = 0; i < TRIES; i++) {
    for (const name of ['file', 'folder/secret', 'link/secret']) {
      const content = await openToRead(join(root, name)).then(
        ({ fd, close }) => {
          const text = readFileSync(fd, 'utf8');
          close();
          return text;
        },
        () => 'refused',
      );
      seen.set(content, (seen.get(content) ?? 0) + 1);
    }
    const output = await openOutput(join(root, 'folder/written')).catch(() => undefined);
    await output?.write(Buffer.from('x'));
    await (i % 2 ? output?.commit() : output?.discard());
  }
  Atomics.store(stop, 0, 1);
  await new Promise((resolve) => swapping.once('exit', resolve));
  expect([...seen.keys()].sort()).toEqual(['inside', 'refused']);
  expect(readdirSync(outside)).toEqual(['secret']);
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(100);
});
