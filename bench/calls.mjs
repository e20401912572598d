/**
 * Lone calls: `npm run bench:calls`. Nanoseconds of one call in 500 that follow each other, the median of rounds in which all
 * take their turn, once warm; × marks what takes more of another call's time than its limit.
 * `-- --nodes path/to/node,…` measures on other Nodes too, in turn (`npm run test:runtimes` fetches four; `all` names them);
 * `-- --write` writes bench/CALLS.md.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { backend, classify, crossEntropy, prepare, sample, softmax, topK } from '../dist/index.js';

const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: process.execPath },
    rounds: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
    measure: { type: 'boolean', default: false },
  },
});

const logits = Float32Array.of(3.2, 1.3, 0.2, 0.8);
const list = [3.2, 1.3, 0.2, 0.8];
const labels = ['dog', 'cat', 'horse', 'cheetah'];
const out = new Float32Array(4);
const long = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * 12.9898) * 10);
const prepared = prepare('softmax', { shape: [4] });
prepared.input.set(logits);
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
  ['softmax, prepared', () => prepared.run()],
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
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

/** The time of each case, in this process. */
function measure() {
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
  return Object.fromEntries([...times].map(([name, each]) => [name, median(each)]));
}

/** In processes of their own, in turn: for each Node its version, and the median time of each case. */
function measureNodes(nodes) {
  const runs = nodes.map(() => []);
  let isa;
  for (let round = 0; round < Number(options.rounds); round++) {
    nodes.forEach((node, i) => {
      const { status, stdout, stderr } = spawnSync(node, [import.meta.filename, '--measure'], {
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`${node}: ${stderr}`);
      runs[i].push(JSON.parse(stdout));
      isa = runs[i][0].isa;
    });
  }
  const columns = runs.map((each) => ({
    version: each[0].version,
    of: new Map(CASES.map(([name]) => [name, median(each.map(({ times }) => times[name]))])),
  }));
  return { isa, columns };
}

function nodesOf(given) {
  if (given !== 'all') return given.split(',');
  const folder = join(import.meta.dirname, '../test/runtimes/node_modules');
  const found = [20, 22, 24, 26].map((major) => join(folder, `node${major}/bin/node`)).filter(existsSync);
  if (found.length > 0) return found;
  console.error('*** NOTHING MEASURED: `npm run test:runtimes` fetches the Nodes ***');
  process.exit(1);
}

function cell(of, [name, , other, limit]) {
  const ns = of.get(name).toFixed(0);
  if (other === undefined) return ns;
  const ratio = of.get(name) / of.get(other);
  return `${ns} (${ratio.toFixed(1)}${ratio > limit ? ' ×' : ''})`;
}

if (options.measure) {
  console.log(JSON.stringify({ version: process.version.slice(1), isa: backend.isa, times: measure() }));
} else {
  const { isa, columns } = measureNodes(nodesOf(options.nodes));
  const page = `Nanoseconds of a call, one after the other. In parentheses, the multiple of the call that the last column names; × marks what is above its limit. ${cpus()[0].model}, ${isa}; medians of ${options.rounds} processes each, in turn.

| One row of four classes | ${columns.map(({ version }) => `Node ${version}`).join(' | ')} | Limit |
|---|${columns.map(() => '---|').join('')}---|
${CASES.map((one) => `| ${one[0]} | ${columns.map(({ of }) => cell(of, one)).join(' | ')} | ${one[2] ? `${one[3]} × ${one[2]}` : ''} |`).join('\n')}
`;
  console.log(page);
  if (options.write)
    writeFileSync(
      join(import.meta.dirname, 'CALLS.md'),
      `# Single calls\n\n\`npm run bench:calls -- --nodes all --write\` writes this page.\n\n${page}`,
    );
}
