import { describe, expect, it } from 'vitest';
import { backend } from '../../lib/index.js';
import * as promises from '../../lib/promises.js';

const classes = 6_000_000;
const x = new Float32Array(new SharedArrayBuffer(classes * 4));
for (let i = 0; i < classes; i++) x[i] = ((Math.imul(i, 0x9e3779b1) >>> 8) / 2 ** 24) * 20 - 10;
const half = classes / 2;
const draws = 2000;

const calls: { readonly [name: string]: (signal: AbortSignal | undefined) => Promise<unknown> } = {
  'topK of a half': (signal) => promises.topK(x, half, { signal }),
  'sample, many draws': (signal) => promises.sample(x, { count: draws, seed: 1, signal }),
  'sample, filtered': (signal) => promises.sample(x, { topK: half, topP: 0.9, seed: 1, signal }),
};

/** How many turns the event loop takes until the promise settles. */
async function turnsUntil(settled: Promise<unknown>): Promise<number> {
  let waiting = true;
  const stop = () => {
    waiting = false;
  };
  settled.then(stop, stop);
  let turns = 0;
  for (; waiting; turns++) await new Promise(setImmediate);
  return turns;
}

/** The slow ones; all of them, in milliseconds: `node native/test/aborts.mjs`. */
describe.skipIf(backend.kind === 'js')('an abort within one long row', () => {
  it.each(Object.keys(calls))('is honoured long before the row is done: %s', async (name) => {
    const whole = await turnsUntil(calls[name](undefined));
    const controller = new AbortController();
    const aborted = calls[name](controller.signal);
    const refused = expect(aborted).rejects.toThrow('aborted');
    for (let turn = 0; turn < whole / 10; turn++) await new Promise(setImmediate);
    controller.abort(new Error('aborted'));
    const turns = await turnsUntil(aborted);
    await refused;
    expect(turns, `turns from the abort on; a whole call takes ${whole}`).toBeLessThan(whole / 2);
  });
});
