import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// @ts-expect-error: a script without types
import { BINARIES, WANTED } from './package/complete.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const own = `prebuilds/${process.platform}-${process.arch}/`;
let tree: string;

/** A tree that is whole, with nothing in its files. */
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'simd-softmax-tree-'));
  for (const path of [...WANTED, ...BINARIES]) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), '');
  }
  cpSync(join(root, 'test/package/complete.mjs'), join(tree, 'test/package/complete.mjs'));
  const { scripts, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const manifest = { name: 'whole', version: '1.0.0', files, scripts: { prepack: scripts.prepack } };
  writeFileSync(join(tree, 'package.json'), JSON.stringify(manifest));
});
afterEach(() => rmSync(tree, { recursive: true }));

function npm(...args: string[]) {
  return spawnSync('npm', args, { cwd: tree, encoding: 'utf8', shell: process.platform === 'win32' });
}
const remove = (path: string) => rmSync(join(tree, path), { recursive: true });

describe('what npm packs', () => {
  test('a whole tree is packed', () => {
    expect(npm('pack', '--dry-run')).toMatchObject({ status: 0 });
    expect(npm('publish', '--dry-run')).toMatchObject({ status: 0 });
  });

  test('without the WebAssembly modules neither pack nor publish go on, and one line names them', () => {
    remove('dist/simd-softmax.wasm');
    remove('dist/simd-softmax.relaxed.wasm');
    for (const command of ['pack', 'publish']) {
      const { status, stderr } = npm(command, '--dry-run');
      expect(status).not.toBe(0);
      expect(stderr).toMatch(
        /^simd-softmax cannot be packed, it lacks dist\/simd-softmax\.wasm, dist\/simd-softmax\.relaxed\.wasm: .*$/m,
      );
    }
  });

  test("pack wants this platform's binary", () => {
    remove(own);
    const { status, stderr } = npm('pack', '--dry-run');
    expect(status).not.toBe(0);
    expect(stderr).toContain(`it lacks ${own}`);
  });

  test('publish wants the binary of every platform', () => {
    const other = BINARIES.find((path: string) => !path.startsWith(own));
    remove(other);
    expect(npm('pack', '--dry-run')).toMatchObject({ status: 0 });
    const { status, stderr } = npm('publish', '--dry-run');
    expect(status).not.toBe(0);
    expect(stderr).toContain(`it lacks ${other}`);
  });
});
