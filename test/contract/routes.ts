/**
 * Every operation by every route: a plain call, a promise, a prepared call run at once and run as a promise, and a promise
 * over shared memory. A new operation is a line in `operations`.
 */

import type { ElementType } from '../../lib/backends/problem.js';
import * as sync from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import { type Elements, elements } from '../elements.js';

export type Options = { readonly [name: string]: unknown };

/** The functions as the tests call them: with any options, on any type. */
export type Api = { readonly [op: string]: (x: Elements, ...rest: unknown[]) => unknown };

interface Ready {
  readonly input: Elements;
  readonly output: Elements;
  readonly indices?: Uint32Array;
  readonly targets?: Int32Array;
  readonly gradient?: Elements;
  readonly classes?: Int32Array;
  readonly other?: Elements;
  readonly ranks?: Uint32Array;
  readonly logProbabilities?: Float64Array;
  run(): unknown;
  runAsync(): Promise<unknown>;
  [Symbol.dispose](): void;
}
const prepare = sync.prepare as unknown as (op: string, options: Options) => Ready;

/** One call, whatever the route. */
export interface Call {
  readonly x: Elements;
  /** Options that describe the rows. `shape` is that of the prepared call; beside `offsets` it is left out elsewhere. */
  readonly rows: Options & { readonly shape: readonly number[] };
  /** How many rows there are. */
  readonly count: number;
  /** Options of the operation's own. */
  readonly own: Options;
  /** A class for every row, for operations that take targets. */
  readonly targets: Int32Array;
}

export interface Operation {
  /** Sets of options of its own that the record of bits tries. */
  readonly variants: { readonly [name: string]: Options };
  /** What a plain call leaves, array after array. */
  plain(api: Api, x: Elements, options: Options, call: Call): Promise<readonly object[]>;
  /** What the prepared call has to be told besides. */
  ready?(call: Call): Options;
}

const one = (op: string, variants: Operation['variants']): Operation => ({
  variants,
  plain: async (api, x, options) => [(await api[op](x, options)) as object],
});

/** The rows the other way round, but for -Infinity. */
function otherOf(x: Elements): Elements {
  const other = x.slice();
  for (let i = 1; i + 1 < other.length; i += 2) [other[i], other[i + 1]] = [x[i + 1], x[i]];
  return other;
}

/** Two classes of every row, [outer, 2, inner]: 0, which takes part everywhere, and another or none. */
function classesOf({ rows: { shape }, count }: Call): Int32Array {
  const inner = shape[2] ?? 1;
  const longest = shape.length === 1 ? 1 : shape[1];
  return Int32Array.from({ length: 2 * count }, (_, i) => {
    const isFirst = Math.floor(i / inner) % 2 === 0;
    return isFirst ? 0 : i % 3 === 1 ? -100 : (i * 7) % longest;
  });
}

export const operations: { readonly [op: string]: Operation } = {
  softmax: one('softmax', { plain: {}, shard: { logNormalizer: 5.5 } }),
  logSoftmax: one('logSoftmax', { plain: {} }),
  logSumExp: one('logSumExp', { plain: {} }),
  entropy: one('entropy', { plain: {} }),
  sigmoid: one('sigmoid', { plain: {} }),
  logSigmoid: one('logSigmoid', { plain: {} }),
  klDivergence: {
    variants: { plain: {} },
    plain: async (api, x, options) => [(await api.klDivergence(x, otherOf(x), options)) as Elements],
  },
  logProb: {
    variants: {
      two: {},
      ranks: { ranks: true },
      alone: { renormalize: true, ranks: true },
      shared: { classes: [0, -100, 0], shared: true },
    },
    async plain(api, x, { ranks: wanted, classes = classesOf, ...options }, call) {
      const given = typeof classes === 'function' ? classes(call) : classes;
      const out = await api.logProb(x, given, options);
      if (!wanted) return [out as Elements];
      const ranks = new Uint32Array((out as Elements).length);
      await api.logProb(x, given, { ...options, ranks });
      return [out as Elements, ranks];
    },
    ready: (call) => ({ classes: classesOf(call), ...call.own }),
  },
  topK: {
    variants: {
      one: { k: 1 },
      three: { k: 3 },
      shard: { k: 2, logNormalizer: 5.5 },
      logs: { k: 3, log: true },
      'logs of a shard': { k: 2, log: true, logNormalizer: 5.5 },
    },
    async plain(api, x, { k, ...options }) {
      const result = (await api.topK(x, k, options)) as
        | sync.TopKResult<Elements, Uint32Array>
        | sync.LogTopKResult<Elements, Uint32Array>;
      return ['logProbabilities' in result ? result.logProbabilities : result.probabilities, result.indices];
    },
  },
  sample: {
    variants: {
      plain: { seed: 3, count: 4 },
      filters: { seed: 2n ** 40n + 7n, count: 2, topP: 0.9, topK: 20, minP: 0.01 },
      argmax: { seed: 1, temperature: 0 },
    },
    async plain(api, x, options, { count }) {
      const draws = count * ((options.count as number | undefined) ?? 1);
      const logProbabilities = new Float64Array(draws);
      return [(await api.sample(x, { ...options, logProbabilities })) as Uint32Array, logProbabilities];
    },
    ready: () => ({ logProbabilities: true }),
  },
  crossEntropy: {
    variants: {
      each: { reduction: 'none' },
      smoothed: { reduction: 'none', labelSmoothing: 0.1 },
      mean: { reduction: 'mean' },
      sum: { reduction: 'sum', labelSmoothing: 0.3 },
    },
    async plain(api, x, options, { targets }) {
      const gradient = x.slice();
      const losses = await api.crossEntropy(x, targets, { ...options, gradient });
      const isEach = options.reduction === 'none';
      // What a prepared call writes to its output.
      if (isEach) return [losses as Elements, gradient];
      const Reduced = x instanceof Float64Array ? Float64Array : Float32Array;
      return [Reduced.of(losses as number), gradient];
    },
    ready: () => ({ gradient: true }),
  },
  binaryCrossEntropy: {
    variants: {
      each: { reduction: 'none' },
      mean: { reduction: 'mean' },
      weighed: { reduction: 'sum', posWeight: 2.5 },
    },
    async plain(api, x, options, call) {
      const gradient = x.slice();
      const losses = await api.binaryCrossEntropy(x, sharesOf(x, call), { ...options, gradient });
      if (options.reduction === 'none') return [losses as Elements, gradient];
      const Reduced = x instanceof Float64Array ? Float64Array : Float32Array;
      return [Reduced.of(losses as number), gradient];
    },
    ready: () => ({ gradient: true }),
  },
};

const SHARES = [0, 1, 0.25, 1, 0];

/** Of routes whose targets are numbers: what PyTorch calls soft and hard ones, in the type of `x`. */
function sharesOf(x: Elements, { rows }: Call): Elements {
  const dtype = rows.dtype as ElementType | undefined;
  const type = dtype ?? (x instanceof Float64Array ? 'float64' : 'float32');
  const shares = new Float64Array(x.length);
  for (let i = 0; i < shares.length; i++) shares[i] = SHARES[i % SHARES.length];
  return elements(shares, type);
}

/** The routes by name: each leaves the arrays that the operation writes. */
export const routes: {
  readonly [name: string]: (op: string, call: Call) => Promise<readonly object[]>;
} = {
  synchronously: (op, call) => plain(sync, op, call, call.x),
  'as a promise': (op, call) => plain(promises, op, call, call.x),
  'as a promise, over shared memory': (op, call) => plain(promises, op, call, sharedCopy(call.x)),
  'prepared, run': (op, call) => prepared(op, call, 'run'),
  'prepared, runAsync': (op, call) => prepared(op, call, 'runAsync'),
};

function plain(api: unknown, op: string, call: Call, x: Elements): Promise<readonly object[]> {
  const { shape, ...rows } = call.rows;
  const options = { ...rows, ...(rows.offsets === undefined ? { shape } : {}), ...call.own };
  return operations[op].plain(api as Api, x, options, call);
}

async function prepared(op: string, call: Call, way: 'run' | 'runAsync'): Promise<readonly object[]> {
  const ready = prepare(op, { ...call.rows, ...call.own, ...operations[op].ready?.(call) });
  ready.input.set(call.x);
  if (op === 'binaryCrossEntropy') (ready.targets as unknown as Elements).set(sharesOf(call.x, call));
  else ready.targets?.set(call.targets);
  ready.other?.set(otherOf(call.x) as Float32Array);
  await ready[way]();
  ready[Symbol.dispose]();
  const { output, indices, logProbabilities, gradient, ranks } = ready;
  return [output, indices, logProbabilities, gradient, ranks].filter((array) => array !== undefined);
}

function sharedCopy(x: Elements): Elements {
  const View = x.constructor as new (memory: SharedArrayBuffer) => Elements;
  const copy = new View(new SharedArrayBuffer(x.byteLength));
  copy.set(x);
  return copy;
}
