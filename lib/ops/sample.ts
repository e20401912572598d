/** Plans sample: class indices drawn from every row. */
import { checkClasses, most } from '../arguments/counts.js';
import { rangeError, typeError } from '../arguments/errors.js';
import { readInteger, readNumber, readOptions } from '../arguments/options.js';
import { refuseOverlap, takeIndices, viewToWrite } from '../arguments/outputs.js';
import { arrangeAgain, readRows } from '../arguments/rows.js';
import { isBuildingSnapshot } from '../backends/backend.js';
import type { SampleProblem } from '../backends/problem.js';
import type { Plan } from './plan.js';

export function planSample(input: unknown, given: unknown): Plan<unknown> {
  const options = readOptions(given, 'sample');
  const { x, layout, rows, backend } = readRows(input, options, true);
  checkClasses(rows.length);
  const count = options.count === undefined ? 1 : readInteger(options.count, 'count', 1, most);
  const topK = options.topK === undefined ? 0 : readInteger(options.topK, 'topK', 0);
  const topP = options.topP === undefined ? 1 : readNumber(options.topP, 'topP', 0, 1, true);
  const minP = options.minP === undefined ? 0 : readNumber(options.minP, 'minP', 0, 1);
  const seed = readSeed(options.seed);
  const draws = rows.outer * rows.inner * count;
  const form = x.form.kind === 'nested' ? x.form : ({ kind: 'array', float16: false } as const);
  const output = takeIndices(options.out, 'out', [draws], form);
  const logProbabilities = readLogProbabilities(options.logProbabilities, draws);
  const { where, lengths, offsets } = rows;
  const inputs = { x: x.data, where, lengths, offsets };
  refuseOverlap(output.given, 'out', inputs);
  if (logProbabilities) refuseOverlap(logProbabilities, 'logProbabilities', { ...inputs, out: output.given });
  const problem: SampleProblem = Object.assign(rows, {
    op: 'sample' as const,
    out: output.data,
    count,
    keepTop: Math.min(topK, rows.length),
    topP,
    minPReach: minP === 0 ? Infinity : 0 - rows.temperature * Math.log(minP),
    seedLow: seed[0],
    seedHigh: seed[1],
    logProbabilities,
    logProbabilitiesType:
      logProbabilities instanceof Float64Array ? ('float64' as const) : ('float32' as const),
  });
  const arrange = arrangeAgain(problem, x, layout);
  let key = seed;
  const again = () => {
    arrange?.();
    Object.assign(problem, { seedLow: key[0], seedHigh: key[1] });
    key = after(key);
    return problem;
  };
  return { backend, problem, again, finish: output.result };
}

/** Random numbers of the system's that no key has used. Asking for two takes as long as asking for all of these. */
const random = new Uint32Array(512);
let unused = 0;

function randomKey(): readonly [number, number] {
  if (unused === 0) {
    globalThis.crypto.getRandomValues(random);
    unused = isBuildingSnapshot() ? 2 : random.length; // or every process that restores it would use the same
  }
  unused -= 2;
  return [random[unused], random[unused + 1]];
}

/** The key of the generator, low and high half; unpredictable where there is no seed. */
function readSeed(seed: unknown): readonly [number, number] {
  if (seed === undefined) return randomKey();
  if (typeof seed === 'bigint') {
    if (seed < 0n || seed >= 1n << 64n) throw rangeError('an integer from 0 to 2^64 - 1', 'seed', seed);
    return [Number(seed & 0xffffffffn), Number(seed >> 32n)];
  }
  if (typeof seed !== 'number') throw typeError('a safe integer or bigint of at least 0', 'seed', seed);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw rangeError('a safe integer or bigint of at least 0', 'seed', seed);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** The seed of a prepared call's next run: one more. */
function after([low, high]: readonly [number, number]): readonly [number, number] {
  return low < 0xffffffff ? [low + 1, high] : [0, (high + 1) >>> 0];
}

function readLogProbabilities(value: unknown, draws: number): Float32Array | Float64Array | undefined {
  if (value === undefined) return undefined;
  return viewToWrite(value, ['Float32Array', 'Float64Array'], draws, 'logProbabilities');
}
