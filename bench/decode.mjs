/**
 * A decode step of 64 requests over a vocabulary of 128256: `npm run bench:decode`. `sample` with its temperature per row,
 * top-k 50 and top-p 0.95, then the same with bias and penalties, alternately on one thread; what bias and penalties cost is the
 * median of the rounds. `-- --write` writes bench/DECODE.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { backend, sample } from '../dist/index.js';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '41' }, write: { type: 'boolean', default: false } },
});

const ROWS = 64;
const CLASSES = 128256;
const LIMIT = 1.5;
const load = loadavg()[0].toFixed(1);

let state = 12345;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 0.5) / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());

/** Tokens from the most frequent one on: frequencies fall with the rank, and ranks lie anywhere in the vocabulary. */
const tokens = Uint32Array.from({ length: CLASSES }, (_, i) => i);
for (let i = CLASSES - 1; i > 0; i--) {
  const j = Math.floor(random() * (i + 1));
  [tokens[i], tokens[j]] = [tokens[j], tokens[i]];
}
const anyToken = () => Math.floor(random() * CLASSES);
const tokenOfText = () => tokens[Math.min(CLASSES - 1, Math.floor(CLASSES ** random()) - 1)];

const logits = new Float32Array(ROWS * CLASSES);
for (let r = 0; r < ROWS; r++) {
  for (let rank = 0; rank < CLASSES; rank++) {
    logits[r * CLASSES + tokens[rank]] = 2.2 * normal() - 0.6 * Math.log(rank + 1);
  }
}

const offsets = (count) => Uint32Array.from({ length: ROWS + 1 }, (_, i) => i * count);
const list = (count, token) => Int32Array.from({ length: ROWS * count }, token);
const filters = {
  shape: [ROWS, CLASSES],
  threads: 1,
  temperature: Float64Array.from({ length: ROWS }, () => 0.7 + 0.5 * random()),
  topK: 50,
  topP: 0.95,
  seed: 1,
};

const CASES = [
  { tokens: 'text', bias: 0, history: 500, prompt: 0 },
  { tokens: 'text', bias: 300, history: 500, prompt: 0 },
  { tokens: 'text', bias: 300, history: 1000, prompt: 1000 },
  { tokens: 'text', bias: 300, history: 2000, prompt: 2000 },
  { tokens: 'text', bias: 1000, history: 1000, prompt: 0 },
  { tokens: 'any', bias: 300, history: 300, prompt: 0 },
  { tokens: 'any', bias: 1000, history: 1000, prompt: 0 },
  { tokens: 'any', bias: 2000, history: 2000, prompt: 0 },
];

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const timeOf = (settings) => {
  const start = performance.now();
  sample(logits, settings);
  return performance.now() - start;
};

const rows = CASES.map((one) => {
  const drawn = one.tokens === 'text' ? tokenOfText : anyToken;
  const settings = { ...filters, repetitionPenalty: 1.1, frequencyPenalty: 0.1, presencePenalty: 0.1 };
  if (one.bias > 0) {
    const values = Float32Array.from({ length: ROWS * one.bias }, () => 10 * random() - 5);
    settings.bias = { classes: list(one.bias, anyToken), values, offsets: offsets(one.bias) };
  }
  settings.history = list(one.history, drawn);
  settings.historyOffsets = offsets(one.history);
  if (one.prompt > 0) {
    settings.prompt = list(one.prompt, drawn);
    settings.promptOffsets = offsets(one.prompt);
  }
  const bare = [];
  const adjusted = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    bare.push(timeOf(filters));
    adjusted.push(timeOf(settings));
  }
  const ratio = median(adjusted.map((time, i) => time / bare[i]));
  const mark = ratio > LIMIT ? ' ×' : '';
  const entries = one.bias + one.history + one.prompt;
  const each = ((median(adjusted) - median(bare)) * 1e6) / ROWS / entries;
  return `| ${one.tokens === 'text' ? 'as in text' : 'any'} | ${one.bias} | ${one.history} | ${one.prompt} | ${median(bare).toFixed(2)} | ${median(adjusted).toFixed(2)} | ${ratio.toFixed(2)}${mark} | ${each.toFixed(0)} |`;
});

const page = `# A decode step with bias and penalties

\`npm run bench:decode -- --write\` writes this page. ${cpus()[0].model}, Node ${process.version}, ${backend.isa}; ${new Date().toISOString().slice(0, 10)}; load of the machine at the start ${load} (two cores).

\`sample\` of ${ROWS} × ${CLASSES}, one thread, a temperature per row, topK 50, topP 0.95: first without, then with bias and the three penalties. The entries are those of each row. History and prompt have tokens as often as text has (by Zipf's law, some of which are the likeliest of the row), or any. × marks what takes more than ${LIMIT} times as long.

| Tokens | bias | history | prompt | without, ms | with, ms | times | ns per entry |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`;
console.log(page);
if (options.write) writeFileSync(join(import.meta.dirname, 'DECODE.md'), page);
