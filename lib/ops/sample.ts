/** sample: class indices drawn from every row. */
import { checkClasses, most } from '../arguments/counts.js';
import { readBias, readClassLists } from '../arguments/lists.js';
import { readInteger, readWord } from '../arguments/options.js';
import type { Request } from '../arguments/rowOptions.js';
import { ORDERS } from '../backends/js/filters.js';
import { type SampleProblem, sample as sampleRows } from '../backends/js/sample.js';
import { op } from '../backends/problem.js';
import { declare, type Write } from './operation.js';
import { addDraws, poseSettings, takeSettings } from './sampleSettings.js';

type Logs = Float32Array | Float64Array | undefined;

const flat = { kind: 'array', float16: false } as const;
const sequence =
  'count, for so many draws from the same row; for a sequence, call sample with offset 0, 1, 2, …';

/** What to suggest for what other libraries call these options, in lower case and without hyphens. */
const foreign: ReadonlyMap<string, string> = new Map([
  ...['dosample', 'greedy'].map((name) => [name, 'temperature, 0 for the likeliest class'] as const),
  ...['randomstate', 'randomseed', 'generator', 'rng'].map((name) => [name, 'seed'] as const),
  ...['n', 'size', 'numsamples', 'numreturnsequences', 'bestof'].map((name) => [name, 'count'] as const),
  ...['maxtokens', 'maxnewtokens', 'maxcompletiontokens', 'maxlength', 'npredict'].map(
    (name) => [name, sequence] as const,
  ),
  ...['logprobs', 'returnlogprobs'].map((name) => [name, 'logProbabilities'] as const),
  ...['inputids', 'prompttokenids'].map((name) => [name, 'prompt'] as const),
  ...['outputtokenids', 'lasttokens'].map((name) => [name, 'history'] as const),
  ['temp', 'temperature'],
  ['logitbias', 'bias'],
  ['penaltyrepeat', 'repetitionPenalty'],
  ['repeatpenalty', 'repetitionPenalty'],
  ['penaltyfreq', 'frequencyPenalty'],
  ['freqpenalty', 'frequencyPenalty'],
  ['penaltypresent', 'presencePenalty'],
]);

const sampleOp = /* @__PURE__ */ op<SampleProblem>({
  name: 'sample',
  numbers: [
    'count',
    'order',
    'keepTop',
    'topP',
    'minPDepth',
    'seedLow',
    'seedHigh',
    'firstDraw',
    'biasCount',
    'historyCount',
    'promptCount',
    'repetitionPenalty',
    'frequencyPenalty',
    'presencePenalty',
    'logProbabilitiesType',
    'rawType',
  ],
  reads: [
    'settings',
    'biasClasses',
    'biasValues',
    'biasStarts',
    'history',
    'historyStarts',
    'prompt',
    'promptStarts',
  ],
  writes: ['out', 'logProbabilities', 'rawLogProbabilities'],
  solve: sampleRows,
});

export const sample = /* @__PURE__ */ declare({
  name: 'sample',
  op: sampleOp,
  memory: ['out', 'logProbabilities', 'rawLogProbabilities'],
  zeroTemperature: true,
  foreign,
  takes: (reading) => ({
    count: reading.take('count', readDraws),
    order: reading.take('order', (value, name) =>
      ORDERS.indexOf(value === undefined ? 'transformers' : readWord(value, name, ORDERS)),
    ),
    settings: takeSettings(reading),
    bias: reading.take('bias', readBias),
    history: reading.take('history', (value, name, request, backend) =>
      readClassLists(value, name, request.options.historyOffsets, 'historyOffsets', request, backend),
    ),
    historyOffsets: reading.take('historyOffsets', readWithItsList),
    prompt: reading.take('prompt', (value, name, request, backend) =>
      readClassLists(value, name, request.options.promptOffsets, 'promptOffsets', request, backend),
    ),
    promptOffsets: reading.take('promptOffsets', readWithItsList),
  }),
  writes({ count }, { x, rows, options }) {
    const perDraw = (name: string, type: Write['type'], when: Write['when']): Write => ({
      array: name,
      name,
      type,
      extent: { dims: [rows.outer * rows.inner * count] },
      given: options[name],
      form: x.form.kind === 'nested' ? x.form : flat,
      mayBeX: false,
      when,
    });
    return [
      perDraw('out', 'uint32', 'always'),
      perDraw('logProbabilities', ['float32', 'float64'], 'asked'),
      perDraw('rawLogProbabilities', ['float32', 'float64'], 'asked'),
    ];
  },
  pose(problem, taken, { rows }, [out, logProbabilities, rawLogProbabilities]) {
    const { bias, history, prompt } = taken;
    problem.out = out?.memory as Uint32Array;
    problem.count = taken.count;
    problem.order = taken.order;
    poseSettings(problem, taken.settings, rows.outer * rows.inner);
    problem.biasClasses = bias?.classes;
    problem.biasValues = bias?.values;
    problem.biasStarts = bias?.starts;
    problem.biasCount = bias?.classes.length ?? 0;
    problem.history = history?.classes;
    problem.historyStarts = history?.starts;
    problem.historyCount = history?.classes.length ?? 0;
    problem.prompt = prompt?.classes;
    problem.promptStarts = prompt?.starts;
    problem.promptCount = prompt?.classes.length ?? 0;
    problem.logProbabilities = logProbabilities?.memory as Logs;
    problem.logProbabilitiesType = typeOf(problem.logProbabilities);
    problem.rawLogProbabilities = rawLogProbabilities?.memory as Logs;
    problem.rawType = typeOf(problem.rawLogProbabilities);
  },
  next(problem) {
    addDraws(problem, problem.count);
  },
});

const typeOf = (logs: Logs) => (logs instanceof Float64Array ? 'float64' : 'float32');

/** How many classes to draw from each row. */
function readDraws(value: unknown, name: string, { rows }: Request): number {
  checkClasses(rows.length);
  return value === undefined ? 1 : readInteger(value, name, 1, most);
}

/** An option that is read with the list that it belongs to. */
function readWithItsList(): undefined {
  return undefined;
}
