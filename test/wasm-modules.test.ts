import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

const built = (name: string) => fileURLToPath(new URL(`../dist/${name}`, import.meta.url));

describe.each(['simd-softmax.wasm', 'simd-softmax.relaxed.wasm'])('%s', (name) => {
  const skips = !existsSync(built(name));

  // A browser loads 50 kB of code besides (test/browser checks both together): 450 kB is promised.
  test.skipIf(skips)('is at most 402 kB gzipped', () => {
    expect(gzipSync(readFileSync(built(name)), { level: 9 }).length).toBeLessThanOrEqual(402_000);
  });

  test.skipIf(skips)('ends with its code and data: no names or notes are shipped', () => {
    expect(sectionsOf(readFileSync(built(name)))).not.toContain(0);
  });
});

/** The number of each section: 0 is a custom one. */
function sectionsOf(bytes: Uint8Array): number[] {
  const sections: number[] = [];
  for (let at = 8; at < bytes.length; ) {
    sections.push(bytes[at++] as number);
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = bytes[at++] as number;
      size += (byte & 127) * 2 ** shift;
      more = byte > 127;
    }
    at += size;
  }
  return sections;
}
