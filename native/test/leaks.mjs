// `npm run test:leaks`: a million small calls, ten thousand promises, a thousand prepared calls, aborts, errors and workers. Each is
// done once to warm up and then twice more: what the second time adds to the process's memory must not come again.
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

const require = createRequire(import.meta.url);
const { backend, prepare, sample, softmax, topK } = require('../../dist/index.cjs');
const promises = require('../../dist/promises.cjs');

if (globalThis.gc === undefined) throw new Error('Run it by npm run test:leaks, with --expose-gc');
if (backend.kind !== 'native')
  console.warn(`NO ADDON, so only pure TypeScript is tested: ${backend.loadError}`);

/** What malloc, V8 and shared memory keep back varies by about this much. */
const slack = 3 * 2 ** 20;
const row = Float32Array.of(3.2, 1.3, 0.2, 0.8);
const out = new Float32Array(4);
const batch = new Float32Array(50_000).fill(1);

const jobs = {
  'a million small calls'() {
    for (let i = 0; i < 1e6; i++) softmax(row, { out });
  },
  'a hundred thousand calls that allocate'() {
    for (let i = 0; i < 1e5; i++) topK(softmax(row), 2);
    for (let i = 0; i < 1e5; i++) sample(row);
  },
  'a hundred thousand errors'() {
    for (let i = 0; i < 1e5; i++) {
      try {
        softmax(row, { shape: [3] });
      } catch {}
    }
  },
  async 'ten thousand promises'() {
    for (let i = 0; i < 100; i++)
      await Promise.all(Array.from({ length: 100 }, (_, j) => promises.softmax(j % 10 === 0 ? batch : row)));
  },
  async 'two thousand promises that are aborted, on one signal each hundred'() {
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const { signal } = controller;
      const calls = Array.from({ length: 100 }, () => promises.softmax(batch, { signal }));
      setImmediate(() => controller.abort());
      await Promise.allSettled(calls);
    }
  },
  async 'ten thousand promises on one signal'() {
    const { signal } = new AbortController();
    for (let i = 0; i < 100; i++)
      await Promise.all(Array.from({ length: 100 }, () => promises.softmax(row, { signal })));
  },
  async 'a thousand prepared calls'() {
    for (let i = 0; i < 1000; i++) {
      const call = prepare('softmax', { shape: [100, 100] });
      call.run();
      await call.runAsync();
      call[Symbol.dispose]();
    }
  },
  async 'twenty workers'() {
    const file = require.resolve('../../dist/index.cjs');
    const code = `require(${JSON.stringify(file)}).softmax(new Float32Array(300000));`;
    for (let i = 0; i < 20; i++)
      await new Promise((resolve) => new Worker(code, { eval: true }).on('exit', resolve));
  },
};

async function settled() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage.rss();
}

for (const [name, job] of Object.entries(jobs)) {
  await job();
  const marks = [await settled()];
  for (let i = 0; i < 2; i++) {
    await job();
    marks.push(await settled());
  }
  const [first, second] = [marks[1] - marks[0], marks[2] - marks[1]];
  const text = `${name}: ${mebibytes(first)}, then ${mebibytes(second)} more`;
  if (Math.min(first, second) <= slack) console.log(text);
  else {
    console.error(`*** LEAK: ${text}`);
    process.exitCode = 1;
  }
}

function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
