/** How many passes over the logits fitTemperature takes. Counted in the sources, so not in the browser (test/browser/page.mjs). */
import { describe, expect, it, vi } from 'vitest';
import { chooseBackend } from '../../lib/backends/backend.js';
import { fitTemperature } from '../../lib/index.js';
import { seed } from '../random.js';
import { drawn } from '../temperate.js';
import { backendName } from './ways.js';

/** Rows of one part: each run of the backend is a pass over the logits. */
describe(`The passes of fitTemperature, on ${backendName} (seed ${seed})`, () => {
  const backend = chooseBackend(undefined);

  function passesOf(call: () => unknown): number {
    const run = vi.spyOn(backend, 'run');
    try {
      call();
      return run.mock.calls.length;
    } finally {
      run.mockRestore();
    }
  }

  it('are at most 12 for logits that may be of a model, however warm and however wrong', () => {
    let most = 0;
    for (const about of [0.02, 0.1, 0.4, 1, 1.5, 3, 10, 40, 90]) {
      for (const [rows, classes] of [
        [12, 2],
        [300, 2],
        [200, 10],
        [60, 100],
      ]) {
        for (const isWrong of [false, true]) {
          const name = `passes ${rows} ${classes} ${about} ${isWrong}`;
          const { x, targets } = drawn(name, rows, classes, about);
          // Some rows that are sure of the wrong class: that is what calibration meets.
          if (isWrong) for (let r = 0; r < rows; r += 9) x[r * classes + (targets[r] === 0 ? 1 : 0)] += 6;
          const passes = passesOf(() => fitTemperature(x, targets, { shape: [rows, classes] }));
          expect(passes, name).toBeLessThanOrEqual(12);
          most = Math.max(most, passes);
        }
      }
    }
    expect(most).toBeGreaterThan(3); // they were counted
  });

  it('are at most 4 where the best temperature is an end or all are as good', () => {
    const ends = { separable: [0, 1, 2], wrong: [1, 0, 1] };
    for (const targets of Object.values(ends)) {
      const x = [2, 0, 1, 0, 1, 0, 0, 0.5, 0.625];
      const passes = passesOf(() => fitTemperature(Float64Array.from(x), targets, { shape: [3, 3] }));
      expect(passes).toBeLessThanOrEqual(4);
    }
    expect(passesOf(() => fitTemperature(new Float64Array(6), [0, 1, 1], { shape: [3, 2] }))).toBe(1);
  });
});
