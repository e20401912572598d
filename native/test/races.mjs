// `npm run test:races [minutes]`: every operation, on every ISA, while other threads write random bits into the logits,
// masks, lengths, offsets, targets, weights and outputs that it works on. Results are of no interest: whatever is
// written, no memory may be touched but the call's own, so the process must live (or AddressSanitizer be silent: `npm
// run test:races:asan`).
//
// The public functions copy lists of integers from shared memory before they check them. So the addon is called as well:
// a prepared call is checked once, and its lists are overwritten afterwards.
import { createRequire } from 'node:module';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const elements = 1 << 19;
const mostRows = 4096;
/** Elements and bytes of an element of every array that is written. */
const arrays = {
  x: [elements, 8],
  out: [elements, 8],
  where: [elements, 1],
  lengths: [mostRows, 4],
  offsets: [mostRows + 1, 4],
  temperatures: [mostRows, 8],
  bitmask: [elements, 4],
  normalizer: [mostRows, 8],
  indices: [elements, 4],
  logProbabilities: [elements, 8],
  targets: [mostRows, 4],
  classes: [elements, 4],
  probabilities: [elements, 8],
  weights: [elements, 8],
  gradient: [elements, 8],
};
/** Of `control`: set where the writers are to rest; how many do; set at the end; elements in use. */
const [rest, resting, ended, used] = [0, 1, 2, 3];

if (isMainThread) await main();
else write(workerData);

function generator(seed) {
  let state = seed;
  /** An integer in [0, n): mulberry32 by Tommy Ettinger. */
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** Writes until the end: random bits, or one pattern everywhere, or two in turn. */
function write({ memory, control, seed }) {
  const below = generator(seed);
  const words = Object.values(memory).map((buffer) => new Uint32Array(buffer));
  // Large and small logits, NaN, infinities, indices in and out of range, of either width.
  const patterns = [
    0, 1, 0xffffffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x40a00000, 0xc2c80000, 0xfffffff0, 0x3ff00000,
  ];
  const names = Object.keys(memory);
  while (Atomics.load(control, ended) === 0) {
    if (Atomics.load(control, rest) === 1) {
      Atomics.add(control, resting, 1);
      Atomics.wait(control, rest, 1);
      Atomics.sub(control, resting, 1);
      continue;
    }
    const at = below(words.length);
    const all = words[at];
    // Mostly where the call under way looks.
    const inUse = Math.max(1, Math.ceil((Atomics.load(control, used) * arrays[names[at]][1]) / 8));
    const most = below(4) === 0 ? all.length : Math.min(all.length, inUse);
    const from = below(most);
    const to = Math.min(all.length, from + 1 + below(below(3) === 0 ? most : 512));
    switch (below(3)) {
      case 0:
        for (let i = from; i < to; i++) all[i] = below(2 ** 32);
        break;
      case 1:
        all.fill(patterns[below(patterns.length)], from, to);
        break;
      default:
        for (let i = from; i < to; i++) all[i] = patterns[below(patterns.length)];
    }
  }
}

async function main() {
  const require = createRequire(import.meta.url);
  const sync = require('../../dist/index.cjs');
  const promises = require('../../dist/promises.cjs');
  sync.softmax([1]);
  // The one that the package has loaded (lib/backends/native/load.ts).
  const [addon] = require('node:module')[Symbol.for('simd-softmax: loaded addons')].values();
  const minutes = Number(process.argv[2] ?? 5);
  const seed = Number(process.env.SIMD_SOFTMAX_TEST_SEED ?? Date.now() % 1e9);
  console.log(`seed ${seed} (SIMD_SOFTMAX_TEST_SEED)`);
  const below = generator(seed);
  const oneOf = (list) => list[below(list.length)];

  const memory = {};
  for (const name in arrays) memory[name] = new SharedArrayBuffer(arrays[name][0] * arrays[name][1]);
  const control = new Int32Array(new SharedArrayBuffer(16));
  const writers = [1, 2].map(
    (n) => new Worker(new URL(import.meta.url), { workerData: { memory, control, seed: seed + n } }),
  );

  const pause = () => {
    Atomics.store(control, rest, 1);
    while (Atomics.load(control, resting) < writers.length);
  };
  const resume = (count) => {
    Atomics.store(control, used, count);
    Atomics.store(control, rest, 0);
    Atomics.notify(control, rest);
  };
  await Promise.all(writers.map((writer) => new Promise((resolve) => writer.once('online', resolve))));

  const covered = new Map();
  const cover = (name) => covered.set(name, (covered.get(name) ?? 0) + 1);
  const { operations } = addon.call;
  const ops = ['softmax', 'logSoftmax', 'logSumExp', 'topK', 'sample', 'crossEntropy'];
  /** The addon's own; binaryCrossEntropy, whose arrays are those of crossEntropy, goes by the public functions' tests. */
  const known = operations.map((_, op) => op).filter((op) => operations[op].name !== 'binaryCrossEntropy');
  const reductions = ['logSumExp', 'entropy', 'klDivergence', 'logProb'];
  const types = ['float32', 'float64', 'float16', 'bfloat16'];
  const kinds = [Float32Array, Float64Array, Uint16Array, Uint16Array];
  const shapes = () => {
    const [length, outer, inner] = oneOf([
      [4, 1 + below(mostRows), 1],
      [1 + below(20), 1 + below(100), 1 + below(8)],
      [1 + below(200), 1 + below(60), 1],
      [1 + below(3000), 1 + below(20), 1],
      [1 + below(3000), 1 + below(3), 1 + below(20)],
      [1 + below(elements), 1, 1],
      [20000, 1 + below(20), 1],
      [20000, 20, 1],
    ]);
    return { length, outer, inner };
  };

  /** The addon's own prepared calls: on every ISA, with lists that were in order when they were checked. */
  function callAddon() {
    const { header } = addon.memory;
    const { length, outer, inner } = shapes();
    const [op, type] = [oneOf(known), below(types.length)];
    const { name } = operations[op];
    const Kind = kinds[type];
    const isHalf = type > 1;
    const outType = reductions.includes(name) ? (type === 1 ? 1 : 0) : isHalf && below(2) ? 0 : type;
    const rows = outer * inner;
    const kernels = below(addon.isas.length);
    const count = length * rows;
    pause();
    const isRagged = inner === 1 && below(3) === 0;
    const offsets = new Uint32Array(memory.offsets, 0, outer + 1);
    for (let r = 0; r <= outer; r++) offsets[r] = r * length;
    const lengths = new Uint32Array(memory.lengths, 0, rows).map(() => below(length + 1));
    new Uint32Array(memory.lengths, 0, rows).set(lengths);
    const targets = new Int32Array(memory.targets, 0, rows);
    for (let r = 0; r < rows; r++) targets[r] = below(length);
    const k = below(2) ? 1 + below(length) : 1 + below(Math.min(length, 600));
    const draws = name === 'slope' ? 3 : below(3) ? 1 : 1 + below(20);
    const keepsLogs = below(2) === 0;
    const isShared = !isRagged && below(2) === 0;
    const isClass = below(2) === 0;
    const perRow = {
      topK: k,
      logProb: k,
      sample: draws,
      slope: 3,
      softmax: 0,
      logSoftmax: 0,
      sigmoid: 0,
      logSigmoid: 0,
    };
    const results = perRow[name] === 0 ? count : rows * (perRow[name] ?? 1);
    if (results > elements) return resume(0);
    header.fill(0);
    const write = (numbers) => {
      for (const [number, value] of Object.entries(numbers))
        header[addon.call.numbers.indexOf(number)] = value;
    };
    write({
      kernels,
      op,
      type,
      outType,
      outer,
      length,
      inner,
      elements: count,
      whereShared: isShared ? 1 : 0,
    });
    write({ temperature: oneOf([1, 1, 0.5, 1e-300, name === 'sample' ? 0 : 1e300]), threads: 1 + below(2) });
    write({ k, count: draws, keepTop: below(2) ? 0 : below(length + 1), topP: oneOf([1, 0.9, 0.5]) });
    write({ minPDepth: oneOf([Infinity, 2]), logProbabilitiesType: keepsLogs ? 1 : 0 });
    write({
      bins: 15,
      historyCount: 50,
      repetitionPenalty: 1.2,
      frequencyPenalty: 0.1,
      presencePenalty: 0.1,
    });
    write({ ignoreIndex: oneOf([-100, 0]), labelSmoothing: oneOf([0, 0.1]), gradientScale: 1 });
    const isDouble = ['crossEntropy', 'judge', 'slope'].includes(name);
    const Result = name === 'sample' ? Uint32Array : isDouble ? Float64Array : kinds[outType];
    const none = undefined;
    const own = {
      logNormalizer: below(3) === 0 ? new Float64Array(memory.normalizer, 0, rows) : none,
      other: new Kind(memory.probabilities, 0, count),
      classes: new Int32Array(memory.classes, 0, name === 'logProb' ? results : 0),
      ranks: name === 'logProb' && below(2) ? new Uint32Array(memory.indices, 0, results) : none,
      confidences: new Float64Array(memory.normalizer, 0, rows),
      brierScores: new Float64Array(memory.weights, 0, rows),
      entropies: new Float64Array(memory.logProbabilities, 0, rows),
      likeliest: new Uint32Array(memory.indices, 0, rows),
      targetRanks: new Uint32Array(memory.gradient, 0, rows),
      settings: below(3) === 0 ? new Float64Array(memory.weights, 0, rows * 10) : none,
      history: below(3) === 0 ? new Uint32Array(memory.classes, 0, 50) : none,
      indices: name === 'topK' ? new Uint32Array(memory.indices, 0, results) : none,
      logProbabilities:
        name === 'sample' && below(2)
          ? new (keepsLogs ? Float64Array : Float32Array)(memory.logProbabilities, 0, results)
          : none,
      targets: isClass || name === 'judge' || name === 'slope' ? targets : none,
      targetProbabilities: isClass ? none : new Kind(memory.probabilities, 0, count),
      weights: below(2) ? new Float64Array(memory.weights, 0, length) : none,
      gradient: below(2) ? new Kind(memory.gradient, 0, count) : none,
    };
    const operands = [
      new Kind(memory.x, 0, count),
      new Result(memory.out, 0, results),
      below(2) ? new Uint8Array(memory.where, 0, isShared ? length : count) : none,
      !isRagged && below(2) ? new Uint32Array(memory.lengths, 0, rows) : none,
      isRagged ? offsets : none,
      below(4) === 0 ? new Float64Array(memory.temperatures, 0, rows) : none,
      !isRagged && below(3) === 0 ? new Uint32Array(memory.bitmask, 0, rows * Math.ceil(length / 32)) : none,
      ...operations[op].arrays.map((array) => own[array]),
    ];
    const handle = addon.prepare(...operands);
    resume(count);
    const until = Date.now() + 1 + below(20);
    do {
      write({ handle });
      addon.solvePrepared();
      cover(`${addon.isas[kernels]} ${name}`);
    } while (Date.now() < until);
    addon.release();
  }

  /** The public functions, at once and promised, with all that they leave in shared memory. */
  async function callPublic(isAsync) {
    const { length, outer, inner } = shapes();
    const op = oneOf(ops);
    const type = below(types.length);
    const count = length * outer * inner;
    const rows = outer * inner;
    const x = new kinds[type](memory.x, 0, count);
    const dtype = type > 1 ? { dtype: types[type] } : {};
    const where = below(2) ? { where: new Uint8Array(memory.where, 0, count) } : {};
    const backend = below(4) === 0 ? 'js' : 'auto';
    const options = { shape: [outer, length, inner], axis: 1, backend, ...dtype, ...where };
    const k = 1 + below(length);
    const functions = isAsync ? promises : sync;
    resume(count);
    const signal = isAsync && below(4) === 0 ? AbortSignal.timeout(1 + below(5)) : undefined;
    const rest = signal === undefined ? options : { ...options, signal };
    const out = new kinds[type](memory.out, 0, count);
    const calls = {
      softmax: () => functions.softmax(x, { ...rest, out: below(2) ? out : x }),
      logSoftmax: () => functions.logSoftmax(x, { ...rest, out: below(2) ? out : x }),
      logSumExp: () => functions.logSumExp(x, rest),
      topK: () => {
        const probabilities = new kinds[type](memory.out, 0, rows * k);
        const indices = new Uint32Array(memory.indices, 0, rows * k);
        return functions.topK(x, k, { ...rest, out: { probabilities, indices } });
      },
      sample: () =>
        functions.sample(x, {
          ...rest,
          topK: below(length + 1),
          topP: oneOf([1, 0.9]),
          out: new Uint32Array(memory.out, 0, rows),
          logProbabilities: new Float64Array(memory.logProbabilities, 0, rows),
        }),
      crossEntropy: () => {
        const gradient = below(2) ? { gradient: new kinds[type](memory.gradient, 0, count) } : {};
        const weights = new Float64Array(memory.weights, 0, length);
        const targets = below(2)
          ? new Int32Array(memory.targets, 0, rows)
          : new kinds[type](memory.probabilities, 0, count);
        return functions.crossEntropy(x, targets, { ...rest, ...gradient, weights });
      },
    };
    const name = `${backend === 'js' ? 'js' : sync.backend.isa} ${op}${isAsync ? ' promised' : ''}`;
    try {
      await calls[op]();
      cover(name);
    } catch (error) {
      // Targets that are no classes are refused; calls are aborted.
      if (error.code === undefined && error.name !== 'TimeoutError') throw error;
    }
  }

  const end = Date.now() + minutes * 60_000;
  while (Date.now() < end) {
    const which = below(4);
    if (which < 2) callAddon();
    else await callPublic(which === 3);
  }
  Atomics.store(control, ended, 1);
  resume(0);
  await Promise.all(writers.map((writer) => writer.terminate()));
  for (const [name, calls] of [...covered].sort()) console.log(`${String(calls).padStart(8)} ${name}`);
  const calls = [...covered.values()].reduce((a, b) => a + b, 0);
  console.log(`${calls} calls while others wrote, and the process lives`);
  console.log('done');
}
