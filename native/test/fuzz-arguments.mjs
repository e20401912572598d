// `npm run fuzz` runs this: minutes of arguments that make no sense, or nearly make some, at the public functions (which
// must return, or throw what they promise) and at the addon's own exports, whose checks protect memory.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const sync = require('../../dist/index.cjs');
const promises = require('../../dist/promises.cjs');
const addon = require('../../build/Release/simd_softmax.node');

const minutes = Number(process.argv[2] ?? 10);
const seed = Number(process.env.SIMD_SOFTMAX_TEST_SEED ?? Date.now() % 1e9);
let state = seed;

/** Mulberry32 by Tommy Ettinger. */
function below(n) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
}
const oneOf = (list) => list[below(list.length)];
const list = (length, make) => Array.from({ length }, make);

const kinds = [
  Float32Array,
  Float64Array,
  Uint16Array,
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
];
const oddNumbers = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  4,
  0.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e308,
  5e-324,
];
const number = () => (below(3) === 0 ? oneOf(oddNumbers) : below(20));

function typedArray(length = below(oneOf([1, 8, 40, 300]))) {
  const Kind = below(2) ? oneOf([Float32Array, Float64Array, Uint16Array]) : oneOf(kinds);
  const bytes = length * Kind.BYTES_PER_ELEMENT;
  const skip = below(3) * Kind.BYTES_PER_ELEMENT;
  const Memory = below(3) === 0 ? SharedArrayBuffer : ArrayBuffer;
  const buffer =
    below(4) === 0
      ? new Memory(bytes + skip, { maxByteLength: bytes + skip + 64 })
      : new Memory(bytes + skip);
  const view = below(2) ? new Kind(buffer, skip) : new Kind(buffer, skip, length);
  const whole = new Uint8Array(buffer);
  if (below(2)) for (let i = 0; i < whole.length; i++) whole[i] = below(256);
  spoil(buffer);
  return view;
}

/** Now and then takes memory away, or adds some. */
function spoil(buffer) {
  if (buffer.byteLength === 0) return;
  const chance = below(12);
  if (chance === 0 && buffer instanceof ArrayBuffer) structuredClone(buffer, { transfer: [buffer] });
  else if (chance === 1 && buffer.resizable) buffer.resize(below(buffer.maxByteLength));
  else if (chance === 2 && buffer.growable) buffer.grow(buffer.maxByteLength);
}

const words = [
  'float32',
  'float16',
  'bfloat16',
  'auto',
  'native',
  'js',
  'mean',
  'none',
  'sum',
  '',
  'x',
  'softmax',
  'topK',
];
const garbage = [
  () => undefined,
  () => null,
  () => below(2) === 0,
  number,
  () => oneOf(words),
  () => BigInt(below(9)),
  () => Symbol('of no use'),
  () => () => 1,
  () => ({}),
  () => new Proxy({}, {}),
  () => new Proxy([1, 2], {}),
  () => Object.create(Float32Array.prototype),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(below(64)),
  () => list(below(6), number),
  () => list(below(4), () => list(below(4), number)),
  () => list(5, number).flatMap((one, i) => (i < 4 ? one : new Array(3))), // with holes
  () => list(below(4), anything),
  () => typedArray(),
  () => ({ data: anything(), dims: anything() }),
  () => ({ data: typedArray(), shape: list(below(4), number) }),
  () => new Date(NaN),
  () => new AbortController().signal,
];
function anything() {
  return oneOf(garbage)();
}

const names = [
  ...[
    'shape',
    'axis',
    'temperature',
    'where',
    'lengths',
    'offsets',
    'out',
    'threads',
    'backend',
    'dtype',
    'outType',
  ],
  ...[
    'logNormalizer',
    'topK',
    'topP',
    'minP',
    'seed',
    'count',
    'logProbabilities',
    'reduction',
    'ignoreIndex',
  ],
  ...['labelSmoothing', 'weights', 'gradient', 'labels', 'k', 'signal', 'nonsense'],
];

/** Options that may well fit `x`, some of them spoilt; now and then one that takes memory away when it is read. */
function optionsFor(x) {
  const length = ArrayBuffer.isView(x) ? (x.length ?? 0) : below(9);
  const classes = oneOf([1, 2, 3, 4, 8, length]) || 1;
  const rows = Math.floor(length / classes);
  const fitting = {
    shape: () => [rows, classes],
    axis: () => below(3) - 1,
    temperature: () => oneOf([1, 0.5, 3e-300, 1e300]),
    where: () => new Uint8Array(oneOf([length, classes])).fill(below(2)),
    lengths: () => list(rows, () => below(classes + 1)),
    offsets: () => [0, ...list(below(4), () => below(length + 1)).sort((a, b) => a - b), length],
    out: () => (below(2) ? x : typedArray(length)),
    threads: () => below(9),
    dtype: () => oneOf(['float16', 'bfloat16', 'float32']),
    logNormalizer: () => (below(2) ? 1 : list(rows, number)),
    topK: () => below(classes + 2),
    gradient: () => (below(2) ? x : typedArray(length)),
    k: () => below(classes + 1),
    labels: () => list(classes, String),
  };
  const options = {};
  for (const name of new Set(list(below(5), () => oneOf(names)))) {
    const make = below(3) && fitting[name] ? fitting[name] : anything;
    if (below(12) > 0) options[name] = make();
    else
      Object.defineProperty(options, name, {
        enumerable: true,
        get() {
          if (ArrayBuffer.isView(x)) spoil(x.buffer);
          return make();
        },
      });
  }
  return below(3) ? { shape: below(4) ? fitting.shape() : anything(), ...options } : options;
}

const functions = ['softmax', 'logSoftmax', 'logSumExp', 'topK', 'classify', 'sample', 'crossEntropy'];

/** What may be thrown: the errors of this package, and what a getter, a proxy or a signal of the caller's throws. */
function judge(error, call) {
  const isBinding = error?.code === 'ERR_OUT_OF_BOUNDS';
  const isOurs =
    typeof error?.code === 'string' &&
    error.code.startsWith('ERR_') &&
    /^Expected .* for .* but received /s.test(error.message);
  // Among them the binding's, where a getter took the memory away that was checked before it. A result that no memory
  // holds is the runtime's own error.
  if (isOurs || isBinding || /allocation failed|Invalid (typed )?array (buffer )?length/.test(error?.message))
    return;
  console.error(`seed ${seed}: ${call} threw what it does not promise:`, error);
  process.exit(1);
}

async function callPublic() {
  const x = below(3) ? typedArray() : anything();
  const options = below(8) ? optionsFor(x) : anything();
  const name = oneOf(functions);
  const more = {
    topK: () => [below(2) ? below(5) : anything()],
    crossEntropy: () => [below(2) ? list(below(20), () => below(4)) : anything()],
  };
  const args = [x, ...(more[name]?.() ?? []), options].slice(0, below(9) ? 3 : below(3));
  try {
    sync[name](...args);
  } catch (error) {
    judge(error, name);
  }
  if (below(4) === 0) {
    const call = promises[name](...args).catch((error) => judge(error, `promises.${name}`));
    if (ArrayBuffer.isView(x)) spoil(x.buffer);
    await call;
  }
  if (below(4) === 0) {
    try {
      const prepared = sync.prepare(below(8) ? oneOf(functions) : anything(), {
        shape: below(3) ? [below(9), below(9)] : anything(),
        k: below(4),
        ...(typeof options === 'object' ? options : {}),
      });
      prepared.run();
      prepared[Symbol.dispose]();
    } catch (error) {
      judge(error, 'prepare');
    }
  }
}

const places = Object.fromEntries(addon.call.numbers.map((name, place) => [name, place]));

/** Sizes, flags and handles as lib/backends/native/header.ts might write them, which have nothing to do with the arrays. */
function writeHeader(header) {
  header.fill(0);
  const write = (numbers) => {
    for (const [name, value] of Object.entries(numbers)) header[places[name]] = value;
  };
  const [outer, length, inner] = [below(12), below(12), below(12)];
  write({
    kernels: below(4),
    op: oneOf([0, 1, 2, 3, 5, 99]),
    type: below(4),
    outType: below(4),
    outer,
    length,
    inner,
    elements: below(2) ? outer * length * inner : below(300),
    temperature: 1,
    threads: below(5),
    whereShared: below(2),
    logNormalizerShared: below(2),
    k: below(length + 1),
    ignoreIndex: -100,
    gradientScale: 1,
    handle: below(50),
  });
}

async function callAddon() {
  const { header } = addon.memory;
  const operand = () => (below(3) ? typedArray() : below(4) ? undefined : anything());
  writeHeader(header);
  const operands = list(below(14), operand);
  const name = oneOf(['solve', 'solve', 'solve', 'solveScratch', 'prepare', 'release', 'cancel', 'submit']);
  try {
    if (name === 'submit') await submitted(operands);
    else if (name === 'prepare') {
      // Prepared calls are for shared memory that stays, as lib/prepare.ts makes it.
      const kept = operands.map((one) => (ArrayBuffer.isView(one) && !isFixed(one) ? undefined : one));
      header[places.handle] = addon.prepare(...kept);
      addon.solvePrepared();
      addon.release();
    } else addon[name](...operands);
  } catch (error) {
    if (error.code !== 'ERR_OUT_OF_BOUNDS') {
      console.error(`seed ${seed}: ${name} of the addon threw`, error);
      process.exit(1);
    }
  }
}

/** Asynchronous calls are for shared memory. */
function submitted(operands) {
  const shared = operands.map((one) => (ArrayBuffer.isView(one) && !isFixed(one) ? undefined : one));
  return new Promise((resolve) => {
    addon.submit(resolve, ...shared);
  });
}

function isFixed(view) {
  return view.buffer instanceof SharedArrayBuffer;
}

const end = Date.now() + minutes * 60_000;
let calls = 0;
for (; Date.now() < end; calls++) {
  await (below(3) ? callPublic() : callAddon());
  if (calls % 5000 === 0) globalThis.gc?.();
  if (calls % 200 === 0) await new Promise(setImmediate);
}
console.log(`${calls} calls (seed ${seed}), and none crashed or threw what it should not`);
