/** Startup snapshots (`node --build-snapshot`), with the package bundled in. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, describe, expect, test } from 'vitest';
import { backend } from '../../lib/index.js';

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-snapshot-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules', 'simd-softmax'));
afterAll(() => rmSync(folder, { recursive: true }));

function node(...args: readonly string[]): string {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status ?? signal}:\n${stderr}`);
  return stdout;
}

/** What a snapshot prints when it is restored, twice: `before` ran while it was built, `after` runs each time. */
async function restored(before: string, after: string): Promise<readonly string[]> {
  writeFileSync(
    join(folder, 'main.mjs'),
    `import v8 from 'node:v8';
     import * as sync from 'simd-softmax';
     import * as promises from 'simd-softmax/promises';
     const then = {};
     ${before}
     v8.startupSnapshot.setDeserializeMainFunction(async () => { ${after} });`,
  );
  await build({
    entryPoints: [join(folder, 'main.mjs')],
    outfile: join(folder, 'main.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
  });
  node('--snapshot-blob', 'main.blob', '--build-snapshot', 'main.cjs');
  return [node('--snapshot-blob', 'main.blob'), node('--snapshot-blob', 'main.blob')];
}

const now = `
  const [dog] = sync.softmax(Float32Array.of(3.2, 1.3, 0.2, 0.8));
  const [cat] = await promises.softmax(new Float32Array(10000));
  console.log(JSON.stringify([dog.toFixed(3), cat, sync.backend.kind, then]));
`;
const answer = (then: object) => `${JSON.stringify(['0.775', Math.fround(1e-4), backend.kind, then])}\n`;

describe('A startup snapshot', () => {
  test('holds nothing native: the backend is decided when it is restored', async () => {
    expect(await restored('', now)).toEqual([answer({}), answer({})]);
  });

  test('may have been asked and called while it was built, where JavaScript served', async () => {
    const before = `
      then.kind = sync.backend.kind;
      then.why = sync.backend.loadError.message;
      then.one = sync.softmax(Float32Array.of(0, 0))[0];
      then.prepared = sync.prepare('softmax', { shape: [2] }).run()[0];
      promises.softmax(new Float32Array(10000)).then(([one]) => { then.promised = one; });`;
    const then = {
      kind: 'js',
      why: 'A startup snapshot is being built, so pure TypeScript serves until it is restored.',
      one: 0.5,
      prepared: 0.5,
      promised: Math.fround(1e-4),
    };
    expect(await restored(before, now)).toEqual([answer(then), answer(then)]);
  });

  test('draws otherwise each time that it is restored', async () => {
    const [one, two] = await restored(
      'sync.sample(new Float32Array(1000));',
      'console.log(sync.sample(new Float32Array(1000), { count: 10 }).join());',
    );
    expect(one).toMatch(/^\d+(,\d+){9}\n$/);
    expect(two).not.toBe(one);
  });
});
