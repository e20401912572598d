/** sample: class indices drawn from every row. */
import { checkClasses, most } from '../arguments/counts.js';
import { rangeError, typeError } from '../arguments/errors.js';
import { readInteger, readNumber } from '../arguments/options.js';
import type { Request } from '../arguments/rows.js';
import { isBuildingSnapshot } from '../backends/environment.js';
import { type SampleProblem, sample as sampleRows } from '../backends/js/sample.js';
import { op } from '../backends/problem.js';
import { declare } from './operation.js';

const flat = { kind: 'array', float16: false } as const;

const sampleOp = op<SampleProblem>({
  name: 'sample',
  numbers: ['count', 'keepTop', 'topP', 'minPReach', 'seedLow', 'seedHigh', 'logProbabilitiesType'],
  reads: [],
  writes: ['out', 'logProbabilities'],
  solve: sampleRows,
});

export const sample = declare<SampleProblem>()({
  name: 'sample',
  op: sampleOp,
  memory: ['out', 'logProbabilities'],
  zeroTemperature: true,
  takes: (reading) => ({
    count: reading.take('count', readDraws),
    topK: reading.take('topK', (value, name) => (value === undefined ? 0 : readInteger(value, name, 0))),
    topP: reading.take('topP', (value, name) =>
      value === undefined ? 1 : readNumber(value, name, 0, 1, true),
    ),
    minP: reading.take('minP', (value, name) => (value === undefined ? 0 : readNumber(value, name, 0, 1))),
    seed: reading.take('seed', readSeed),
  }),
  writes({ count }, { x, rows, options: { out, logProbabilities } }) {
    const extent = { dims: [rows.outer * rows.inner * count] };
    const form = x.form.kind === 'nested' ? x.form : flat;
    return [
      {
        array: 'out',
        name: 'out',
        type: 'uint32',
        extent,
        given: out,
        form,
        mayBeX: false,
        when: 'always',
      },
      {
        array: 'logProbabilities',
        name: 'logProbabilities',
        type: ['float32', 'float64'],
        extent,
        given: logProbabilities,
        form,
        mayBeX: false,
        when: 'asked',
      },
    ];
  },
  pose(problem, { count, topK, topP, minP, seed }, { rows }, [out, logProbabilities]) {
    problem.out = out?.memory as Uint32Array;
    problem.count = count;
    problem.keepTop = Math.min(topK, rows.length);
    problem.topP = topP;
    problem.minPReach = minP === 0 ? Infinity : 0 - rows.temperature * Math.log(minP);
    problem.seedLow = seed[0];
    problem.seedHigh = seed[1];
    problem.logProbabilities = logProbabilities?.memory as Float32Array | Float64Array | undefined;
    problem.logProbabilitiesType = logProbabilities?.memory instanceof Float64Array ? 'float64' : 'float32';
  },
  next(problem) {
    problem.seedLow = (problem.seedLow + 1) >>> 0;
    if (problem.seedLow === 0) problem.seedHigh = (problem.seedHigh + 1) >>> 0;
  },
});

/** How many classes to draw from each row. */
function readDraws(value: unknown, name: string, { rows }: Request): number {
  checkClasses(rows.length);
  return value === undefined ? 1 : readInteger(value, name, 1, most);
}

/** Random numbers of the system's that no key has used. Asking for two takes as long as asking for all of these. */
const random = new Uint32Array(512);
let unused = 0;

/** A key of the generator that nobody can foresee. */
export function randomKey(): readonly [number, number] {
  if (unused === 0) {
    globalThis.crypto.getRandomValues(random);
    unused = isBuildingSnapshot() ? 2 : random.length; // or every process that restores it would use the same
  }
  unused -= 2;
  return [random[unused], random[unused + 1]];
}

/** The key of the generator, low and high half; unpredictable where there is no seed. */
function readSeed(seed: unknown, name: string): readonly [number, number] {
  if (seed === undefined) return randomKey();
  if (typeof seed === 'bigint') {
    if (seed < 0n || seed >= 1n << 64n) throw rangeError('an integer from 0 to 2^64 - 1', name, seed);
    return [Number(seed & 0xffffffffn), Number(seed >> 32n)];
  }
  if (typeof seed !== 'number') throw typeError('a safe integer or bigint of at least 0', name, seed);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw rangeError('a safe integer or bigint of at least 0', name, seed);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}
