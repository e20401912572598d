import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { openDirect } from '../lib/cli/direct-writer.js';
import { openOutput } from '../lib/cli/output.js';

// On a disk, and in memory, where there may be no way past the cache.
const folders = [tmpdir(), '/dev/shm'].filter(existsSync).map((at) => mkdtempSync(join(at, 'simd-softmax-')));
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** Bytes that differ from place to place, and in every file. */
function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

describe.each(folders)('past the page cache, in %s', (folder) => {
  const path = join(folder, 'file');

  test('pieces of any size, looked at any time, from any position on', async () => {
    const piece = fc.record({
      size: fc.oneof(fc.nat(3), fc.nat(10_000), fc.constant(4096), fc.nat(20_000_000)),
      drains: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.nat(10_000), fc.constant(4096)),
        fc.array(piece, { maxLength: 8 }),
        async (from, pieces) => {
          const total = pieces.reduce((sum, { size }) => sum + size, from);
          const expected = bytesOf(total, from + 1);
          const file = await open(path, 'w+');
          try {
            await file.writeFile(expected.subarray(0, from));
            const writer = await openDirect(path, file, from);
            if (!writer) return;
            let position = from;
            for (const { size, drains } of pieces) {
              const part = Buffer.from(expected.subarray(position, position + size));
              await writer.write(part);
              part.fill(0);
              position += size;
              if (!drains) continue;
              await writer.drain();
              expect(readFileSync(path).equals(expected.subarray(0, position))).toBe(true);
            }
            await writer.drain();
            await writer.close();
            expect(readFileSync(path).equals(expected)).toBe(true);
          } finally {
            await file.close();
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  test('a large result: the same bytes, part of it from the cache, patched at the end', async () => {
    const pieces = [1, 2, 3].map((seed) => bytesOf(4_000_003, seed));
    const output = await openOutput(join(folder, 'large'));
    for (let i = 0; i < 80; i++) await output.write(pieces[i % 3]);
    expect(output.position).toBe(80 * 4_000_003);
    await output.patch?.(10, Buffer.from('patched'));
    await output.commit();
    const written = readFileSync(join(folder, 'large'));
    expect(written.length).toBe(80 * 4_000_003);
    pieces[0].write('patched', 10);
    for (let i = 0; i < 80; i++) {
      const part = written.subarray(i * 4_000_003, (i + 1) * 4_000_003);
      expect(part.equals(pieces[i % 3]), `piece ${i}`).toBe(true);
      if (i === 0) pieces[0] = bytesOf(4_000_003, 1);
    }
  });

  test('a large result that is given up leaves nothing', async () => {
    const piece = bytesOf(40_000_000, 1);
    const output = await openOutput(join(folder, 'given-up'));
    for (let i = 0; i < 8; i++) await output.write(piece);
    await output.discard();
    expect(readdirSync(folder).filter((name) => name.startsWith('given-up'))).toEqual([]);
  });
});
