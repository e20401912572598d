/** The options of what tells about a row's distribution. */
import type { Integers, LogSumExpOptions, Losses, NestedNumbers, RowOptions, TensorLike } from '../types.js';

/** Options of `klDivergence`. */
export type KlDivergenceOptions<Out extends Losses = Losses> = LogSumExpOptions<Out>;

/** Class indices: a list, nested or a tensor. */
export type Classes = Integers | TensorLike | NestedNumbers;

/** Options of `logProb`. */
export interface LogProbOptions<Out extends Losses = Losses> extends RowOptions {
  /** The same classes for every row: `classes` is one list of them. Default: false. */
  readonly shared?: boolean | undefined;
  /** Entries of `classes` that are this count for nothing: they give 0, and have rank 0. Default: -100. */
  readonly ignoreIndex?: number | undefined;
  /**
   * The logarithm of the softmax over the given classes alone, each once however often it is given: P(yes) over P(yes) +
   * P(no). Default: false.
   */
  readonly renormalize?: boolean | undefined;
  /**
   * Memory for the rank of each class in its whole row, in the shape of the result: 1 for the likeliest, ties by the lower
   * index, as topK lists them. 0 for what is ignored, masked or past its row's length.
   */
  readonly ranks?: Uint32Array | TensorLike | undefined;
  /** Memory for the result, which is returned; not that of `x`. */
  readonly out?: Out | undefined;
}
