/** The addon in many workers, which come, are terminated and go. Each case is a child; see child.ts. */
import { describe, test } from 'vitest';
import { expectDone } from './child.js';

describe('workers', () => {
  test('load the addon side by side and share one pool', async () => {
    await expectDone(`
      const code = \`
        const { softmax, backend } = sync();
        parentPort.postMessage('loaded');
        await once(parentPort, 'message');
        const x = logits(2 * million);
        const expected = Buffer.from(softmax(x, { shape: [-1, 1024], threads: 1 }).buffer);
        for (let i = 0; i < 5; i++) {
          const [now, later] = [softmax(x, { shape: [-1, 1024] }), await promises().softmax(x, { shape: [-1, 1024] })];
          expectThat(expected.equals(Buffer.from(now.buffer)), 'synchronous calls of workers do not mix');
          expectThat(expected.equals(Buffer.from(later.buffer)), 'nor do promises');
        }
        parentPort.postMessage('scored');
        await once(parentPort, 'message');
        process.exit();
      \`;
      const workers = Array.from({ length: 6 }, () => startWorker(code));
      const threads = () => existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : 0;
      const all = (event) => Promise.all(workers.map((worker) => once(worker, event)));
      const tell = () => { for (const worker of workers) worker.postMessage('go on'); };
      await all('message');
      const before = threads();
      tell();
      await all('message');
      expectThat(threads() - before <= sync().backend.threads, 'six workers share one pool');
      tell();
      await all('exit');
      checkDog();
      await promises().softmax(logits(million));
      console.log('done');
    `);
  });

  for (const [how, work] of [
    ['a synchronous call', 'for (;;) sync().softmax(x, { out: x, shape: [-1, 1000] });'],
    ['a synchronous call of one long row', 'for (;;) sync().softmax(x, { out: x });'],
    ['promises in place', 'for (;;) await Promise.all([1, 2, 3].map(() => promises().logSumExp(x)));'],
    [
      'promises over copies',
      'const own = x.slice(); for (;;) await Promise.all([1, 2, 3].map(() => promises().softmax(own, { out: own })));',
    ],
    [
      'promises that may be aborted',
      'for (;;) { const calls = [1, 2, 3].map(() => promises().softmax(x, { signal: AbortSignal.timeout(3) })); await Promise.allSettled(calls); }',
    ],
    [
      'prepared calls',
      `const calls = [1, 2, 3].map(() => sync().prepare('topK', { k: 5, shape: [1000, 1000] })); for (;;) { calls[0].run(); await Promise.all(calls.map((call) => call.runAsync())); }`,
    ],
  ]) {
    test(`are terminated in the middle of ${how}`, async () => {
      await expectDone(`
        checkDog(); // the addon stays, whatever the workers do
        for (let i = 0; i < 8; i++) {
          const worker = startWorker(\`
            const x = sharedLogits(1000 * 1000);
            parentPort.postMessage('scoring');
            ${work}
          \`);
          await once(worker, 'message');
          await sleep(i);
          const ours = promises().softmax(logits(300000));
          await worker.terminate();
          expectThat((await ours).length === 300000, 'calls of other threads go on');
          checkDog();
        }
        console.log('done');
      `);
    });
  }

  for (const [how, end] of [
    ['returns', ''],
    ['calls process.exit()', 'process.exit(0);'],
    ['throws', `throw new Error('meant to');`],
    ['is terminated', `parentPort.postMessage('now'); await sleep(60_000);`],
  ]) {
    test(`one alone has the addon and ${how}: it is unloaded, and loads again`, async () => {
      await expectDone(`
        const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes('simd_softmax');
        const isLinux = process.platform === 'linux';
        for (let i = 0; i < 3; i++) {
          const worker = startWorker(\`
            checkDog();
            sync().softmax(logits(million));
            const kept = sync().prepare('softmax', { shape: [100, 100] });
            parentPort.postMessage(sync().backend.kind);
            promises().softmax(logits(million)).catch(() => {});
            promises().logSoftmax(sharedLogits(4 * million));
            ${end}
          \`);
          worker.on('error', () => {});
          const exited = new Promise((resolve) => worker.on('exit', resolve));
          const [kind] = await once(worker, 'message');
          if (isLinux && kind === 'native' && i === 0) expectThat(isMapped(), 'the addon is in this process');
          if (${how === 'is terminated'}) worker.terminate();
          await exited;
          expectThat(!(isLinux && isMapped()), 'the addon leaves with its last worker');
        }
        checkDog();
        console.log('done');
      `);
    });
  }

  test('use the addon by turns, the pool stopping and starting', async () => {
    await expectDone(`
      const code = 'await promises().softmax(logits(million)); sync().softmax(logits(million));';
      for (let round = 0; round < 3; round++) {
        const workers = [1, 2, 3].map(() => startWorker(code));
        await Promise.all(workers.map((worker) => once(worker, 'exit')));
      }
      checkDog();
      console.log('done');
    `);
  });
});
