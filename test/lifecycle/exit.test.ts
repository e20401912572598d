/** How a process ends while threads are at work. Each case is a child: it must end by itself, by no signal. */
import { describe, expect, test } from 'vitest';
import { expectDone, runChild } from './child.js';

/** Seconds of work: a process that waited for it would be seen to. */
const flood = `
  const x = sharedLogits(16 * million);
  const calls = Array.from({ length: 40 }, () => promises().logSoftmax(x, { out: x }));
`;

describe('a process ends', () => {
  test('by itself, once its threads have nothing to do', async () => {
    await expectDone(`
      sync().softmax(logits(4 * million));
      await promises().softmax(logits(4 * million));
      sync().prepare('softmax', { shape: [1000, 1000] }).run();
      console.log('done');
    `);
  });

  test('by itself, no sooner than what was promised has come', async () => {
    await expectDone(`
      promises().softmax(logits(4 * million)).then(() => console.log('done'));
    `);
  });

  test('by process.exit() with promises in flight', async () => {
    const { code, signal, stderr } = await runChild(`${flood}
      await sleep(20);
      process.exit(7);
    `);
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
  });

  test('by process.exit() in the turn that made the promises', async () => {
    const { code, signal, stderr } = await runChild(`${flood} process.exit(7);`);
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
  });

  test('by process.exit() with a prepared call under way', async () => {
    const { code, signal, stderr } = await runChild(`
      const call = sync().prepare('softmax', { shape: [16, million] });
      call.runAsync();
      await sleep(1);
      process.exit(7);
    `);
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
  });

  test('by an uncaught exception with promises in flight', async () => {
    const { code, signal, stderr } = await runChild(`${flood}
      setTimeout(() => { throw new Error('of another kind'); }, 5);
      await Promise.all(calls);
    `);
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('of another kind');
  });

  test('by a rejection that nobody handles with others in flight', async () => {
    const { code, signal, stderr } = await runChild(`${flood}
      promises().softmax(x, { temprature: 2 });
    `);
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('temprature');
  });

  test('by process.exit() while workers score, synchronously and not', async () => {
    const { code, signal, stderr } = await runChild(`
      const code = \`
        const x = sharedLogits(million);
        for (let i = 0; i < 4; i++) promises().logSoftmax(x, { signal: new AbortController().signal });
        parentPort.postMessage('scoring');
        for (;;) sync().softmax(x, { out: x });
      \`;
      const workers = [1, 2, 3].map(() => startWorker(code));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      sync().softmax(logits(million));
      process.exit(7);
    `);
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
  });
});

describe('abort while running', () => {
  test('rejects with the reason, leaves out as it was, and the next call is whole', async () => {
    await expectDone(`
      const x = sharedLogits(8 * million);
      const out = new Float32Array(new SharedArrayBuffer(x.byteLength)).fill(7);
      for (let i = 0; i < 5; i++) {
        const controller = new AbortController();
        const call = promises().softmax(x, { out, shape: [-1, 1024], signal: controller.signal });
        await sleep(i);
        controller.abort(new Error('enough'));
        const error = await rejection(call);
        // The quickest of machines may have been done.
        if (error === undefined) { expectThat(out.every((p) => p !== 7), 'the whole result'); out.fill(7); }
        else expectThat(error.message === 'enough' && out.every((p) => p === 7), 'nothing new');
      }
      const whole = await promises().softmax(x, { shape: [-1, 1024], signal: new AbortController().signal });
      expectThat(whole.every((p) => p >= 0 && p < 1), 'the call after an abort is whole');
      checkDog();
      console.log('done');
    `);
  });

  test('stops at the next block: what waits behind a long call comes soon', async () => {
    await expectDone(`
      // Hours of work, were it not stopped.
      const x = sharedLogits(32 * million);
      const controller = new AbortController();
      const { signal } = controller;
      const calls = Array.from({ length: 500 }, () => promises().logSumExp(x, { shape: [-1, 4096], signal }).catch((error) => error));
      await sleep(50);
      controller.abort(new Error('enough'));
      const errors = await Promise.all(calls);
      expectThat(errors.filter((error) => error.message === 'enough').length > 400, 'most were stopped');
      await promises().softmax(logits(million));
      console.log('done');
    `);
  });

  test('of a prepared call, whose memory is then free for the next run', async () => {
    await expectDone(`
      const call = sync().prepare('softmax', { shape: [4096, 1000] });
      for (let i = 0; i < 20; i++) {
        const controller = new AbortController();
        const running = call.runAsync(controller.signal);
        await sleep(i % 3);
        controller.abort(new Error('enough'));
        await rejection(running);
        call.run();
        expectThat(Math.abs(call.output[0] * 1000 - 1) < 1e-6, 'a run after an abort is whole');
      }
      const running = call.runAsync();
      call[Symbol.dispose]();
      await running;
      console.log('done');
    `);
  });
});
