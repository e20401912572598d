/** The types of the public API: what goes in, what comes out, and the options with their words. */
import type { Float16ArrayLike } from './arguments/elements.js';
import type { ElementType } from './backends/problem.js';
import type { Label } from './ops/classify.js';

export type { Float16ArrayLike } from './arguments/elements.js';
export type { ErrorCode, SimdSoftmaxError } from './arguments/errors.js';
export type { BackendInfo } from './backends/backend.js';
export type { ElementType } from './backends/problem.js';
export type { Label } from './ops/classify.js';

/**
 * Any tensor whose `data` is a contiguous row-major typed array in the CPU's memory: those of onnxruntime and
 * transformers.js (`dims`), and plain objects with `dims` or `shape`.
 */
export type TensorLike =
  | {
      /** A typed array. */
      readonly data: object;
      /** Its dimensions, row-major. */
      readonly dims: readonly number[];
    }
  | {
      /** A typed array. */
      readonly data: object;
      /** Its dimensions, row-major. */
      readonly shape: readonly number[];
    };

/** `number[]`, `number[][]` and so on; rectangular. */
export type NestedNumbers = readonly number[] | readonly NestedNumbers[];

/** `boolean[]`, `boolean[][]` and so on, or 0 and 1; rectangular. */
export type NestedBooleans = readonly (boolean | 0 | 1 | number)[] | readonly NestedBooleans[];

/** What `x` may be. A `Uint16Array` holds 16-bit floats, and needs the option `dtype`. */
export type Logits =
  | Float32Array
  | Float64Array
  | Float16ArrayLike
  | Uint16Array
  | TensorLike
  | NestedNumbers;

/** Memory for results in the caller's hands. */
export type Output = Float32Array | Float64Array | Float16ArrayLike | Uint16Array | TensorLike;

/** Memory for one value per row in the caller's hands. */
export type Losses = Float32Array | Float64Array | TensorLike;

/** A list of integers. */
export type Integers = Int32Array | Uint32Array | BigInt64Array | readonly number[];

/** The form of a result that has the shape of `x`. */
export type SameForm<X> = X extends Float32Array
  ? Float32Array
  : X extends Float64Array
    ? Float64Array
    : X extends Uint16Array
      ? Uint16Array
      : X extends readonly unknown[]
        ? Nested<X>
        : X;

/** The form of a result with one value per row: float32 for 16-bit `x`, one level less of nesting. */
export type ReducedForm<X> = X extends Float64Array
  ? Float64Array
  : X extends Float32Array | Uint16Array | Float16ArrayLike
    ? Float32Array
    : X extends readonly (infer Entry)[]
      ? Entry extends readonly unknown[]
        ? Nested<Entry>
        : number[]
      : X;

/** The form of a result that has the shape of `x`, unless `out` or `outType` says otherwise. */
export type LikeX<X, Out, Type> = [Out] extends [never]
  ? [Type] extends [never]
    ? SameForm<X>
    : Type extends 'float32'
      ? Float32Form<X>
      : SameForm<X>
  : NoInfer<Out>; // lest the place where the result goes be taken for the type of `out`

/** The form of a result asked for as float32. */
export type Float32Form<X> = X extends Float32Array | Uint16Array | Float16ArrayLike
  ? Float32Array
  : SameForm<X>;

/** The form of class indices in the shape of `x`. */
export type IndexForm<X> = X extends Float32Array | Float64Array | Uint16Array | Float16ArrayLike
  ? Uint32Array
  : X extends readonly unknown[]
    ? Nested<X>
    : X extends { readonly dims: readonly number[] }
      ? { readonly data: Uint32Array; readonly dims: readonly number[] }
      : { readonly data: Uint32Array; readonly shape: readonly number[] };

/** Arrays of the same nesting, writable. */
export type Nested<X> = X extends readonly (infer Entry)[] ? Nested<Entry>[] : number;

/** A number, or one for each row. */
export type Temperature = number | readonly number[] | Float32Array | Float64Array;

/** Options of every function: what the rows are, and how to go about it. */
export interface RowOptions {
  /**
   * The dimensions of a flat `x`, row-major; one of them may be -1. Default: `[x.length]`. Tensors and nested
   * arrays bring their own.
   */
  readonly shape?: readonly number[] | undefined;
  /**
   * The axis along which the classes lie, negative ones counted from the end; or several, for one joint
   * normalisation. Default: -1, the last.
   */
  readonly axis?: number | readonly number[] | undefined;
  /**
   * What the logits are divided by: finite and over 0. Or one for each row, in the order of the results of `logSumExp`.
   * Default: 1.
   */
  readonly temperature?: Temperature | undefined;
  /**
   * Which classes take part: 1 or true (any number but 0). In the shape of `x`, or in one that NumPy would broadcast
   * to it, so one row serves for all. Those left out come out as exactly 0 (in logSoftmax: -Infinity), whatever they
   * hold. Default: all.
   */
  readonly where?: Uint8Array | Int32Array | BigInt64Array | NestedBooleans | TensorLike | undefined;
  /**
   * Which classes take part, as bits: class c where bit c % 32 of word c / 32 is set. ⌈classes / 32⌉ words for each row,
   * in the order of the results of `logSumExp`, or for all rows (xgrammar, llguidance). Bits past the last class mean
   * nothing. Beside `where`, both must allow. Excludes `offsets`. Default: all.
   */
  readonly bitmask?: Uint32Array | Int32Array | undefined;
  /**
   * How many classes of each row of a padded batch are valid, from its start on; one entry per row. The padding is
   * never read. Default: all.
   */
  readonly lengths?: Integers | undefined;
  /**
   * Where each of many rows of unequal length starts in a flat `x`, and in the end `x.length`: rows + 1 ascending
   * integers (the row pointers of CSR). Excludes `shape`, `axis` and `lengths`.
   */
  readonly offsets?: Integers | undefined;
  /** At most so many threads, from 1 up. Default: as many as `backend.threads` says. */
  readonly threads?: number | undefined;
  /** Which backend solves this call. Default: `'auto'`: `'native'` where the addon has loaded, else `'wasm'` where its module has, else `'js'`. */
  readonly backend?: 'auto' | 'native' | 'wasm' | 'js' | undefined;
  /** What the elements of `x` are; needed where `x` is a `Uint16Array`, whose bits are then taken for floats. */
  readonly dtype?: ElementType | undefined;
}

/** Options of `logSoftmax`. */
export interface LogSoftmaxOptions<Out extends Output = Output, Type extends ElementType = ElementType>
  extends RowOptions {
  /** Memory for the result, which is returned: like the result, or `x` itself. */
  readonly out?: Out | undefined;
  /** The type of the result; 16-bit `x` can be widened to `'float32'`. Default: the type of `x`. */
  readonly outType?: Type | undefined;
}

/** Options of `softmax`. */
export interface SoftmaxOptions<Out extends Output = Output, Type extends ElementType = ElementType>
  extends LogSoftmaxOptions<Out, Type> {
  /**
   * Where `x` is a shard of the classes: the log-sum-exp of all shards (of the logits over the temperature), one
   * or one per row, instead of the row's own.
   */
  readonly logNormalizer?: number | Float64Array | Float32Array | readonly number[] | undefined;
}

/** Options of `logSumExp`. */
export interface LogSumExpOptions<Out extends Losses = Losses> extends RowOptions {
  /** Memory for the result, which is returned; not that of `x`. */
  readonly out?: Out | undefined;
}

/** Options of `entropy`. */
export type EntropyOptions<Out extends Losses = Losses> = LogSumExpOptions<Out>;

/** The operations that give one value per row, by name. */
export type RowOperation = 'logSumExp' | 'entropy';

/** The likeliest classes of every row, in descending order. */
export interface TopKResult<Probabilities = Output, Indices = Uint32Array | TensorLike> {
  /** Softmax probabilities, [rows, k] (k in the place of the axis). */
  readonly probabilities: Probabilities;
  /** The classes they belong to, in the same shape; 4294967295 where a row has fewer than k classes. */
  readonly indices: Indices;
}

/** The same with logarithms: what `topK` gives where the option `log` is true. */
export interface LogTopKResult<LogProbabilities = Output, Indices = Uint32Array | TensorLike> {
  /** Log-probabilities (nats), [rows, k] (k in the place of the axis); -Infinity where a row has fewer than k classes. */
  readonly logProbabilities: LogProbabilities;
  /** The classes they belong to, in the same shape; 4294967295 where a row has fewer than k classes. */
  readonly indices: Indices;
}

/** What `topK` gives, unless `out` says otherwise. */
export type TopKForm<X, Out, Type, Log> = [Out] extends [never]
  ? Log extends true
    ? LogTopKResult<LikeX<X, never, Type>, IndexForm<X>>
    : TopKResult<LikeX<X, never, Type>, IndexForm<X>>
  : NoInfer<Out>;

/** Options of `topK`. */
export interface TopKOptions<
  Out extends TopKResult | LogTopKResult = TopKResult | LogTopKResult,
  Type extends ElementType = ElementType,
  Log extends boolean = boolean,
> extends RowOptions {
  /** Log-probabilities instead, which tell classes apart whose probabilities round to 1 or 0. Default: false. */
  readonly log?: Log | undefined;
  /** The type of the probabilities; 16-bit `x` can be widened to `'float32'`. Default: the type of `x`. */
  readonly outType?: Type | undefined;
  /** As in `softmax`. */
  readonly logNormalizer?: SoftmaxOptions['logNormalizer'];
  /** Memory for both results; this object is returned. */
  readonly out?: Out | undefined;
}

/** Options of `classify`. */
export interface ClassifyOptions extends RowOptions {
  /** The name of every class, in the order of the logits. */
  readonly labels: readonly string[];
  /** How many classes to list, from 1 up. Default: all. */
  readonly k?: number | undefined;
  /**
   * What scores are: softmax probabilities, sigmoids of each logit by itself (for several labels at once), or the logits over
   * the temperature. Default: `'softmax'`, and `'sigmoid'` where there is one label.
   */
  readonly activation?: 'softmax' | 'sigmoid' | 'none' | undefined;
  /** List only classes whose scores are at least this. Default: all. */
  readonly threshold?: number | undefined;
  /** As in `softmax`. */
  readonly logNormalizer?: SoftmaxOptions['logNormalizer'];
}

/** The labels of one row, or those of each of many; arrays tell by their nesting, the rest by their dimensions. */
export type Labels<X> = X extends readonly (infer Entry)[]
  ? Entry extends readonly unknown[]
    ? Label[][]
    : Label[]
  : Label[] | Label[][];

/** A class per row, or a distribution over the classes per row in the type and shape of `x`. */
export type Targets = Integers | Logits;

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions<How extends Reduction = Reduction> extends RowOptions {
  /** One number for all rows, or the loss of each. Default: `'mean'`. */
  readonly reduction?: How | undefined;
  /** Rows with this target count for nothing. Default: -100. */
  readonly ignoreIndex?: number | undefined;
  /** The share of each target that is spread evenly over all classes, in [0, 1]. Default: 0. */
  readonly labelSmoothing?: number | undefined;
  /** One weight per class, which multiplies its share of the loss. Default: 1 for all. */
  readonly weights?: Float64Array | Float32Array | readonly number[] | undefined;
  /** Memory for the gradient of the loss with respect to `x`: like `x`, or `x` itself. */
  readonly gradient?: Output | undefined;
  /** Memory for the losses; with reduction `'none'` only. */
  readonly out?: Losses | undefined;
}

/** What becomes of the losses of the rows: their mean, their sum, or nothing: one loss per row. */
export type Reduction = 'mean' | 'sum' | 'none';

/** What the promises take besides. */
export interface Abortable {
  /** Gives up waiting for the result: the promise rejects with the signal's reason, outputs stay as they were. */
  readonly signal?: AbortSignal | undefined;
}
