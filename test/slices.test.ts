import { describe, expect, it } from 'vitest';
import { jsBackend } from '../lib/backends/js/index.js';
import type { SoftmaxProblem } from '../lib/backends/problem.js';

function problem(rows: number, length: number): SoftmaxProblem {
  const x = new Float32Array(rows * length).map((_, i) => Math.sin(i));
  const shape = { outer: rows, length, inner: 1, temperature: 1, threads: 0 };
  return { op: 'softmax', x, type: 'float32', out: new Float32Array(x.length), outType: 'float32', ...shape };
}

describe('Asynchronous calls in JavaScript', () => {
  it('let other events have their turn every few milliseconds', async () => {
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await jsBackend.runAsync(problem(2000, 1000));
    isDone = true;
    expect(turns).toBeGreaterThan(20);
  });

  it('show their results only when all rows are done', async () => {
    const one = problem(500, 1000);
    const call = jsBackend.runAsync(one);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(one.out.every((value) => value === 0)).toBe(true);
    await call;
    expect(one.out.every((value) => value > 0)).toBe(true);
  });

  it('reject with the reason of the signal, before or during the work', async () => {
    const reason = new Error('enough');
    await expect(jsBackend.runAsync(problem(2, 2), AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const call = jsBackend.runAsync(problem(2000, 1000), controller.signal);
    setImmediate(() => setImmediate(() => controller.abort(reason)));
    await expect(call).rejects.toBe(reason);
  });

  it('do not mind memory that is taken away meanwhile; a result with nowhere to go is an error', async () => {
    const one = problem(200, 1000);
    const call = jsBackend.runAsync(one);
    structuredClone(one.x, { transfer: [one.x.buffer as ArrayBuffer] });
    await call;
    expect(one.out.every((value) => value > 0)).toBe(true);
    const other = problem(500, 1000);
    const lost = jsBackend.runAsync(other);
    structuredClone(other.out, { transfer: [other.out.buffer as ArrayBuffer] });
    await expect(lost).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_DETACHED' });
  });
});
