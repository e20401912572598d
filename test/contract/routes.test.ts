/** Every operation by every route, with whole, padded, masked and ragged rows, in every type: the same bits. */
import { describe, expect, it } from 'vitest';
import * as sync from '../../lib/index.js';
import * as promises from '../../lib/promises.js';
import { bits, type Elements, elements, elementTypes, numbers } from '../elements.js';
import { exactRow, ulpDistance } from '../oracle.js';
import { Random, seed } from '../random.js';
import { backendName } from './ways.js';

/** More logits than a promise would score at the call: they go to the threads. */
const CLASSES = 67;
const ROWS = 67;
const K = 5;

const layouts = {
  'whole rows': {},
  'padded rows': { lengths: Int32Array.from({ length: ROWS }, (_, row) => 1 + ((row * 7) % CLASSES)) },
  'masked rows': { where: Uint8Array.from({ length: CLASSES }, (_, i) => (i % 4 === 3 ? 0 : 1)) },
  'ragged rows': { offsets: Uint32Array.from({ length: ROWS + 1 }, (_, row) => row * row) },
};
/** Class 0 takes part in every row. */
const targets = Int32Array.from({ length: ROWS }, (_, row) => (row % 3 === 1 ? -100 : 0));

type Options = { readonly [name: string]: unknown };
/** The functions as this test calls them: with any options, on any type. */
type Api = {
  readonly [op in 'softmax' | 'logSoftmax' | 'logSumExp' | 'topK' | 'sample' | 'crossEntropy']: (
    x: Elements,
    ...rest: unknown[]
  ) => unknown;
};
interface Ready {
  readonly input: Elements;
  readonly output: Elements;
  readonly indices?: Uint32Array;
  readonly targets?: Int32Array;
  readonly gradient?: Elements;
  readonly logProbabilities?: Float64Array;
  run(): unknown;
  runAsync(): Promise<unknown>;
}
const prepare = sync.prepare as unknown as (op: string, options: Options) => Ready;

interface Operation {
  /** The options that only the prepared call has. */
  readonly ready: Options;
  /** What a plain call leaves, array after array. */
  plain(api: Api, x: Elements, options: Options): Promise<readonly object[]>;
}

const elementwise = (op: 'softmax' | 'logSoftmax' | 'logSumExp'): Operation => ({
  ready: {},
  plain: async (api, x, options) => [(await api[op](x, options)) as Elements],
});

const operations: { readonly [op in keyof Api]: Operation } = {
  softmax: elementwise('softmax'),
  logSoftmax: elementwise('logSoftmax'),
  logSumExp: elementwise('logSumExp'),
  topK: {
    ready: { k: K },
    async plain(api, x, options) {
      const { probabilities, indices } = (await api.topK(x, K, options)) as sync.TopKResult<
        Elements,
        Uint32Array
      >;
      return [probabilities, indices];
    },
  },
  sample: {
    ready: { seed: 3, count: 4, topP: 0.9, topK: 20, logProbabilities: true },
    async plain(api, x, options) {
      const logProbabilities = new Float64Array(ROWS * 4);
      const filters = { seed: 3, count: 4, topP: 0.9, topK: 20 };
      const classes = (await api.sample(x, { ...options, ...filters, logProbabilities })) as Uint32Array;
      return [classes, logProbabilities];
    },
  },
  crossEntropy: {
    ready: { reduction: 'none', labelSmoothing: 0.1, gradient: true },
    async plain(api, x, options) {
      const gradient = x.slice();
      const how = { reduction: 'none', labelSmoothing: 0.1, gradient };
      return [(await api.crossEntropy(x, targets, { ...options, ...how })) as Elements, gradient];
    },
  },
};

function arraysOf({ output, indices, logProbabilities, gradient }: Ready): object[] {
  return [output, indices, logProbabilities, gradient].filter((array) => array !== undefined);
}

const bitsOf = (arrays: readonly object[]) => arrays.map(bits);

describe(`The four routes give the same bits, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    for (const [op, { plain, ready }] of Object.entries(operations)) {
      it.each(Object.entries(layouts))(`${op} of ${type}: %s`, async (name, layout) => {
        const count = name === 'ragged rows' ? ROWS ** 2 : ROWS * CLASSES;
        const x = elements(new Random(`routes ${op} ${type}`).fill(new Float64Array(count), 6), type);
        const shape = name === 'ragged rows' ? [count] : [ROWS, CLASSES];
        const options = { dtype: type, temperature: 0.8, ...layout };
        const whole = name === 'ragged rows' ? options : { ...options, shape };

        const expected = bitsOf(await plain(sync as unknown as Api, x, whole));
        expect(bitsOf(await plain(promises as unknown as Api, x, whole)), 'as a promise').toEqual(expected);
        for (const way of ['run', 'runAsync'] as const) {
          const call = prepare(op, { ...options, shape, ...ready });
          call.input.set(x);
          call.targets?.set(targets);
          await call[way]();
          expect(bitsOf(arraysOf(call)), `prepared, ${way}`).toEqual(expected);
        }
      });
    }
  }
});

describe(`So few logits that they are copied give the bits of a prepared call, on ${backendName} (seed ${seed})`, () => {
  for (const type of ['float32', 'float64'] as const) {
    it.each(['softmax', 'logSoftmax', 'logSumExp'] as const)(`%s of ${type}`, (op) => {
      const api = sync as unknown as Api;
      const random = new Random(`copied ${op} ${type}`);
      for (let length = 1; length <= 40; length++) {
        for (const rows of [1, 2, 7, 16, 47, 80]) {
          if (rows * length > 512) continue;
          for (const spread of [3, 120]) {
            const values = random.fill(new Float64Array(rows * length), spread);
            values[random.below(values.length)] = 3e4; // a row that is solved again
            const x = elements(values, type) as Float32Array | Float64Array;
            const call = prepare(op, { dtype: type, shape: [rows, length] });
            call.input.set(x);
            call.run();
            const result = api[op](x, { shape: [rows, length] }) as Elements;
            expect(bits(result), `${rows} × ${length}`).toBe(bits(call.output));
          }
        }
      }
    });
  }
});

describe(`crossEntropy in every type, on ${backendName} (seed ${seed})`, () => {
  for (const type of elementTypes) {
    it(`the loss is within the bound of logSoftmax, the gradient within a unit in the last place: ${type}`, () => {
      const x = elements(new Random(`loss ${type}`).fill(new Float64Array(ROWS * CLASSES), 6), type);
      const exact = numbers(x, type);
      const classes = BigInt64Array.from({ length: ROWS }, (_, row) => BigInt((row * 5) % CLASSES));
      const shape = [ROWS, CLASSES];
      const gradient = x.slice();
      const half = type === 'float16' || type === 'bfloat16';
      const how = { shape, reduction: 'none', temperature: 0.8 } as const;
      const losses = sync.crossEntropy(x, classes, { ...how, gradient, ...(half ? { dtype: type } : {}) });
      const precise = new Float64Array(exact.length);
      sync.crossEntropy(exact, classes, { ...how, gradient: precise });
      const reduced = type === 'float64' ? 'float64' : 'float32';
      for (let row = 0; row < ROWS; row++) {
        const { logSoftmax } = exactRow(exact.subarray(row * CLASSES, (row + 1) * CLASSES), 0.8);
        const off = ulpDistance(-(losses as Elements)[row], logSoftmax, Number(classes[row]), reduced);
        expect(off, `row ${row}`).toBeLessThanOrEqual(reduced === 'float64' ? 4 : 2);
      }
      if (!half) return;
      const rounded = elements(precise, type);
      gradient.forEach((value, i) => {
        expect(Math.abs(value - rounded[i]), `gradient of element ${i}`).toBeLessThanOrEqual(1);
      });
    });
  }
});
