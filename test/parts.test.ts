/** What adds up over rows solves them part by part: each part but the last is work for several threads. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { plan } from '../lib/calls/plan.js';
import { evaluate } from '../lib/ops/evaluate.js';
import { type PartedProblem, partsOf } from '../lib/ops/parts.js';

const batch = readFileSync(new URL('../native/batch.cc', import.meta.url), 'utf8');
const worthSharing = 2 ** Number(/worth_sharing = 1 << (\d+);/.exec(batch)?.[1]);

test.each([
  [300_000, 4],
  [100_000, 10],
  [3000, 1000],
  [20, 128_256],
])('%i rows of %i classes', (rows, classes) => {
  const { problem } = plan(evaluate, new Float32Array(rows * classes), new Int32Array(rows), {
    shape: [rows, classes],
  });
  const parts = Array.from(partsOf(problem as PartedProblem), ({ outer }) => outer);
  expect(parts.reduce((sum, part) => sum + part)).toBe(rows);
  for (const part of parts.slice(0, -1)) {
    expect(part * classes).toBeGreaterThanOrEqual(worthSharing);
    expect(part).toBeLessThanOrEqual(2 ** 16);
  }
});
