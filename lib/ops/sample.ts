/** sample: class indices drawn from every row. */
import { checkClasses, most } from '../arguments/counts.js';
import { readInteger, readNumber } from '../arguments/options.js';
import type { Request } from '../arguments/rows.js';
import { readSeeds, readSetting, type Seed, type Setting } from '../arguments/settings.js';
import { isBuildingSnapshot } from '../backends/environment.js';
import { type SampleProblem, sample as sampleRows } from '../backends/js/sample.js';
import { SETTINGS } from '../backends/js/settings.js';
import { op } from '../backends/problem.js';
import { declare } from './operation.js';

const flat = { kind: 'array', float16: false } as const;

/** What other libraries call these options, in lower case and without hyphens. */
const foreign: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'temperature, 0 for the likeliest class': ['dosample', 'greedy'],
    temperature: ['temp'],
    seed: ['randomstate', 'randomseed', 'generator', 'rng'],
    count: ['n', 'size', 'numsamples', 'numreturnsequences', 'bestof'],
    'count, for so many draws from the same row; for a sequence, call sample with offset 0, 1, 2, …': [
      'maxtokens',
      'maxnewtokens',
      'maxcompletiontokens',
      'maxlength',
      'npredict',
    ],
    logProbabilities: ['logprobs', 'returnlogprobs'],
  }).flatMap(([meant, names]) => names.map((name) => [name, meant] as const)),
);

const sampleOp = op<SampleProblem>({
  name: 'sample',
  numbers: [
    'count',
    'keepTop',
    'topP',
    'minPDepth',
    'seedLow',
    'seedHigh',
    'firstDraw',
    'logProbabilitiesType',
  ],
  reads: ['settings'],
  writes: ['out', 'logProbabilities'],
  solve: sampleRows,
});

export const sample = declare<SampleProblem>()({
  name: 'sample',
  op: sampleOp,
  memory: ['out', 'logProbabilities'],
  zeroTemperature: true,
  foreign,
  takes: (reading) => ({
    count: reading.take('count', readDraws),
    topK: reading.take('topK', (value, name, request) =>
      readSetting(value, name, request, 0, (entry, at) => readInteger(entry, at, -1)),
    ),
    topP: reading.take('topP', (value, name, request) =>
      readSetting(value, name, request, 1, (entry, at) => readNumber(entry, at, 0, 1)),
    ),
    minP: reading.take('minP', (value, name, request) =>
      readSetting(value, name, request, 0, (entry, at) => readNumber(entry, at, 0, 1)),
    ),
    seed: reading.take('seed', (value, name, request) =>
      value === undefined ? randomKey() : readSeeds(value, name, request),
    ),
    offset: reading.take('offset', (value, name, request) =>
      readSetting(value, name, request, 0, (entry, at) => readInteger(entry, at, 0, lastOffset)),
    ),
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
  pose(problem, taken, { rows }, [out, logProbabilities]) {
    problem.out = out?.memory as Uint32Array;
    problem.count = taken.count;
    problem.keepTop = keptBy(taken.topK.all, taken.topP.all);
    problem.topP = taken.topP.all || 1;
    problem.minPDepth = depthOf(taken.minP.all);
    problem.seedLow = taken.seed.low;
    problem.seedHigh = taken.seed.high;
    problem.firstDraw = taken.offset.all;
    problem.settings = settingsOf(taken, rows.outer * rows.inner);
    problem.logProbabilities = logProbabilities?.memory as Float32Array | Float64Array | undefined;
    problem.logProbabilitiesType = logProbabilities?.memory instanceof Float64Array ? 'float64' : 'float32';
  },
  next(problem) {
    const { count, settings } = problem;
    const later = (draw: number) => (draw + count) % (lastOffset + 1);
    problem.firstDraw = later(problem.firstDraw);
    if (settings === undefined) return;
    for (let at = SETTINGS.firstDraw; at < settings.length; at += SETTINGS.perRow)
      settings[at] = later(settings[at]);
  },
});

interface Taken {
  readonly topK: Setting;
  readonly topP: Setting;
  readonly minP: Setting;
  readonly seed: Seed;
  readonly offset: Setting;
}

/** The settings of each row, one row behind the other; undefined where all rows have the same. */
function settingsOf({ topK, topP, minP, seed, offset }: Taken, rows: number): Float64Array | undefined {
  if (!(topK.each || topP.each || minP.each || seed.each || offset.each)) return undefined;
  const settings = new Float64Array(rows * SETTINGS.perRow);
  for (let row = 0; row < rows; row++) {
    const at = row * SETTINGS.perRow;
    const share = topP.each?.[row] ?? topP.all;
    settings[at + SETTINGS.keepTop] = keptBy(topK.each?.[row] ?? topK.all, share);
    settings[at + SETTINGS.topP] = share || 1;
    settings[at + SETTINGS.minPDepth] = depthOf(minP.each?.[row] ?? minP.all);
    settings[at + SETTINGS.seedLow] = seed.each?.[2 * row] ?? seed.low;
    settings[at + SETTINGS.seedHigh] = seed.each?.[2 * row + 1] ?? seed.high;
    settings[at + SETTINGS.firstDraw] = offset.each?.[row] ?? offset.all;
    // A row with a seed of its own draws as the only one would, wherever it stands.
    settings[at + SETTINGS.row] = seed.each ? 0 : row;
  }
  return settings;
}

/** How many of the likeliest classes top-k leaves, 0 for all: a topP of 0 leaves the likeliest. */
function keptBy(topK: number, topP: number): number {
  return topP === 0 ? 1 : Math.max(topK, 0);
}

/** How far below the largest logit, at a temperature of 1, a class may be. */
function depthOf(minP: number): number {
  return minP === 0 ? Infinity : 0 - Math.log(minP);
}

/** So that every draw of a call has a number that float64 holds. */
const lastOffset = 2 ** 53 - 2 ** 32 - 1;

/** How many classes to draw from each row. */
function readDraws(value: unknown, name: string, { rows }: Request): number {
  checkClasses(rows.length);
  return value === undefined ? 1 : readInteger(value, name, 1, most);
}

/** Random numbers of the system's that no key has used. Asking for two takes as long as asking for all of these. */
const random = new Uint32Array(512);
let unused = 0;

/** A key of the generator that nobody can foresee. */
export function randomKey(): Seed {
  if (unused === 0) {
    globalThis.crypto.getRandomValues(random);
    unused = isBuildingSnapshot() ? 2 : random.length; // or every process that restores it would use the same
  }
  unused -= 2;
  return { low: random[unused], high: random[unused + 1], each: undefined };
}
