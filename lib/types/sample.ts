/** The options of sample. */
import type { Integers, RowOptions, Temperature } from '../types.js';

/** One number for all rows, or one for each row, in the order of the results of `logSumExp`. */
export type PerRow = number | readonly number[] | Float64Array | Float32Array | Int32Array | Uint32Array;

/** One seed for all rows, or one for each row. */
export type Seeds =
  | number
  | bigint
  | readonly (number | bigint)[]
  | BigUint64Array
  | BigInt64Array
  | Uint32Array
  | Int32Array
  | Float64Array;

/** Logits to change: `values` are added to those of `classes`. */
export interface Bias {
  /** Classes, in any order; what is added to one that is here several times adds up. */
  readonly classes: Integers;
  /** As many numbers below Infinity; -Infinity rules a class out. */
  readonly values: Float64Array | Float32Array | readonly number[];
  /** Where the part of each row starts, and the end: rows + 1 entries. Without, every row has the whole list. */
  readonly offsets?: Integers | undefined;
}

/**
 * Options of `sample`. They apply in this order: `bias`; `repetitionPenalty`, `frequencyPenalty`, `presencePenalty`; then
 * the temperature and the filters as `order` says.
 */
export interface SampleOptions extends RowOptions {
  /** As elsewhere, and 0: the likeliest class. */
  readonly temperature?: Temperature | undefined;
  /**
   * The same seed draws the same classes; an integer of at least 0. With one seed, each row draws by its number; with a
   * seed for each row, a row draws as it would alone, wherever it stands. Default: unpredictable.
   */
  readonly seed?: Seeds | undefined;
  /**
   * How many draws were made with this seed before; an integer of at least 0. A loop that draws one token after another
   * passes 0, 1, 2, …: with the same offset it would draw the same again. Default: 0.
   */
  readonly offset?: PerRow | undefined;
  /** Draw among the so many likeliest classes only, of equals those of lower index. Default: 0, all; -1 is all too. */
  readonly topK?: PerRow | undefined;
  /**
   * Draw among the fewest likeliest classes whose probabilities reach this sum, in [0, 1]; 0 leaves one. Default: 1, all.
   */
  readonly topP?: PerRow | undefined;
  /** Draw among the classes at least this many times as likely as the likeliest, in [0, 1]. Default: 0, all. */
  readonly minP?: PerRow | undefined;
  /**
   * In which order filters look at what others left: `'transformers'` temperature, topK, topP, minP; `'vllm'`
   * temperature, minP, topK, topP; `'llama.cpp'` topK, topP, minP, and the temperature last; `'joint'` temperature, topK
   * and topP both over the whole row, minP. Default: `'transformers'`.
   */
  readonly order?: 'transformers' | 'vllm' | 'llama.cpp' | 'joint' | undefined;
  /** Added to some logits before anything else: one list for every row, or with `offsets` a part for each. */
  readonly bias?: Bias | undefined;
  /** The classes drawn so far, for the penalties: one list for every row, or with `historyOffsets` a part for each. */
  readonly history?: Integers | undefined;
  /** Where the part of each row in `history` starts, and the end: rows + 1 entries. */
  readonly historyOffsets?: Integers | undefined;
  /** The classes that were there before, which `repetitionPenalty` alone sees. */
  readonly prompt?: Integers | undefined;
  /** Where the part of each row in `prompt` starts, and the end: rows + 1 entries. */
  readonly promptOffsets?: Integers | undefined;
  /** Divides positive logits, and multiplies others, of classes in the history or the prompt: over 0. Default: 1. */
  readonly repetitionPenalty?: PerRow | undefined;
  /** Taken from the logit of a class for each time that it is in the history. Default: 0. */
  readonly frequencyPenalty?: PerRow | undefined;
  /** Taken once from the logit of a class that is in the history. Default: 0. */
  readonly presencePenalty?: PerRow | undefined;
  /** How many classes to draw from each row, independently: those of `offset`, `offset + 1`, … Default: 1. */
  readonly count?: number | undefined;
  /** Memory for the natural log of the probability that each draw had (after the filters): rows · count. */
  readonly logProbabilities?: Float32Array | Float64Array | undefined;
  /**
   * Memory for the same before bias, penalties, temperature and filters, by the logits alone and what masks leave of them:
   * rows · count.
   */
  readonly rawLogProbabilities?: Float32Array | Float64Array | undefined;
  /** Memory for the result, which is returned. */
  readonly out?: Uint32Array | undefined;
}
