/**
 * Our functions compared with PyTorch and scikit-learn: `npm run bench:python`. Both sides are measured alternately, on one
 * thread each; one waits while the other runs. Each must give the right answer first. `-- --write` writes bench/PYTHON.md.
 * PYTHON names the interpreter; by default it is the first of python3 and /usr/bin/python3 that has both packages.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import {
  backend,
  crossEntropy,
  evaluate,
  logSigmoid,
  logSoftmax,
  logSumExp,
  sample,
  sigmoid,
  softmax,
  topK,
} from '../dist/index.js';
import { interpreterFor, interpreters } from './measure/interpreter.mjs';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, write: { type: 'boolean', default: false } },
});
const rounds = Number(options.rounds);

const python = interpreterFor('import torch, sklearn');
if (python === undefined) {
  console.error(
    `*** NOTHING MEASURED: no PyTorch and scikit-learn for ${interpreters.join(' or ')} (apt-get install python3-torch python3-sklearn, or pip install torch scikit-learn and PYTHON=…) ***`,
  );
  process.exit(1);
}

/** Uniform in ±10, and targets of which seven in ten are the likeliest class. */
function dataOf([rows, classes]) {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const x = Float32Array.from({ length: rows * classes }, () => (random() - 0.5) * 20);
  const targets = Int32Array.from({ length: rows }, (_, r) => {
    const row = x.subarray(r * classes, (r + 1) * classes);
    return random() < 0.3 ? Math.floor(random() * classes) : row.indexOf(Math.max(...blockwise(row)));
  });
  return { x, targets };
}

/** Its largest numbers by blocks: too many arguments overflow the stack. */
function* blockwise(row) {
  for (let i = 0; i < row.length; i += 10_000) yield Math.max(...row.subarray(i, i + 10_000));
}

const filters = { temperature: 0.8, topK: 50, topP: 0.95 };
const near = (a, b, tolerance, least = 1e-30) => Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), least);

/**
 * PyTorch's softmax is off by 20 ULP, that of 1.13 (Debian's) by 230 at 128256 classes, whose sums are of floats one by one;
 * and its logarithms near 0 by more: there the difference counts, up to `close`.
 */
function elementwise(operation, close = 1e-30) {
  return {
    prepare: ({ x, shape }) => ({ x, options: { shape, threads: 1, out: new Float32Array(x.length) } }),
    run: ({ x, options }) => operation(x, options),
    check: (own, theirs) => theirs.every((value, i) => near(own[i], value, 3e-5, close)),
  };
}

const sampling = {
  prepare: ({ x, shape }) => ({
    x,
    options: { shape, threads: 1, ...filters, seed: 1, out: new Uint32Array(shape[0]) },
  }),
  run({ x, options }) {
    options.offset = (options.offset ?? 0) + 1;
    return sample(x, options);
  },
  // Each of our draws is one of the classes that the filter left.
  check: (own, kept) => own.every((draw, row) => kept[row].includes(draw)),
};

const judging = {
  prepare: ({ x, targets, shape }) => ({ x, targets, options: { shape, threads: 1, confusion: false } }),
  run: ({ x, targets, options }) => evaluate(x, targets, options),
  check: ({ logLoss, accuracy, topKAccuracy }, [theirLoss, theirAccuracy, theirTop]) =>
    near(logLoss, theirLoss, 1e-6) &&
    near(accuracy, theirAccuracy, 1e-9) &&
    near(topKAccuracy, theirTop, 1e-4),
};

/** The same number of floats that a function gives for each row, or 1. */
const perRow = (operation) => ({
  ...elementwise(operation, 1),
  prepare: ({ x, shape }) => ({ x, options: { shape, threads: 1, out: new Float32Array(shape[0]) } }),
});

const best = (most) => ({
  prepare({ x, shape }) {
    const k = Math.min(most, shape[1]);
    const out = { probabilities: new Float32Array(shape[0] * k), indices: new Uint32Array(shape[0] * k) };
    return { x, k, options: { shape, threads: 1, out } };
  },
  run: ({ x, k, options }) => topK(x, k, options).indices,
  check: (own, theirs) => theirs.every((value, i) => own[i] === value),
});

const drawing = {
  prepare: ({ x, shape }) => ({
    x,
    options: { shape, threads: 1, seed: 1, out: new Uint32Array(shape[0]) },
  }),
  run: sampling.run,
  check: (own, theirs) => own.length >= theirs.length,
};

const loss = {
  prepare: ({ x, targets, shape }) => ({ x, targets, options: { shape, threads: 1 } }),
  run: ({ x, targets, options }) => [crossEntropy(x, targets, options)],
  check: ([own], [theirs]) => near(own, theirs, 1e-5),
};

const gradient = {
  prepare: ({ x, targets, shape }) => ({
    x,
    targets,
    options: { shape, threads: 1, gradient: new Float32Array(x.length) },
  }),
  run({ x, targets, options }) {
    crossEntropy(x, targets, options);
    return options.gradient;
  },
  check: (own, theirs) => theirs.every((value, i) => Math.abs(own[i] - value) < 1e-6),
};

/** Of every width: what, its name over there. */
const OPERATIONS = [
  ['softmax', 'softmax', elementwise(softmax)],
  ['logSoftmax', 'logSoftmax', elementwise(logSoftmax, 1)],
  ['logSumExp', 'logSumExp', perRow(logSumExp)],
  ['topK 1', 'top1', best(1)],
  ['topK 5', 'top5', best(5)],
  ['sample', 'sample', drawing],
  ['crossEntropy', 'crossEntropy', loss],
  ['crossEntropy with its gradient', 'gradient', gradient],
];
const WIDTHS = [2, 4, 10, 32, 128, 1000, 128_256];
const shapeOf = (width) => [Math.round(2 ** 20 / width), width];

/** What, who, its name over there, the shape, and how many times faster it has to be. */
const CASES = [
  [
    'sample, T 0.8, topK 50, topP 0.95',
    'PyTorch: sort, filter, multinomial',
    'sorted',
    [64, 128_256],
    20,
    sampling,
  ],
  ['the same', 'PyTorch: topk, filter, multinomial', 'top', [64, 128_256], null, sampling],
  ...[
    [1024, 1000],
    [100_000, 10],
    [8, 128_256],
  ].flatMap((shape) => [
    ['sigmoid', 'PyTorch', 'sigmoid', shape, 1, elementwise(sigmoid)],
    ['logSigmoid', 'PyTorch', 'logSigmoid', shape, 1, elementwise(logSigmoid)],
  ]),
  ...[
    [100_000, 10],
    [8192, 1000],
    [64, 128_256],
  ].map((shape) => [
    'evaluate (all its metrics)',
    'scikit-learn: log_loss, accuracy_score, top_k_accuracy_score',
    'evaluate',
    shape,
    20,
    judging,
  ]),
];

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const least = (numbers) => Math.min(...numbers);
const times = (ratio) => ratio.toFixed(ratio < 10 ? 2 : 0);
const ms = (time) => (time < 10 ? time.toFixed(2) : time.toFixed(0));

const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-python-'));
const child = spawn(python, [join(import.meta.dirname, 'contenders/operations.py')], {
  env: { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
  stdio: ['pipe', 'pipe', 'inherit'],
});
const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
const ask = async (request) => {
  if (request) child.stdin.write(`${JSON.stringify(request)}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error(`${python} ended`);
  return JSON.parse(value);
};

/** Both sides in turn, once both gave the same answer. */
async function compare(name, theirName, shape, how) {
  const data = { ...dataOf(shape), shape };
  writeFileSync(join(folder, 'x'), data.x);
  writeFileSync(join(folder, 'targets'), data.targets);
  const { answer } = await ask({ do: 'prepare', name: theirName, shape, folder });
  const ready = how.prepare(data);
  if (!how.check(how.run(ready), answer)) throw new Error(`${name} of ${shape} and ${theirName} differ`);
  const own = [];
  const theirs = [];
  await ask({ do: 'time' });
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 ? [1, 0] : [0, 1]) {
      if (side === 1) {
        theirs.push((await ask({ do: 'time' })).ms);
        continue;
      }
      const start = performance.now();
      how.run(ready);
      own.push(performance.now() - start);
    }
  }
  return { own: least(own), theirs: least(theirs), ratio: median(own.map((time, i) => theirs[i] / time)) };
}

const page = [];
const say = (line) => {
  page.push(line);
  console.log(line);
};
try {
  const versions = Object.entries(await ask()).map((pair) => pair.join(' '));
  const load = loadavg()[0].toFixed(1);
  say(
    `${cpus()[0].model}, Node ${process.version}, ${backend.isa}; ${versions.join(', ')}; ${new Date().toISOString().slice(0, 10)}; load of the machine at the start ${load} (two cores). float32, logits uniform in ±10, one thread on each side. The two sides are measured alternately: the times are the least of ${rounds} rounds, the ratio is the median of the rounds. × marks a ratio below its limit.`,
  );
  say(
    '\n| Function | Compared with | Rows × classes | ours, ms | theirs, ms | times faster | limit |\n|---|---|---|---|---|---|---|',
  );
  for (const [name, who, theirName, shape, limit, how] of CASES) {
    const { own, theirs, ratio } = await compare(name, theirName, shape, how);
    const missed = limit !== null && ratio < limit ? ' ×' : '';
    say(
      `| ${name} | ${who} | ${shape.join(' × ')} | ${ms(own)} | ${ms(theirs)} | ${times(ratio)}${missed} | ${limit ?? ''} |`,
    );
  }
  say(
    `\n## Every width\n\nHow many times faster than PyTorch, a million logits (at least eight rows) in each. PyTorch's topk gives logits, ours probabilities.\n\n| Function | ${WIDTHS.map((width) => `${width} classes`).join(' | ')} |\n|---|${WIDTHS.map(() => '---|').join('')}`,
  );
  for (const [name, theirName, how] of OPERATIONS) {
    const cells = [];
    for (const width of WIDTHS) {
      const { ratio } = await compare(name, theirName, shapeOf(width), how);
      cells.push(`${times(ratio)}${ratio < 1 ? ' ×' : ''}`);
    }
    say(`| ${name} | ${cells.join(' | ')} |`);
  }
  if (options.write) {
    const title = '# Compared with PyTorch and scikit-learn';
    const how =
      '`npm run bench:python -- --write` writes this page; the environment variable PYTHON names the interpreter. scikit-learn takes probabilities: they are ready, and the time of that softmax is not counted.';
    writeFileSync(join(import.meta.dirname, 'PYTHON.md'), `${title}\n\n${how}\n\n${page.join('\n')}\n`);
  }
} finally {
  child.stdin.end();
  if (child.exitCode === null) await once(child, 'close');
  rmSync(folder, { recursive: true, force: true });
}
