/**
 * Every operation beside softmax of the same rows, on one thread: `npm run bench:operations`. A cell is the time of the
 * operation over that of softmax, the median of rounds in which both take their turn; × marks what is above its limit.
 * `-- --backend avx2` measures another backend, `-- --write` writes bench/OPERATIONS.md and bench/operations.json,
 * `-- --write --to zen3` writes both to bench/zen3; `-- --type float64` measures doubles.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as library from '../dist/index.js';

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '21' },
    only: { type: 'string', default: '' },
    type: { type: 'string', default: 'float32' },
    write: { type: 'boolean', default: false },
    to: { type: 'string', default: '.' },
    here: { type: 'boolean', default: false },
  },
});

const Floats = options.type === 'float64' ? Float64Array : Float32Array;

const SHAPES = [
  [100_000, 2],
  [250_000, 4],
  [100_000, 10],
  [32_768, 32],
  [8192, 128],
  [1024, 1000],
  [8, 128_256],
];

/** What a case needs of one shape: made once, so that nothing but the call is measured. */
function memoryFor([rows, classes]) {
  const logits = new Floats(rows * classes);
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < logits.length; i++) logits[i] = (random() - 0.5) * 20;
  const each = (make) => Int32Array.from({ length: rows }, make);
  const mask = Uint8Array.from(logits, () => Number(random() < 0.8));
  const shared = mask.slice(0, classes).fill(1, 0, 1);
  const words = Math.ceil(classes / 32);
  const bitmask = new Int32Array(rows * words);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < classes; c++)
      if (mask[r * classes + c]) bitmask[r * words + (c >> 5)] |= 1 << (c & 31);
  const lengths = Uint32Array.from({ length: rows }, () => 1 + Math.floor(random() * classes));
  const offsets = Uint32Array.from({ length: rows + 1 }, (_, r) => r * classes);
  const halves = new Uint16Array(logits.length);
  const floats = new Uint32Array(Float32Array.from(logits).buffer);
  for (let i = 0; i < halves.length; i++) halves[i] = floats[i] >>> 16;
  return {
    rows,
    classes,
    x: logits,
    y: Floats.from(logits, (value) => value + random() - 0.5),
    halves,
    halfOut: new Uint16Array(logits.length),
    out: new Floats(logits.length),
    gradient: new Floats(logits.length),
    targets: each(() => Math.floor(random() * classes)),
    soft: Floats.from(logits, () => Number(random() < 0.3)),
    perRow: new Floats(rows),
    drawn: new Uint32Array(rows),
    mask,
    shared,
    bitmask,
    lengths,
    offsets,
    top: (k) => ({ probabilities: new Floats(rows * k), indices: new Uint32Array(rows * k) }),
  };
}

const { kind, isa } = library.backend;
/** Portable kernels, WebAssembly and js may take half as much again. */
const slack = kind === 'native' && isa !== 'portable' ? 1 : 1.5;
/** Of long rows: without AVX-512 a mask costs more. */
const masked = isa === 'avx512' ? 1.3 : 1.8 / slack;

const none = Array(7).fill(null);

/** Its name, its limits at each shape (null: none is stated), the call, and what it stands beside, if not softmax. */
const CASES = [
  ['topK 1', [1.6, 1.6, 1.4, 1.3, 1.3, 1.3, 1.1], topK(1)],
  ['topK 5', [2.2, 2.4, 2.2, 2.0, 1.6, 1.4, 1.2], topK(5)],
  ['topK 20', [null, null, 4, 4, 5, 3, 1.5], topK(20)],
  ['topK 5, log', none, topK(5, true)],
  [
    'crossEntropy, mean',
    [2.8, 2.4, 1.7, 1.4, 1.3, 1.3, 1.0],
    (m, o) => library.crossEntropy(m.x, m.targets, o),
  ],
  [
    'crossEntropy with gradient',
    [3.5, 3.2, 2.5, 2.2, 2.0, 2.0, 2.0],
    (m, o) => library.crossEntropy(m.x, m.targets, { ...o, gradient: m.gradient }),
  ],
  [
    'with gradient and weights',
    none,
    (m, o) => {
      m.weights ??= Float64Array.from({ length: m.classes }, (_, c) => 1 + (c % 7) / 4);
      return library.crossEntropy(m.x, m.targets, { ...o, weights: m.weights, gradient: m.gradient });
    },
  ],
  [
    'with gradient, labelSmoothing 0.1',
    none,
    (m, o) => library.crossEntropy(m.x, m.targets, { ...o, labelSmoothing: 0.1, gradient: m.gradient }),
  ],
  [
    'crossEntropy, labelSmoothing 0.1',
    none,
    (m, o) => library.crossEntropy(m.x, m.targets, { ...o, labelSmoothing: 0.1 }),
  ],
  [
    'crossEntropy of distributions',
    none,
    (m, o) => {
      m.shares ??= library.softmax(m.y, o);
      return library.crossEntropy(m.x, m.shares, o);
    },
  ],
  ['sample', [3.0, 2.6, 1.7, 1.7, 1.4, 1.4, 1.0], sample({})],
  [
    'sample, topK 40, topP 0.95, T 0.8',
    [4.0, 3.6, 3.0, 4.0, 6.0, 4.0, 1.5],
    sample({ topK: 40, topP: 0.95, temperature: 0.8 }),
  ],
  ['sample, topP 0.9', [4.0, 3.6, 3.0, 4.0, 6.0, 5.0, 4.0], sample({ topP: 0.9 })],
  ['sample, minP 0.05', [4.0, 3.6, 3.0, 4.0, 6.0, 5.0, 4.0], sample({ minP: 0.05 })],
  ['where, a mask each', [2.2, 2.8, 2.5, 2.0, 1.8, 1.7, 1.7], softmax((m) => ({ where: m.mask }))],
  ['where, one for all', [2.2, 2.8, 2.5, 2.0, 1.8, 1.7, 1.7], softmax((m) => ({ where: m.shared }))],
  ['bitmask', [null, null, null, null, masked, masked, masked], softmax((m) => ({ bitmask: m.bitmask }))],
  ['lengths', [2.0, 2.0, 2.0, 2.0, 2.0, 1.8, 1.3], softmax((m) => ({ lengths: m.lengths }))],
  [
    'offsets',
    [2.0, 2.0, 2.0, 2.0, 2.0, 1.8, 1.3],
    (m, { shape, ...o }) => library.softmax(m.x, { ...o, offsets: m.offsets, out: m.out }),
  ],
  [
    'logSoftmax',
    [2.2, 2.2, 1.8, 1.7, 1.5, 1.3, 1.1],
    (m, o) => library.logSoftmax(m.x, { ...o, out: m.out }),
  ],
  [
    'logSumExp',
    [2.2, 2.2, 1.5, 1.3, 1.3, 1.0, 1.0],
    (m, o) => library.logSumExp(m.x, { ...o, out: m.perRow }),
  ],
  ['topK 1, a mask each', none, (m, o) => topK(1)(m, { ...o, where: m.mask })],
  [
    'crossEntropy, a mask each',
    none,
    (m, o) => library.crossEntropy(m.x, m.targets, { ...o, where: m.mask, reduction: 'none', out: m.perRow }),
  ],
  ['sample, a mask each', none, (m, o) => sample({})(m, { ...o, where: m.mask })],
  ['topK 1, lengths', none, (m, o) => topK(1)(m, { ...o, lengths: m.lengths })],
  ['sample, lengths', none, (m, o) => sample({})(m, { ...o, lengths: m.lengths })],
  ['bfloat16 softmax', [2.0, 2.0, 2.0, 1.6, 1.4, 1.6, 1.6], half('bfloat16')],
  ['float16 softmax', [2.0, 2.0, 2.0, 1.6, 1.4, 1.6, 1.6], half('float16')],
  ['entropy', [2.8, 2.8, 2.8, 2.8, 1.4, 1.4, 1.4], (m, o) => library.entropy(m.x, { ...o, out: m.perRow })],
  [
    'logProb, a class each',
    [2.4, 2.4, 2.4, 2.4, 1.2, 1.2, 1.2],
    (m, o) => library.logProb(m.x, m.targets, { ...o, out: m.perRow }),
  ],
  [
    'klDivergence',
    [7, 7, 7, 7, 3.5, 3.5, 3.5],
    (m, o) => library.klDivergence(m.x, m.y, { ...o, out: m.perRow }),
  ],
  // 1.6 times what crossEntropy and topK 5 may take together, where that was promised.
  ['evaluate', [null, null, 6.2, null, null, 4.3, 3.5], (m, o) => library.evaluate(m.x, m.targets, o)],
  ['sigmoid', Array(7).fill(1.5), (m, o) => library.sigmoid(m.x, { ...o, out: m.out })],
  ['logSigmoid', Array(7).fill(2.2), (m, o) => library.logSigmoid(m.x, { ...o, out: m.out })],
  ['binaryCrossEntropy', Array(7).fill(3.3), (m, o) => library.binaryCrossEntropy(m.x, m.soft, o)],
  [
    'binaryCrossEntropy over logSigmoid',
    Array(7).fill(1.5),
    (m, o) => library.binaryCrossEntropy(m.x, m.soft, o),
    (m, o) => library.logSigmoid(m.x, { ...o, out: m.out }),
  ],
];

function topK(k, log = false) {
  return (m, o) => {
    const few = Math.min(k, m.classes);
    m.best ??= new Map();
    if (!m.best.has(few)) m.best.set(few, m.top(few));
    const { probabilities, indices } = m.best.get(few);
    const out = log ? { logProbabilities: probabilities, indices } : { probabilities, indices };
    return library.topK(m.x, few, { ...o, ...(log && { log }), out });
  };
}
function sample(how) {
  return (m, o) => library.sample(m.x, { ...o, ...how, seed: 7, out: m.drawn });
}
function softmax(how) {
  return (m, o) => library.softmax(m.x, { ...o, ...how(m), out: m.out });
}
function half(dtype) {
  return (m, o) => {
    m[dtype] ??= dtype === 'bfloat16' ? m.halves : float16(m.x);
    return library.softmax(m[dtype], { ...o, dtype, out: m.halfOut });
  };
}

/** Halves by rounding off; the logits are of ordinary size. */
function float16(x) {
  const bits = new Uint32Array(x.buffer);
  return Uint16Array.from(bits, (b) => {
    const exponent = ((b >>> 23) & 255) - 112;
    return ((b >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10) | ((b >>> 13) & 0x3ff));
  });
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

function measure(memory, solve, beside = (m, o) => library.softmax(m.x, { ...o, out: m.out })) {
  const call = { shape: [memory.rows, memory.classes], threads: 1 };
  const plain = () => beside(memory, call);
  const run = () => solve(memory, call);
  const timed = (f) => {
    const start = performance.now();
    f();
    return performance.now() - start;
  };
  run();
  plain();
  const ratios = [];
  const times = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const base = Math.min(timed(plain), timed(plain));
    const time = Math.min(timed(run), timed(run));
    ratios.push(time / base);
    times.push((time * 1e6) / memory.x.length);
  }
  return { ratio: median(ratios), ns: median(times) };
}

/** Measures the backend of this process, and prints a row of results after the other. */
function measureAll() {
  const memories = SHAPES.map(([rows, classes]) =>
    memoryFor([kind === 'js' ? Math.ceil(rows / 16) : rows, classes]),
  );
  for (const [name, limits, solve, beside] of CASES) {
    if (!name.includes(options.only) || (name.includes('float16') && options.type !== 'float32')) continue;
    const cells = memories.map((memory, i) => ({
      classes: memory.classes,
      limit: limits[i] === null ? null : limits[i] * slack,
      ...measure(memory, solve, beside),
    }));
    console.log(JSON.stringify({ isa, name, cells }));
  }
}

/** An ISA is forced for a whole process, so each has one of its own. */
async function measureEach() {
  const page = [];
  const results = [];
  const say = (line) => {
    page.push(line);
    console.log(line);
  };
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  say(
    `simd-softmax ${version} on ${cpus()[0].model}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}; ${options.type}, logits uniform in ±10, one thread. Each cell: the time over that of softmax of the same rows, and ns per logit. × is above the limit that we set ourselves.`,
  );
  for (const backend of options.backend ?? library.backend.supported) {
    say(`\n## ${backend}\n`);
    say(`| | ${SHAPES.map(([, classes]) => `×${classes}`).join(' | ')} |`);
    say(`|---|${SHAPES.map(() => '---').join('|')}|`);
    const env = { ...process.env, SIMD_SOFTMAX_BACKEND: backend };
    const child = spawn(process.execPath, [import.meta.filename, '--here', ...process.argv.slice(2)], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface(child.stdout)) {
      const result = JSON.parse(line);
      results.push(result);
      const cells = result.cells.map(
        ({ ratio, ns, limit }) =>
          `${ratio.toFixed(2)}${limit !== null && ratio > limit ? ' ×' : ''} (${ns.toFixed(2)})`,
      );
      say(`| ${result.name} | ${cells.join(' | ')} |`);
    }
    if (child.exitCode !== 0) process.exitCode = 1;
  }
  if (!options.write) return;
  const rows = SHAPES.map(([rows, classes]) => `${rows} × ${classes}`).join(', ');
  const title = `# Every operation beside softmax\n\nRows: ${rows} (js: a sixteenth of the rows).`;
  const how = '`npm run bench:operations -- --write` writes this page.';
  const folder = join(import.meta.dirname, options.to);
  const at = (name) => join(folder, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(at('OPERATIONS.md'), `${title} ${how}\n\n${page.join('\n')}\n`);
  writeFileSync(at('operations.json'), `${JSON.stringify(results)}\n`);
}

options.here ? measureAll() : await measureEach();
