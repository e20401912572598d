/**
 * Files of gigabytes, end to end: `npm run bench:files` (`-- --gb 2 --rounds 3 --dir /tmp --write`).
 *
 * Every contender runs in a process of its own, in turn, on the same file and in the same state of the cache and of the
 * memory: right before, the input is copied and the copy removed, since a virtual machine writes three times as fast to
 * memory that was in use a moment ago. Every other round goes backwards. What counts is the time from the start of the
 * process to its end, and the most resident memory it had. `--write` puts the tables into bench/FILES.md.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    gb: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
  },
});
const here = fileURLToPath(new URL('.', import.meta.url));
const CLI = join(here, '..', 'dist', 'cli.js');
const CLASSES = 1000;
const ROWS = Math.round((Number(options.gb) * 1e9) / (4 * CLASSES));
const folder = mkdtempSync(join(options.dir, 'simd-softmax-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
const at = (name) => join(folder, name);

const { bavail, bsize } = statfsSync(folder);
if (bavail * bsize < 4 * ROWS * CLASSES * 4) {
  console.error(`Expected ${options.gb} GB times four on the disk of ${options.dir}; --dir names another.`);
  process.exit(1);
}

console.error(`Writing ${options.gb} GB of logits as .npy and as Arrow …`);
writeLogits(at('logits.npy'));
// The logarithms of probabilities are logits too.
run(process.execPath, [
  CLI,
  'score',
  at('logits.npy'),
  '--op',
  'log-softmax',
  '-o',
  at('logits.arrow'),
  '-q',
]);

// Nothing is left for the disk to write while the first contenders run.
run('sync', [at('logits.npy'), at('logits.arrow')]);

const PLAIN_JS = `
const fs = require('node:fs');
const [input, output] = process.argv.slice(1);
const from = fs.openSync(input), to = fs.openSync(output, 'w');
const head = Buffer.alloc(128);
fs.writeSync(to, head, 0, fs.readSync(from, head));
const x = new Float32Array(1000 * ${CLASSES}), bytes = new Uint8Array(x.buffer);
for (let size; (size = fs.readSync(from, bytes)) > 0; fs.writeSync(to, bytes, 0, size)) {
  for (let row = 0; row < size / 4; row += ${CLASSES}) {
    let max = -Infinity, sum = 0;
    for (let i = row; i < row + ${CLASSES}; i++) if (x[i] > max) max = x[i];
    for (let i = row; i < row + ${CLASSES}; i++) sum += x[i] = Math.exp(x[i] - max);
    for (let i = row; i < row + ${CLASSES}; i++) x[i] /= sum;
  }
}`;
const NUMPY = `
import sys, numpy as np
x = np.load(sys.argv[1])
x -= x.max(axis=1, keepdims=True)
np.exp(x, out=x)
x /= x.sum(axis=1, keepdims=True)
np.save(open(sys.argv[2], 'wb'), x)`;
const SCIPY = `
import sys, numpy as np, scipy.special
np.save(open(sys.argv[2], 'wb'), scipy.special.softmax(np.load(sys.argv[1]), axis=1))`;

const score = [process.execPath, CLI, 'score'];
const contenders = [
  {
    name: '`cat file > copy`',
    input: 'logits.npy',
    command: (i, o) => ['sh', '-c', 'cat "$0" > "$1"', i, o],
  },
  {
    name: '`cat file > copy && sync copy`',
    input: 'logits.npy',
    synced: true,
    command: (i, o) => ['sh', '-c', 'cat "$0" > "$1" && sync "$1"', i, o],
  },
  {
    name: '**simd-softmax score file -o - > copy**, .npy',
    input: 'logits.npy',
    command: (i, o) => ['sh', '-c', 'exec "$0" "$1" score "$2" -q -o - > "$3"', process.execPath, CLI, i, o],
  },
  {
    name: '**simd-softmax score file -o - > copy**, Arrow',
    input: 'logits.arrow',
    command: (i, o) => [
      ...['sh', '-c', 'exec "$0" "$1" score "$2" -q -o - > "$3"'],
      ...[process.execPath, CLI, i, `${o}.arrow`],
    ],
  },
  {
    name: '**simd-softmax score file -o copy**, .npy',
    input: 'logits.npy',
    synced: true,
    command: (i, o) => [...score, i, '-o', `${o}.npy`, '-q'],
  },
  {
    name: '**simd-softmax score file -o copy**, Arrow',
    input: 'logits.arrow',
    synced: true,
    command: (i, o) => [...score, i, '-o', `${o}.arrow`, '-q'],
  },
  {
    name: '**simd-softmax score --top-k 5**, .npy',
    input: 'logits.npy',
    synced: true,
    command: (i, o) => [...score, i, '-o', `${o}.npy`, '-q', '--top-k', '5'],
    partial: true,
  },
  {
    name: 'the softmax alone: **simd-softmax score**, nothing written',
    input: 'logits.npy',
    command: (i) => [...score, i, '-q'],
    partial: true,
  },
  {
    name: 'NumPy, float32, in place',
    input: 'logits.npy',
    command: (i, o) => ['python3', '-c', NUMPY, i, o],
    needs: 'numpy',
  },
  {
    name: 'NumPy with scipy.special.softmax',
    input: 'logits.npy',
    command: (i, o) => ['python3', '-c', SCIPY, i, o],
    needs: 'scipy.special',
  },
  {
    name: 'plain JavaScript, in blocks',
    input: 'logits.npy',
    command: (i, o) => [process.execPath, '-e', PLAIN_JS, i, o],
  },
].filter(({ name, needs }) => {
  const missing = needs && spawnSync('python3', ['-c', `import ${needs}`]).status !== 0;
  if (missing)
    console.error(`*** SKIPPED: ${name}: no ${needs} here (apt-get install python3-numpy python3-scipy) ***`);
  return !missing;
});

const results = new Map(contenders.map(({ name }) => [name, []]));
for (let round = 0; round < Number(options.rounds); round++) {
  for (const { name, input, command, partial } of round % 2 ? contenders.toReversed() : contenders) {
    run('sh', ['-c', 'cat "$0" > "$1" && rm "$1"', at(input), at('out')]);
    const result = await measure(command(at(input), at('out')));
    const output = ['out', 'out.npy', 'out.arrow']
      .map(at)
      .find((path) => statSync(path, { throwIfNoEntry: false }));
    if (!partial && !name.startsWith('`cat') && output.endsWith('.arrow') === false) check(output, name);
    for (const path of ['out', 'out.npy', 'out.arrow']) rmSync(at(path), { force: true });
    results.get(name).push(result);
    console.error(`${name}: ${result.seconds.toFixed(2)} s, ${Math.round(result.megabytes)} MB`);
  }
}

const best = (name) => Math.min(...results.get(name).map(({ seconds }) => seconds));
const size = statSync(at('logits.npy')).size;
const table = contenders.map(({ name, synced }) => {
  const copy = best(contenders[synced ? 1 : 0].name);
  const seconds = best(name);
  const megabytes = Math.max(...results.get(name).map((result) => result.megabytes));
  const cells = [
    seconds.toFixed(2),
    (size / seconds / 1e9).toFixed(2),
    synced ? 'yes' : 'no',
    `${Math.round((100 * copy) / seconds)} %`,
  ];
  return `| ${name} | ${cells.join(' | ')} | ${Math.round(megabytes)} |`;
});
const text = `# Files

${ROWS.toLocaleString('en')} rows of ${CLASSES} float32 logits, ${(size / 1e9).toFixed(2)} GB, to as many probabilities, from the start of the process to its end; the input in the page cache, and room for the output in memory that a copy has just left. The best of ${options.rounds} rounds, in which the contenders take turns; the most resident memory of any. \`score -o\` ends when its result is on the disk, and is compared with the copy that is waited for in the same way (what follows its first 256 MB goes past the page cache, the copy through it); all that ends when the system has taken the bytes, with \`cat\` alone.

| | seconds | GB/s | on the disk at the end | of the speed of the copy | MB resident |
|---|---|---|---|---|---|
${table.join('\n')}

${cpus()[0].model.trim()}, ${availableParallelism()} cores, Node ${process.version}, load average at the end ${loadavg()[0].toFixed(1)}. Measured by \`npm run bench:files -- --write\`.
`;
console.log(text);
if (options.write) {
  // The sections of the other scripts stay: see files-page.mjs.
  const [, ...sections] = readFileSync(join(here, 'FILES.md'), 'utf8').split(/(?=\n## )/);
  writeFileSync(join(here, 'FILES.md'), text + sections.join(''));
}

/** The seconds of a process, and the most memory it had. */
async function measure([command, ...args]) {
  const start = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  let kilobytes = 0;
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      kilobytes = Math.max(kilobytes, Number(status.match(/VmHWM:\s+(\d+)/)?.[1] ?? 0));
    } catch {
      // It has just ended, or this is no Linux.
    }
  }, 20);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return { seconds: (performance.now() - start) / 1000, megabytes: kilobytes / 1024 };
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
}

/** Rows that differ, with logits as a model has them. */
function writeLogits(path) {
  const file = openSync(path, 'w');
  const header = Buffer.alloc(128, ' ');
  header.write('\x93NUMPY\x01\x00v\x00', 'latin1');
  header.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${ROWS}, ${CLASSES}), }`, 10);
  header[127] = 10;
  writeSync(file, header);
  const block = Float32Array.from({ length: 997 * CLASSES }, (_, i) => 5 * Math.sin(i * i + 1));
  for (let row = 0; row < ROWS; row += 997) {
    writeSync(file, new Uint8Array(block.buffer, 0, Math.min(997, ROWS - row) * CLASSES * 4));
  }
  closeSync(file);
}

/** The first and the last row are right to five digits. */
function check(path, name) {
  const [input, output] = [at('logits.npy'), path].map((file) => openSync(file));
  const end = statSync(at('logits.npy')).size;
  if (statSync(path).size !== end) throw new Error(`${name} wrote ${statSync(path).size} bytes, not ${end}`);
  for (const position of [128, end - CLASSES * 4]) {
    const x = new Float32Array(CLASSES);
    const y = new Float32Array(CLASSES);
    readSync(input, new Uint8Array(x.buffer), 0, CLASSES * 4, position);
    readSync(output, new Uint8Array(y.buffer), 0, CLASSES * 4, position);
    const sum = x.reduce((total, value) => total + Math.exp(value), 0);
    const wrong = y.findIndex((value, i) => !(Math.abs(value - Math.exp(x[i]) / sum) < 1e-5 * value + 1e-12));
    if (wrong >= 0) throw new Error(`${name} is wrong at class ${wrong}: ${y[wrong]}`);
  }
  closeSync(input);
  closeSync(output);
}
