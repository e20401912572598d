/**
 * Ragged rows beside equal rows with as many logits: `npm run bench:ragged`. Rows of 1 to 20 and of 1 to 2000 classes, one
 * thread; a cell is the median of rounds in which both take their turn. `-- --write` writes bench/RAGGED.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as library from '../dist/index.js';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '21' }, write: { type: 'boolean', default: false } },
});
const LIMIT = 2;
const load = loadavg()[0].toFixed(1);

let state = 12345;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const uniform = (length, width) => Float32Array.from({ length }, () => (random() - 0.5) * width);
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

const filters = { topK: 40, topP: 0.95, temperature: 0.8 };
const CASES = {
  softmax: (m, o) => library.softmax(m.x, { ...o, out: m.out }),
  logSoftmax: (m, o) => library.logSoftmax(m.x, { ...o, out: m.out }),
  logSumExp: (m, o) => library.logSumExp(m.x, { ...o, out: m.perRow }),
  'topK 1': (m, o) => library.topK(m.x, 1, { ...o, out: m.best[1] }),
  'topK 5': (m, o) => library.topK(m.x, 5, { ...o, out: m.best[5] }),
  crossEntropy: (m, o) => library.crossEntropy(m.x, m.targets, o),
  'crossEntropy with gradient': (m, o) => library.crossEntropy(m.x, m.targets, { ...o, gradient: m.out }),
  sample: (m, o) => library.sample(m.x, { ...o, seed: 1, out: m.drawn }),
  'sample, topK 40, topP 0.95, T 0.8': (m, o) =>
    library.sample(m.x, { ...o, ...filters, seed: 1, out: m.drawn }),
  entropy: (m, o) => library.entropy(m.x, { ...o, out: m.perRow }),
  logProb: (m, o) => library.logProb(m.x, m.targets, { ...o, out: m.perRow }),
  klDivergence: (m, o) => library.klDivergence(m.x, m.y, { ...o, out: m.perRow }),
};

/** Rows of these lengths, and what their results go to. */
function memoryFor(lengths, x, y) {
  const rows = lengths.length;
  const bestOf = (k) => ({ probabilities: new Float32Array(rows * k), indices: new Uint32Array(rows * k) });
  return {
    x,
    y,
    out: new Float32Array(x.length),
    perRow: new Float32Array(rows),
    drawn: new Uint32Array(rows),
    targets: Int32Array.from(lengths, (length) => Math.floor(random() * length)),
    best: { 1: bestOf(1), 5: bestOf(5) },
  };
}

function measure(solve, ragged, equal) {
  const timed = ([memory, rows]) => {
    const start = performance.now();
    solve(memory, rows);
    return ((performance.now() - start) * 1e6) / memory.x.length;
  };
  timed(ragged);
  timed(equal);
  const times = [];
  const ratios = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const base = timed(equal);
    times.push(timed(ragged));
    ratios.push(times[round] / base);
  }
  return { ratio: median(ratios), ns: median(times) };
}

const columns = [
  [100_000, 20],
  [1000, 2000],
].map(([rows, longest]) => {
  const lengths = Array.from({ length: rows }, () => 1 + Math.floor(random() * longest));
  const offsets = new Uint32Array(rows + 1);
  for (let r = 0; r < rows; r++) offsets[r + 1] = offsets[r] + lengths[r];
  const x = uniform(offsets[rows], 20);
  const y = Float32Array.from(x, (value) => value + random() - 0.5);
  const classes = longest / 2;
  const equalRows = Math.floor(x.length / classes);
  const some = (array) => array.subarray(0, equalRows * classes);
  const equal = memoryFor(Array(equalRows).fill(classes), some(x), some(y));
  return Object.values(CASES).map((solve) =>
    measure(
      solve,
      [memoryFor(lengths, x, y), { offsets, threads: 1 }],
      [equal, { shape: [equalRows, classes], threads: 1 }],
    ),
  );
});

const cell = ({ ratio, ns }) => `${ratio.toFixed(2)}${ratio > LIMIT ? ' ×' : ''} (${ns.toFixed(2)})`;
const lines = Object.keys(CASES).map(
  (name, i) => `| ${name} | ${columns.map((all) => cell(all[i])).join(' | ')} |`,
);
const page = `# Ragged rows beside equal ones

\`npm run bench:ragged -- --write\` writes this page. ${cpus()[0].model}, Node ${process.version}, ${library.backend.isa}; ${new Date().toISOString().slice(0, 10)}; load of the machine at the start ${load} (two cores).

Rows of mixed lengths (\`offsets\`) beside rows of 10 and of 1000 classes with as many logits; float32, one thread. Each cell: the time over that of equal rows, and ns per logit. × marks what takes more than twice as long.

| | 100000 rows of 1 to 20 | 1000 rows of 1 to 2000 |
|---|---|---|
${lines.join('\n')}
`;
console.log(page);
if (options.write) writeFileSync(join(import.meta.dirname, 'RAGGED.md'), page);
