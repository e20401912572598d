import { describe, expect, it } from 'vitest';
import { BLOCK } from '../lib/backends/js/block.js';
import { backend, sample } from '../lib/index.js';

/** Logits of a long row: spread out, with ties, and all equal. */
const rows: { readonly [kind: string]: (i: number) => number } = {
  spread: (i) => Math.sin(i) * 10,
  grid: (i) => (i * 7919) % 8,
  equal: () => 1.5,
};

describe('The TypeScript backend', () => {
  it('takes no memory for top-p that grows with the row', () => {
    const x = Float32Array.from({ length: 8 * BLOCK }, (_, i) => Math.sin(i) * 10);
    const out = new Uint32Array(1);
    const before = process.memoryUsage().arrayBuffers;
    sample(x, { backend: 'js', topP: 0.9, seed: 1, out });
    // Less than one number for each class.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(x.byteLength);
  });

  for (const [kind, logit] of Object.entries(rows))
    it.skipIf(backend.kind !== 'native')(
      `draws what the addon draws from a row of several blocks, ${kind}`,
      () => {
        const x = Float32Array.from({ length: BLOCK + 1001 }, (_, i) => logit(i));
        for (const options of [{ topP: 0.9 }, { topK: 5000, topP: 0.99 }, { minP: 0.05, topP: 0.5 }]) {
          const draws = (name: 'js' | 'native') =>
            sample(x, { ...options, backend: name, seed: 3, count: 8, temperature: 0.7 });
          expect(draws('js')).toEqual(draws('native'));
        }
      },
    );
});
