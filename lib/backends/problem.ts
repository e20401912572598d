/**
 * A problem is one call with everything optional resolved: the one idea that the facade, both backends and
 * the C++ side share (`native/problem.h` is its twin). Nothing below the facade looks at user input again.
 *
 * `x` is row-major [outer, length, inner]; every op works along the middle, `length` classes long. A *row*
 * is one (outer, inner) pair, numbered `o * inner + i`.
 */
export type Problem =
  | SoftmaxProblem
  | LogSoftmaxProblem
  | LogSumExpProblem
  | TopKProblem
  | SampleProblem
  | CrossEntropyProblem;

export type Op = Problem['op'];

/** What the elements are; 16-bit elements travel as `Uint16Array` bits. */
export type ElementType = 'float32' | 'float64' | 'float16' | 'bfloat16';

export type Data = Float32Array | Float64Array | Uint16Array;

/** Looking up two arrays natively takes as long as copying so many elements in and out: 512 classes 387 ns so and 322. */
export const smallElements = 512;

export interface Rows {
  readonly x: Data;
  readonly type: ElementType;
  readonly outer: number;
  /** Classes per row; with `offsets`, the longest row. */
  readonly length: number;
  readonly inner: number;
  /** Finite and > 0; `sample` also takes 0, the argmax. */
  readonly temperature: number;
  /** Upper bound on the threads to use; 0 means all. */
  readonly threads: number;
  /** 1 = takes part. Either one byte per element of `x`, in its layout, or `length` bytes for every row. */
  readonly where?: Uint8Array | undefined;
  /** How many bytes `where` holds per row: false = a mask of its own for each row, true = one for all. */
  readonly whereShared?: boolean | undefined;
  /** Valid prefix of each row. */
  readonly lengths?: Uint32Array | undefined;
  /** Ragged rows: `outer + 1` ascending offsets into `x`; `inner` is 1. */
  readonly offsets?: Uint32Array | undefined;
}

export interface SoftmaxProblem extends Rows {
  readonly op: 'softmax';
  readonly out: Data;
  readonly outType: ElementType;
  /** Natural-log normaliser (of the logits over the temperature): one value, or one per row. */
  readonly logNormalizer?: Float64Array | undefined;
  /** One value for all rows. */
  readonly logNormalizerShared?: boolean | undefined;
}

export interface LogSoftmaxProblem extends Rows {
  readonly op: 'logSoftmax';
  readonly out: Data;
  readonly outType: ElementType;
}

export interface LogSumExpProblem extends Rows {
  readonly op: 'logSumExp';
  /** One value per row; float32 for 16-bit input. */
  readonly out: Data;
  readonly outType: 'float32' | 'float64';
}

export interface TopKProblem extends Rows {
  readonly op: 'topK';
  readonly k: number;
  /** Probabilities, [outer, k, inner], descending. */
  readonly out: Data;
  readonly outType: ElementType;
  /** Class indices, the shape of `out`. */
  readonly indices: Uint32Array;
  readonly logNormalizer?: Float64Array | undefined;
  /** One value for all rows. */
  readonly logNormalizerShared?: boolean | undefined;
}

export interface SampleProblem extends Rows {
  readonly op: 'sample';
  /** Class indices, [rows, count]. */
  readonly out: Uint32Array;
  readonly count: number;
  /** How many of the likeliest classes the top-k filter keeps; 0 = no such filter. */
  readonly keepTop: number;
  /** 1 = no top-p filter. */
  readonly topP: number;
  /** How far below the largest logit a class may be, -T·ln(minP): Infinity = no min-p filter. */
  readonly minPReach: number;
  /** Key of the Philox generator: low and high 32 bits. */
  readonly seedLow: number;
  readonly seedHigh: number;
  /** The natural log of the probability each draw had, after the filters: the shape of `out`. */
  readonly logProbabilities?: Float32Array | Float64Array | undefined;
  readonly logProbabilitiesType?: ElementType | undefined;
}

export interface CrossEntropyProblem extends Rows {
  readonly op: 'crossEntropy';
  /** A class index per row, already checked to be a class or `ignoreIndex`. */
  readonly targets?: Int32Array | undefined;
  /** Instead of `targets`: a distribution per row, the layout and type of `x`. */
  readonly targetProbabilities?: Data | undefined;
  readonly ignoreIndex: number;
  /** In [0, 1]. */
  readonly labelSmoothing: number;
  /** One weight per class. */
  readonly weights?: Float64Array | undefined;
  /** The loss of every row, before any reduction; 0 for an ignored row. */
  readonly out: Float64Array;
  /** Where d(loss)/dx goes, if wanted: the layout and type of `x`; may be `x` itself. */
  readonly gradient?: Data | undefined;
  /** Every row's gradient is multiplied by this (1 over the mean's denominator, say). */
  readonly gradientScale: number;
}

/**
 * A backend solves problems. Nothing above it knows which one it talks to.
 */
export interface Backend {
  readonly kind: 'native' | 'wasm' | 'js';
  readonly isa: string;
  /** Solves the problem before it returns. */
  run(problem: Problem): void;
  /**
   * The same for `count` logits, up to `smallElements`, in contiguous rows, with no arrays but `x` and `out` of one type: where
   * a problem would take longer to be written down than to be solved.
   */
  runSmall?(
    op: 'softmax' | 'logSoftmax' | 'logSumExp',
    type: 'float32' | 'float64',
    x: Float32Array | Float64Array,
    count: number,
    out: Float32Array | Float64Array,
    rows: number,
    temperature: number,
  ): void;
  /**
   * Solves it without blocking the event loop; the outputs are written once, whole, just before the promise
   * resolves (in place where the memory is shared). Rejects with the signal's reason when aborted.
   */
  runAsync(problem: Problem, signal?: AbortSignal): Promise<void>;
  /**
   * Readies a problem that will be solved many times, over memory that never moves (a prepared call): a chance to
   * unpack it once. Its contents may change between runs, nothing else does.
   */
  bind?(problem: Problem): Bound;
}

/** A problem that a backend has unpacked. */
export interface Bound {
  run(): void;
  runAsync(signal?: AbortSignal): Promise<void>;
  /** Lets go of whatever is held for it; never called while it runs, nor twice. */
  release(): void;
}
