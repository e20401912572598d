/**
 * A problem is one call with everything optional resolved: the one idea that the facade, both backends and
 * the C++ side share (`native/problem.h` is its twin). Nothing below the facade looks at user input again.
 *
 * `x` is row-major [outer, length, inner]; every op works along the middle, `length` classes long. A *row*
 * is one (outer, inner) pair, numbered `o * inner + i`.
 */
export interface Problem extends Rows {
  readonly op: Op;
  /** The first of what is written. */
  readonly out: Data | Uint32Array;
  readonly outType?: ElementType | undefined;
}

/** What there is to solve: one of these for each operation, and no more than a backend has to know of it (lib/ops). */
export interface Op {
  readonly name: string;
  /** The names of a problem's numbers and arrays, besides those of its rows: the C++ side has the same. */
  readonly numbers: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Rows [first, end) in TypeScript: the readable specification, and the backend `js`. */
  solve(problem: Problem, first: number, end: number): Steps;
}

/** Each `yield` ends a step of at most a few milliseconds. */
export type Steps = Generator<undefined, void, undefined>;

/** The same, of its own problems. */
export interface OpOf<P extends Problem> extends Op {
  solve(problem: P, first: number, end: number): Steps;
}

/** An `Op` whose names are those of its problem. */
export function op<P extends Problem>(named: {
  readonly name: string;
  readonly numbers: readonly (Exclude<keyof P, keyof Rows> & string)[];
  readonly reads: readonly (Exclude<keyof P, keyof Rows> & string)[];
  readonly writes: readonly (Exclude<keyof P, keyof Rows> & string)[];
  solve(problem: P, first: number, end: number): Steps;
}): OpOf<P> {
  return named;
}

/** What the elements are; 16-bit elements travel as `Uint16Array` bits. */
export type ElementType = 'float32' | 'float64' | 'float16' | 'bfloat16';

export type Data = Float32Array | Float64Array | Uint16Array;

/** Looking up two arrays natively takes as long as copying so many elements in and out: 512 classes 387 ns so and 322. */
export const smallElements = 512;

/** The operations that backends solve for few logits without a problem. */
export type SmallOp = 'softmax' | 'logSoftmax' | 'logSumExp';

export interface Rows {
  readonly x: Data;
  readonly type: ElementType;
  readonly outer: number;
  /** Classes per row; with `offsets`, the longest row. */
  readonly length: number;
  readonly inner: number;
  /** Finite and > 0; `sample` also takes 0, the argmax. 1 where every row has its own. */
  readonly temperature: number;
  /** One for each row. */
  readonly temperatures?: Float64Array | undefined;
  /** Upper bound on the threads to use; 0 means all. */
  readonly threads: number;
  /** 1 = takes part. Either one byte per element of `x`, in its layout, or `length` bytes for every row. */
  readonly where?: Uint8Array | undefined;
  /** How many bytes `where` holds per row: false = a mask of its own for each row, true = one for all. */
  readonly whereShared?: boolean | undefined;
  /**
   * The same as bits: bit c % 32 of word c / 32 is 1 where class c takes part. ⌈length / 32⌉ words for each row, or for
   * every row; beside `where`, both must allow. Never with `offsets`.
   */
  readonly bitmask?: Uint32Array | undefined;
  readonly bitmaskShared?: boolean | undefined;
  /** Valid prefix of each row. */
  readonly lengths?: Uint32Array | undefined;
  /** Ragged rows: `outer + 1` ascending offsets into `x`; `inner` is 1. */
  readonly offsets?: Uint32Array | undefined;
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
    op: SmallOp,
    type: 'float32' | 'float64',
    x: Float32Array | Float64Array,
    count: number,
    out: Float32Array | Float64Array,
    rows: number,
    temperature: number,
  ): void;
  /** For lone rows of topK, sample and crossEntropy: memory that both sides see. */
  readonly scratch?: Scratch;
  /** Whether all elements are from 0 to 1, where the backend can look at many at once; -0 may count as none. */
  areShares?(data: Data, type: ElementType): boolean;
  /**
   * The largest entry, or of rows `between` the offsets that entries are the longest, -1 where these descend: where the backend can look at many
   * at once.
   */
  longest?(list: Uint32Array, between: boolean): number;
  /**
   * How many entries of a list are classes, where all others are `ignoreIndex`; -1 where one is neither. A class is from 0 to
   * `last`; of ragged rows, whose `offsets` are one more than the entries, below the length of the entry's row too. All are
   * copied `to`.
   */
  countClasses?(
    list: Int32Array | Uint32Array | BigInt64Array,
    last: number,
    ignoreIndex: number,
    to: Int32Array | undefined,
    offsets: Uint32Array | undefined,
  ): number;
  /** Adds the weights of all classes of a list but `ignoreIndex` to an exact sum (lib/backends/js/exactSum.ts). */
  weighClasses?(list: Int32Array, ignoreIndex: number, weights: Float64Array, total: Float64Array): void;
  /**
   * Adds what `judge` said of so many rows to what is there, as lib/calls/tally.ts does. `counts` are the wrong rows and the
   * right ones of each bin; `binConfidences` and `means` (of losses, Brier scores and entropies) sums, then what each has lost;
   * `totals` rows ignored, and rows with their target among the first k. Without `confusion`, `classes` is 0.
   */
  tally?(
    k: number,
    bins: number,
    rows: number,
    classes: number,
    targets: Int32Array,
    targetRanks: Uint32Array,
    likeliest: Uint32Array,
    confidences: Float64Array,
    losses: Float64Array,
    briers: Float64Array,
    entropies: Float64Array,
    counts: Float64Array,
    binConfidences: Float64Array,
    means: Float64Array,
    totals: Float64Array,
    confusion: Uint32Array | undefined,
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

/** Where a backend finds a lone row of up to `smallElements` logits, and leaves its results. */
export interface Scratch {
  readonly logits32: Float32Array;
  readonly logits64: Float64Array;
  readonly results32: Float32Array;
  readonly results64: Float64Array;
  /** The same memory as class indices: what sample draws. */
  readonly drawn: Uint32Array;
  /** The class indices of topK, the target of crossEntropy. */
  readonly classes: Uint32Array;
  /**
   * Solves the row of `count` logits of that type, at a temperature of 1. `first` and `second` are what the operation takes
   * besides: topK's k, sample's seed.
   */
  solve(op: LoneOp, type: 'float32' | 'float64', count: number, first: number, second: number): void;
}

/** Operations whose lone rows go by the scratch memory. */
export type LoneOp = 'softmax' | 'topK' | 'sample' | 'crossEntropy';

/** A problem that a backend has unpacked. */
export interface Bound {
  run(): void;
  runAsync(signal?: AbortSignal): Promise<void>;
  /** Lets go of whatever is held for it; never called while it runs, nor twice. */
  release(): void;
}
