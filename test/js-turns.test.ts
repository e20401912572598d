import { describe, expect, it } from 'vitest';
import { LONG_ROW_BLOCK } from '../lib/backends/js/block.js';
import { jsBackend } from '../lib/backends/js/index.js';
import type { SoftmaxProblem } from '../lib/backends/js/softmax.js';
import * as sync from '../lib/index.js';
import { softmax } from '../lib/ops/softmax.js';
import * as promises from '../lib/promises.js';

type Call = (...args: readonly unknown[]) => unknown;

function problem(rows: number, length: number): SoftmaxProblem {
  const x = new Float32Array(rows * length).map((_, i) => Math.sin(i));
  const shape = { outer: rows, length, inner: 1, temperature: 1, threads: 0 };
  return {
    op: softmax.op,
    x,
    type: 'float32',
    out: new Float32Array(x.length),
    outType: 'float32',
    ...shape,
  };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** How many turns other events have while a call is under way. */
async function turnsOf(call: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await call;
  isDone = true;
  return turns;
}

/** One row of many blocks, with ties, and every operation over it. */
const classes = 12 * LONG_ROW_BLOCK + 7;
const row = Float32Array.from({ length: classes }, (_, i) => Math.fround(Math.sin(i * i) * 9));
const half = new Uint8Array(classes).map((_, i) => i % 2);
const everyOperation: readonly [string, string, readonly unknown[], object][] = [
  ['softmax', 'softmax', [], {}],
  ['a masked softmax', 'softmax', [], { where: half }],
  ['a row that is all masked', 'softmax', [], { where: new Uint8Array(classes) }],
  ['logSoftmax', 'logSoftmax', [], {}],
  ['logSumExp', 'logSumExp', [], {}],
  ['topK', 'topK', [5], {}],
  ['topK of a third', 'topK', [classes / 3 - (classes % 3) / 3], {}],
  ['sample', 'sample', [], { seed: 3, count: 20, logProbabilities: true }],
  ['sample with filters', 'sample', [], { seed: 3, topK: 200_000, topP: 0.95, minP: 1e-6, count: 5 }],
  ['crossEntropy', 'crossEntropy', [[17]], { labelSmoothing: 0.1, where: half, gradient: true }],
];

/** The same bits, wherever there are arrays. (toEqual takes a second for each array of so many.) */
function isSame(a: unknown, b: unknown): boolean {
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b))
    return Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  const entries = Object.entries(a);
  return (
    entries.length > 0 && entries.every(([key, value]) => isSame(value, (b as Record<string, unknown>)[key]))
  );
}

/** New outputs each time, where the options ask for some. */
function optionsOf({ gradient, logProbabilities, ...options }: { [name: string]: unknown }) {
  return {
    ...options,
    backend: 'js',
    ...(gradient ? { gradient: new Float32Array(classes) } : {}),
    ...(logProbabilities ? { logProbabilities: new Float64Array(20) } : {}),
  };
}

describe('Asynchronous calls in JavaScript', () => {
  it('let other events have their turn every few milliseconds', async () => {
    expect(await turnsOf(jsBackend.runAsync(problem(2000, 1000)))).toBeGreaterThan(20);
  });

  it.each(everyOperation)(
    'let them within a row too, and keep its bits: %s',
    async (_, op, args, options) => {
      const once = optionsOf(options as never);
      const expected = (sync as unknown as Record<string, Call>)[op](row, ...args, once);
      const again = optionsOf(options as never);
      let result: unknown;
      const call = (promises as unknown as Record<string, Call>)[op](row, ...args, again) as Promise<unknown>;
      const watched = call.then((value) => {
        result = value;
      });
      // Another call, whose steps lie in between and use the same scratch memory.
      const other = promises.logSumExp(row, { backend: 'js', temperature: 2 });
      expect(await turnsOf(watched)).toBeGreaterThan(20);
      expect(isSame(result, expected)).toBe(true);
      expect(isSame(again, once)).toBe(true);
      await other;
    },
  );

  it.each(everyOperation)('are aborted within a row: %s', async (_, op, args, options) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const own = { ...optionsOf(options as never), signal: controller.signal };
    const call = (promises as unknown as Record<string, Call>)[op](row, ...args, own) as Promise<unknown>;
    let isOver = false;
    const over = call.catch((error: unknown) => error).finally(() => (isOver = true));
    for (let turn = 0; turn < 12; turn++) await nextTurn();
    expect(isOver).toBe(false);
    controller.abort(reason);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    expect(isOver).toBe(true);
    expect(await over).toBe(reason);
  });

  it('draw many times from a row in many turns', async () => {
    const call = promises.sample(Float32Array.of(1, 2, 3), { count: 300_000, seed: 1, backend: 'js' });
    expect(await turnsOf(call)).toBeGreaterThan(5);
    const expected = sync.sample(Float32Array.of(1, 2, 3), { count: 300_000, seed: 1, backend: 'js' });
    expect(isSame(await call, expected)).toBe(true);
  });

  it('show their results only when all rows are done', async () => {
    const one = problem(500, 1000);
    const call = jsBackend.runAsync(one);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(one.out.every((value) => value === 0)).toBe(true);
    await call;
    expect(one.out.every((value) => value > 0)).toBe(true);
  });

  it('leave a shared out as it was when they are aborted', async () => {
    const { x } = problem(500, 1000);
    const out = new Float32Array(new SharedArrayBuffer(x.byteLength));
    const controller = new AbortController();
    const options = { out, shape: [500, 1000], backend: 'js', signal: controller.signal } as const;
    const call = promises.softmax(x, options);
    for (let turn = 0; turn < 12; turn++) await nextTurn();
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(out.every((value) => value === 0)).toBe(true);
  });

  it('reject with the reason of the signal, before or during the work', async () => {
    const reason = new Error('enough');
    await expect(jsBackend.runAsync(problem(2, 2), AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const call = jsBackend.runAsync(problem(2000, 1000), controller.signal);
    setImmediate(() => setImmediate(() => controller.abort(reason)));
    await expect(call).rejects.toBe(reason);
  });

  it('do not mind small inputs that are taken away meanwhile; a result with nowhere to go is an error', async () => {
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
