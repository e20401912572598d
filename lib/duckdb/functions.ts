/** What `register` gives to SQL: a function per line of the table. */
import {
  entropy,
  logProb,
  logSigmoid,
  logSoftmax,
  logSumExp,
  sample,
  sigmoid,
  softmax,
  topK,
} from '../index.js';
import type { Floats } from './vectors.js';

/** Rows that are scored together: a shape where they have one length, else their offsets. */
export type Rows =
  | { readonly shape: readonly [rows: number, classes: number] }
  | { readonly offsets: Int32Array };

/** The arguments beside the logits, by name. */
export const ARGUMENTS = {
  temperature: { type: 'DOUBLE', each: false },
  k: { type: 'HUGEINT', each: false },
  // Of these, every row mostly has its own.
  class: { type: 'HUGEINT', each: true },
  seed: { type: 'HUGEINT', each: true },
} as const;
export type ArgumentName = keyof typeof ARGUMENTS;

/** Of some rows: what they have in common, and what each has. */
export interface Arguments {
  readonly temperature?: number;
  readonly k?: bigint;
  readonly class?: readonly bigint[];
  readonly seed?: readonly bigint[];
}

/** Results of some rows, one behind the other. */
export interface Likeliest {
  readonly probabilities: Floats;
  readonly indices: Uint32Array;
  /** How many there are of each row. */
  readonly width: number;
}

interface Declared {
  readonly name: string;
  /** In their order; those after the first `required` may be left out from the end. */
  readonly arguments: readonly ArgumentName[];
  readonly required: number;
  /** The same arguments need not give the same result. */
  readonly volatile?: boolean;
}

export type SqlFunction =
  /** A list like the logits, written over them. */
  | (Declared & { readonly result: 'list'; solve(x: Floats, rows: Rows, given: Arguments): Floats })
  /** A number per row, of the type of the logits. */
  | (Declared & { readonly result: 'number'; solve(x: Floats, rows: Rows, given: Arguments): Floats })
  /** A list of structs (class, probability), likeliest first. */
  | (Declared & { readonly result: 'likeliest'; solve(x: Floats, rows: Rows, given: Arguments): Likeliest })
  /** A class per row; NULL where it is 4294967295. */
  | (Declared & { readonly result: 'class'; solve(x: Floats, rows: Rows, given: Arguments): Uint32Array });

export const FUNCTIONS: readonly SqlFunction[] = [
  {
    ...{ name: 'softmax', arguments: ['temperature'], required: 0, result: 'list' },
    solve: (x, rows, given) => softmax(x, { ...rows, temperature: temperatureOf(given), out: x }),
  },
  {
    ...{ name: 'log_softmax', arguments: ['temperature'], required: 0, result: 'list' },
    solve: (x, rows, given) => logSoftmax(x, { ...rows, temperature: temperatureOf(given), out: x }),
  },
  {
    ...{ name: 'log_sum_exp', arguments: ['temperature'], required: 0, result: 'number' },
    solve: (x, rows, given) => logSumExp(x, { ...rows, temperature: temperatureOf(given) }),
  },
  {
    // DuckDB has an aggregate of the name entropy.
    ...{ name: 'softmax_entropy', arguments: ['temperature'], required: 0, result: 'number' },
    solve: (x, rows, given) => entropy(x, { ...rows, temperature: temperatureOf(given) }),
  },
  {
    ...{ name: 'sigmoid', arguments: ['temperature'], required: 0, result: 'list' },
    solve: (x, rows, given) => sigmoid(x, { ...rows, temperature: temperatureOf(given), out: x }),
  },
  {
    ...{ name: 'log_sigmoid', arguments: ['temperature'], required: 0, result: 'list' },
    solve: (x, rows, given) => logSigmoid(x, { ...rows, temperature: temperatureOf(given), out: x }),
  },
  {
    ...{ name: 'log_prob', arguments: ['class', 'temperature'], required: 1, result: 'number' },
    solve(x, rows, given) {
      const count = rowsOf(rows);
      const classes = new Int32Array(count);
      for (let row = 0; row < count; row++) {
        const [start, end] = placeOf(rows, row);
        const at = Number(given.class?.[row]);
        if (at < 0 || at >= end - start) {
          const what = end > start ? `a class from 0 to ${end - start - 1}` : 'a row with classes';
          throw new RangeError(`Expected ${what} for log_prob but received ${at}`);
        }
        classes[row] = at;
      }
      return logProb(x, classes, { ...rows, temperature: temperatureOf(given) });
    },
  },
  {
    ...{ name: 'top_k', arguments: ['k', 'temperature'], required: 1, result: 'likeliest' },
    solve(x, rows, given) {
      const wanted = Number(given.k);
      if (wanted < 0) throw new RangeError(`Expected a k of at least 0 for top_k but received ${wanted}`);
      const width = Math.min(wanted, longestOf(rows));
      if (width === 0) return { probabilities: x.subarray(0, 0), indices: new Uint32Array(0), width };
      return { ...topK(x, width, { ...rows, temperature: temperatureOf(given) }), width };
    },
  },
  {
    ...{ name: 'sample', arguments: ['temperature', 'seed'], required: 0, result: 'class', volatile: true },
    solve(x, rows, given) {
      const temperature = temperatureOf(given);
      const { seed } = given;
      if (seed === undefined) return sample(x, { ...rows, temperature });
      const odd = seed.find((one) => one < 0n || one >= 1n << 64n);
      if (odd !== undefined) {
        throw new RangeError(`Expected a seed from 0 to 2^64 - 1 for sample but received ${odd}`);
      }
      // A draw depends on its row and its seed alone, not on the rows that happen to be beside it.
      return Uint32Array.from({ length: rowsOf(rows) }, (_, row) => {
        return sample(x.subarray(...placeOf(rows, row)), { temperature, seed: seed[row] })[0];
      });
    },
  },
];

function temperatureOf({ temperature = 1 }: Arguments): number {
  return temperature;
}

export function rowsOf(rows: Rows): number {
  return 'shape' in rows ? rows.shape[0] : rows.offsets.length - 1;
}

function longestOf(rows: Rows): number {
  if ('shape' in rows) return rows.shape[1];
  let longest = 0;
  for (let row = 0; row < rows.offsets.length - 1; row++) {
    longest = Math.max(longest, rows.offsets[row + 1] - rows.offsets[row]);
  }
  return longest;
}

function placeOf(rows: Rows, row: number): [start: number, end: number] {
  if ('offsets' in rows) return [rows.offsets[row], rows.offsets[row + 1]];
  return [row * rows.shape[1], (row + 1) * rows.shape[1]];
}
