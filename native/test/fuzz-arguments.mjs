// `npm run fuzz` runs this for every backend: minutes of arguments that make no sense, or nearly make some, at the public
// functions (which must return, or throw what they promise) and at the addon's own exports, whose checks protect memory;
// and of calls in order, with every option, over numbers of every kind, whose results must be those of the js backend.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const sync = require('../../dist/index.cjs');
const promises = require('../../dist/promises.cjs');
// The one that the package has loaded (lib/backends/native/load.ts).
const loaded = sync.backend.supported && require('node:module')[Symbol.for('simd-softmax: loaded addons')];
const addon = [...(loaded?.values() ?? [])][0];

const minutes = Number(process.argv[2] ?? 10);
const seed = Number(process.env.SIMD_SOFTMAX_TEST_SEED ?? Date.now() % 1e9);
let state = seed;
const isJs = sync.backend.isa === 'js';

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
    'bitmask',
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
    bitmask: () => new Uint32Array(rows * Math.ceil(classes / 32)).map(() => below(2 ** 32)),
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
    cover(name, []);
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

const places = Object.fromEntries((addon?.call?.numbers ?? []).map((name, place) => [name, place]));

/** Sizes, flags and handles as lib/backends/native/header.ts might write them, which have nothing to do with the arrays. */
function writeHeader(header) {
  header.fill(0);
  const write = (numbers) => {
    for (const [name, value] of Object.entries(numbers)) header[places[name]] = value;
  };
  const [outer, length, inner] = [below(12), below(12), below(12)];
  write({
    kernels: isJs ? below(4) : addon.isas.indexOf(sync.backend.isa),
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
    bitmaskShared: below(2),
    logNormalizerShared: below(2),
    summed: below(2),
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
  const name = oneOf([
    'solve',
    'solve',
    'solve',
    'solveScratch',
    'prepare',
    'release',
    'cancel',
    'submit',
    'lists',
  ]);
  try {
    if (name === 'submit') await submitted(operands);
    else if (name === 'lists') lookThrough(operand);
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

/** Lists of integers, which may be anything else. */
function lookThrough(operand) {
  const number = () =>
    below(3) ? below(20) - 5 : oneOf([2 ** 31, -(2 ** 31), 2 ** 60, NaN, Infinity, anything()]);
  const integers = () => {
    const Kind = oneOf([Int32Array, Uint32Array, BigInt64Array]);
    const make = Kind === BigInt64Array ? BigInt : Number;
    return below(3) ? Kind.from(list(below(300), () => make(below(20)))) : operand();
  };
  const which = below(3);
  if (which === 0) addon.countClasses(integers(), number(), number(), operand(), operand());
  else if (which === 1)
    addon.weighClasses(integers(), number(), operand(), below(2) ? new Float64Array(below(100)) : operand());
  if (which < 2) return;
  const rows = below(50);
  const right = (one, other = operand) => (below(8) ? one : other());
  const share = () => (below(9) ? below(100) / 99 : oneOf([NaN, Infinity, -1, 2, 1e300]));
  addon.tally(
    ...[below(6), 1 + below(9), rows, below(4)].map((one) => right(one, number)),
    ...[Int32Array, Uint32Array, Uint32Array].map((Kind) => right(Kind.from(list(rows, () => below(5))))),
    ...list(4, () => right(Float64Array.from(list(rows, share)))),
    ...[20, 20, 6, 2].map((length) => right(new Float64Array(length))),
    right(new Uint32Array(16)),
  );
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

// Calls in order.

const arrays = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, bfloat16: Uint16Array };
const special = [NaN, Infinity, -Infinity, 0, -0, 1e-45, 5e-324, 3e38, -3e38, 1.7e308, -1.7e308, 1e20, -1e30];

/** Logits of one kind or of several, or random bits. */
function numbers(type, count) {
  const values = new arrays[type](count);
  const kind = below(4);
  if (kind === 0) {
    const bytes = new Uint8Array(values.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = below(256);
    return values;
  }
  const isHalf = type === 'float16' || type === 'bfloat16';
  const rare = kind === 1 ? 3 : kind === 2 ? 200 : 1e9;
  for (let i = 0; i < count; i++) {
    if (isHalf)
      values[i] = below(rare) === 0 ? below(65536) : (type === 'float16' ? 0x3c00 : 0x3f00) + below(1200);
    else values[i] = below(rare) === 0 ? oneOf(special) : (below(2 ** 24) / 2 ** 24) * 20 - 10;
  }
  return values;
}

/** A call of an operation with options that go together: its arguments, and its results by name. */
function inOrder() {
  const op = oneOf(functions);
  const type = oneOf(['float32', 'float32', 'float64', 'float16', 'bfloat16']);
  const isHalf = type === 'float16' || type === 'bfloat16';
  const classes = oneOf([1, 2, 3, 4, 8, 10, 16, 33, 70, 200, 1 + below(5000)]);
  const rows = oneOf([1, 1, 2, 5, 17, 40]);
  const isRagged = below(5) === 0;
  const isAcross = !isRagged && below(4) === 0;
  const count = rows * classes;
  const x = numbers(type, count);
  const maybe = (make, chance = 4) => (below(chance) === 0 ? make() : undefined);
  const offsets = [0, ...list(rows - 1, () => below(count + 1)).sort((a, b) => a - b), count];
  const lengthOf = (row) => (isRagged ? offsets[row + 1] - offsets[row] : classes);
  const longest = Math.max(...list(rows, () => 0).map((_, row) => lengthOf(row)));
  const options = {
    ...(isRagged
      ? { offsets }
      : { shape: isAcross ? [classes, rows] : [rows, classes], axis: isAcross ? 0 : -1 }),
    dtype: isHalf || below(3) === 0 ? type : undefined,
    temperature: maybe(() => oneOf([0.5, 2, 1e-3, 5e-324, 1e-300, 1e300, list(rows, () => 1 + below(3))]), 2),
    where: maybe(() =>
      Uint8Array.from({ length: isRagged || below(2) ? count : classes }, () => Number(below(5) > 0)),
    ),
    bitmask: isRagged
      ? undefined
      : maybe(() => {
          const words = Math.ceil(classes / 32) * (below(2) ? rows : 1);
          return Uint32Array.from({ length: words }, () => below(2 ** 32));
        }),
    lengths: isRagged ? undefined : maybe(() => list(rows, () => below(classes + 1))),
    threads: maybe(() => 1 + below(3)),
    backend: maybe(() => (isJs ? 'js' : oneOf(['native', 'auto']))),
  };
  if (isAcross && options.where?.length === classes) options.where = undefined;
  const outs = {};
  const own = {
    softmax() {
      options.outType = isHalf ? maybe(() => oneOf([type, 'float32'])) : maybe(() => type);
      options.logNormalizer = maybe(() => oneOf([3, 700, list(rows, () => below(40))]));
      if (below(4) === 0) outs.out = new arrays[options.outType ?? type](count);
      return [];
    },
    logSoftmax() {
      options.outType = maybe(() => type);
      if (below(4) === 0) outs.out = new arrays[type](count);
      return [];
    },
    logSumExp() {
      if (below(4) === 0) outs.out = new arrays[isHalf ? 'float32' : type](rows);
      return [];
    },
    topK() {
      options.logNormalizer = maybe(() => 3, 8);
      options.outType = maybe(() => type, 8);
      return [1 + below(below(2) ? Math.min(classes, longest, 8) || 1 : isRagged ? longest + 3 : classes)];
    },
    classify() {
      options.labels = list(longest, String);
      options.k = maybe(() => 1 + below(isRagged ? longest + 2 : classes));
      return [];
    },
    sample() {
      if (below(8) === 0) options.temperature = 0;
      options.seed = below(1e9);
      options.count = maybe(() => 1 + below(9));
      options.topK = maybe(() => below(classes + 2));
      options.topP = maybe(() => oneOf([0.5, 0.9, 1e-9, 1]));
      options.minP = maybe(() => oneOf([0, 0.05, 1]));
      const draws = rows * (options.count ?? 1);
      if (below(3) === 0) outs.logProbabilities = new (oneOf([Float32Array, Float64Array]))(draws);
      if (below(4) === 0) outs.out = new Uint32Array(draws);
      return [];
    },
    crossEntropy() {
      options.ignoreIndex = maybe(() => oneOf([-1, 0, 3]));
      options.reduction = oneOf(['none', 'sum', 'mean', undefined]);
      options.labelSmoothing = maybe(() => below(100) / 100);
      options.weights = maybe(() => Float64Array.from({ length: longest }, () => below(9) / 4));
      if (below(2)) outs.gradient = new arrays[type](count);
      if (options.reduction === 'none' && below(3) === 0)
        outs.out = new arrays[isHalf ? 'float32' : type](rows);
      // Shares, some of them none: of targets that are no numbers, backends need not make the same.
      if (below(3) === 0)
        return [numbers(type, count).map(() => (isHalf ? below(0x3c00) : below(3) / (1 + below(9))))];
      const ignored = options.ignoreIndex ?? -100;
      return [
        Int32Array.from({ length: rows }, (_, row) =>
          lengthOf(row) === 0 || below(9) === 0 ? ignored : below(lengthOf(row)),
        ),
      ];
    },
  };
  const more = own[op]();
  for (const name in options) if (options[name] === undefined) delete options[name];
  return { op, type, x, more, options, outs };
}

function flat(result) {
  if (typeof result === 'number') return [[result]];
  if (ArrayBuffer.isView(result)) return [result];
  if (Array.isArray(result)) {
    const labels = result.flat();
    return [labels.map(({ label }) => Number(label)), labels.map(({ score }) => score)];
  }
  return [result.probabilities, result.indices];
}

/**
 * Where two backends' results differ by more than a few last places, or where terms cancel, than a part of the largest;
 * -1 where they agree.
 */
function difference(a, b, type, isLoose) {
  const isBits = a instanceof Uint16Array;
  const close = type === 'float64' ? 1e-13 : 2e-6;
  const tiny = type === 'float64' ? 1e-300 : 1e-37;
  const isNaN16 = (bits) => (bits & 0x7fff) > (type === 'float16' ? 0x7c00 : 0x7f80);
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [a[i], b[i]];
    if (Object.is(one, other) || one === other) continue;
    if (isBits) {
      if (isNaN16(one) && isNaN16(other)) continue;
      if (!isNaN16(one) && !isNaN16(other) && (isLoose || Math.abs(one - other) <= 1)) continue;
      return i;
    }
    const error = Math.abs(one - other);
    if (error <= close * Math.max(Math.abs(one), Math.abs(other)) + tiny) continue;
    if (isLoose && !Number.isNaN(one) && !Number.isNaN(other)) continue;
    return i;
  }
  return -1;
}

const precision = (result) => (result instanceof Float64Array ? 'float64' : 'float32');

function callInOrder() {
  const { op, type, x, more, options, outs } = inOrder();
  const fresh = () => Object.fromEntries(Object.entries(outs).map(([name, array]) => [name, array.slice()]));
  const solve = (given) => {
    const own = fresh();
    const result = sync[op](x.slice(), ...more, { ...given, ...own });
    return [
      ...flat(result),
      ...Object.entries(own)
        .filter(([name]) => name !== 'out')
        .map(([, array]) => array),
    ];
  };
  let results;
  let expected;
  try {
    results = solve(options);
    if (!isJs) expected = solve({ ...options, backend: 'js' });
  } catch (error) {
    console.error(`seed ${seed}, call ${calls}: ${op} refused a call in order:`, error, {
      type,
      more,
      options,
    });
    process.exit(1);
  }
  cover(op, [...Object.keys(options), ...Object.keys(outs)]);
  if (isJs) return;
  results.forEach((result, i) => {
    // Losses of large logits and gradients cancel; so may logSumExp.
    const isLoose = op === 'crossEntropy' || op === 'logSumExp' || (op === 'sample' && i > 0);
    const own = result instanceof Uint16Array || !ArrayBuffer.isView(result) ? type : precision(result);
    const at = difference(result, expected[i], own, isLoose);
    if (at < 0) return;
    console.error(
      `seed ${seed}, call ${calls}: ${op} on ${sync.backend.isa} is not what js gives, result ${i} at ${at}:`,
    );
    console.error(result[at], expected[i][at], { type, options, more: more.length });
    process.exit(1);
  });
}

// What was covered: by operation, how many calls returned with each option.
const covered = {};
function cover(op, options) {
  covered[op] ??= { calls: 0 };
  covered[op].calls++;
  for (const name of options) covered[op][name] = (covered[op][name] ?? 0) + 1;
}

const end = Date.now() + minutes * 60_000;
let calls = 0;
for (; Date.now() < end; calls++) {
  const which = below(6);
  if (which < 2) callInOrder();
  else if (which < 5 || isJs) await callPublic();
  else await callAddon();
  if (calls % 5000 === 0) globalThis.gc?.();
  if (calls % 200 === 0) await new Promise(setImmediate);
}
console.log(
  `${sync.backend.isa}: ${calls} calls (seed ${seed}), and none crashed, threw what it should not or differed from js`,
);
process.send?.({ calls, covered });
process.disconnect?.();
