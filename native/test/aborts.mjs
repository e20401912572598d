// `node native/test/aborts.mjs [classes]`: how long an abort takes to be honoured within one huge row, for every
// operation, in milliseconds, and in brackets how long the process computed from then on, which other processes do not
// change. A promise: 50.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { backend } = require('../../dist/index.cjs');
const promises = require('../../dist/promises.cjs');
const classes = Number(process.argv[2] ?? 1e8);
const shared = (Kind, count) => new Kind(new SharedArrayBuffer(count * Kind.BYTES_PER_ELEMENT));
const x = shared(Float32Array, classes);
for (let i = 0; i < classes; i++) x[i] = ((Math.imul(i, 0x9e3779b1) >>> 8) / 2 ** 24) * 20 - 10;
const where = shared(Uint8Array, classes).fill(1);
const targets = shared(Float32Array, classes).fill(1 / classes);
const gradient = shared(Float32Array, classes);
const out = shared(Float32Array, classes);
const half = Math.floor(classes / 2);

const calls = {
  softmax: (signal) => promises.softmax(x, { out, signal }),
  'softmax, masked': (signal) => promises.softmax(x, { out, where, signal }),
  'softmax, of a shard': (signal) => promises.softmax(x, { out, logNormalizer: 30, signal }),
  'softmax, along another axis': (signal) =>
    promises.softmax(x, { out, shape: [classes / 20, 20], axis: 0, signal }),
  logSoftmax: (signal) => promises.logSoftmax(x, { out, signal }),
  'logSoftmax, masked': (signal) => promises.logSoftmax(x, { out, where, signal }),
  logSumExp: (signal) => promises.logSumExp(x, { signal }),
  'logSumExp, masked': (signal) => promises.logSumExp(x, { where, signal }),
  'topK, k = 5': (signal) => promises.topK(x, 5, { signal }),
  'topK, k = half': (signal) => promises.topK(x, half, { signal }),
  'topK, k = all': (signal) => promises.topK(x, classes, { signal }),
  sample: (signal) => promises.sample(x, { seed: 1, signal }),
  'sample, a million draws': (signal) => promises.sample(x, { seed: 1, count: 1e6, signal }),
  'sample, topK 40, topP': (signal) => promises.sample(x, { seed: 1, topK: 40, topP: 0.95, signal }),
  'sample, topK half, topP': (signal) => promises.sample(x, { seed: 1, topK: half, topP: 0.95, signal }),
  crossEntropy: (signal) => promises.crossEntropy(x, [7], { gradient, signal }),
  'crossEntropy, distributions': (signal) => promises.crossEntropy(x, targets, { gradient, signal }),
};

console.log(`${backend.isa}, ${backend.threads} threads, one row of ${classes} classes`);
console.log('worst of the aborts after 20, 60, 150, 400 and 1000 ms, in ms; - where the call had ended');
let worst = [0, 0];
for (const [name, call] of Object.entries(calls)) {
  const times = [];
  for (const after of [20, 60, 150, 400, 1000]) {
    const controller = new AbortController();
    const promise = call(controller.signal).then(
      () => false,
      () => true,
    );
    await new Promise((resolve) => setTimeout(resolve, after));
    const [start, before] = [performance.now(), process.cpuUsage()];
    controller.abort();
    const wasAborted = await promise;
    const { user, system } = process.cpuUsage(before);
    times.push(wasAborted ? [performance.now() - start, (user + system) / 1000] : [-1, -1]);
  }
  for (const time of times) worst = worst.map((most, which) => Math.max(most, time[which]));
  console.log(`${name.padEnd(32)} ${times.map(shown).join('')}`);
}
console.log(`worst ${shown(worst)}`);

function shown([ms, computed]) {
  return (ms < 0 ? '-' : `${ms.toFixed(1)} (${computed.toFixed(1)})`).padStart(16);
}
