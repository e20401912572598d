/** Prepared calls: validated once, over memory that is theirs and that other threads may work on in place. */
import { allocate, arrayKind, copyOf } from './arguments/elements.js';
import { rangeError, shapeError, typeError, words } from './arguments/errors.js';
import { product } from './arguments/layout.js';
import { readType } from './arguments/logits.js';
import { type Options, readInteger, readWord } from './arguments/options.js';
import { tensorParts } from './arguments/tensors.js';
import type { ElementType } from './backends/problem.js';
import { type LastingPlan, planLasting } from './calls/plan.js';
import { operations } from './ops/all.js';
import type { Declared } from './ops/operation.js';
import type { BinaryCrossEntropyOptions, BinaryTargets } from './types/binary.js';
import type { Classes, LogProbOptions } from './types/distributions.js';
import type { SampleOptions } from './types/sample.js';
import type {
  CrossEntropyOptions,
  Logits,
  Reduction,
  RowOperation,
  RowOptions,
  SoftmaxOptions,
  TopKForm,
  TopKOptions,
  TopKResult,
} from './types.js';

/** The typed array that holds elements of a type; 16-bit ones are `Uint16Array` bits. */
export type ArrayOf<Type extends ElementType> = Type extends 'float32'
  ? Float32Array
  : Type extends 'float64'
    ? Float64Array
    : Uint16Array;

/**
 * A call that is ready to run, again and again: write `input`, run, read `output`. All its arrays live in memory of
 * its own, a `SharedArrayBuffer` where there is one. `using` (or `[Symbol.dispose]()`) gives back what the backend
 * holds for it.
 */
export interface Prepared<Input, Output, Result = Output> {
  /** The logits, in the shape and type that were asked for: yours to write between runs. */
  readonly input: Input;
  /** The result of the latest run. */
  readonly output: Output;
  /** Solves it before it returns. Throws while a `runAsync` is under way, and once disposed. */
  run(): Result;
  /** Solves it without blocking the event loop; leave the arrays alone until the promise settles. */
  runAsync(signal?: AbortSignal): Promise<Result>;
  /** Gives back what the backend holds; a `runAsync` under way still ends. Twice is as good as once. */
  [Symbol.dispose](): void;
}

/** A prepared `topK`: `output` holds the probabilities, or with `log: true` their logarithms. */
export interface PreparedTopK<Input, Output, Result = TopKResult<Output, Uint32Array>>
  extends Prepared<Input, Output, Result> {
  /** The classes that the probabilities belong to, in the same shape. */
  readonly indices: Uint32Array;
}

/** A prepared `sample`; every run adds its `count` to `offset`. */
export interface PreparedSample<Input> extends Prepared<Input, Uint32Array> {
  /** There if the option `logProbabilities` is true. */
  readonly logProbabilities: Float64Array | undefined;
  /** There if the option `rawLogProbabilities` is true. */
  readonly rawLogProbabilities: Float64Array | undefined;
}

/** A prepared `crossEntropy`: `output` holds the loss, or with reduction `'none'` the loss of every row. */
export interface PreparedCrossEntropy<Input, Output, Result> extends Prepared<Input, Output, Result> {
  /** A class per row: those of the option `targets`, else 0 at first, or `ignoreIndex` for rows without classes. Checked by every run. */
  readonly targets: Int32Array;
  /** There if the option `gradient` is true. */
  readonly gradient: Input | undefined;
}

/** A prepared `klDivergence`. */
export interface PreparedDivergence<Input, Output> extends Prepared<Input, Output> {
  /** The logits of q, in the shape and type of `input`: yours to write between runs. */
  readonly other: Input;
}

/** A prepared `logProb`: `output` holds the log-probabilities. */
export interface PreparedLogProb<Input, Output> extends Prepared<Input, Output> {
  /** The classes, [rows, n], as the option `classes` gave them; without it one per row, 0. Checked by every run. */
  readonly classes: Int32Array;
  /** There if the option `ranks` is true. */
  readonly ranks: Uint32Array | undefined;
}

/** A prepared `binaryCrossEntropy`: `output` holds the loss, or with reduction `'none'` the loss of every element. */
export interface PreparedBinaryCrossEntropy<Input, Output, Result> extends Prepared<Input, Output, Result> {
  /** A number from 0 to 1 for each element: those of the option `targets`, else 0 at first. Checked by every run. */
  readonly targets: Input;
  /** There if the option `gradient` is true. */
  readonly gradient: Input | undefined;
}

/** What every prepared call has to be told. */
export interface PrepareOptions<Type extends ElementType = ElementType>
  extends Omit<RowOptions, 'shape' | 'dtype'> {
  /** The dimensions of the input; beside `offsets`, `[x.length]`. */
  readonly shape: readonly number[];
  /** What its elements are. Default: `'float32'`. */
  readonly dtype?: Type | undefined;
}

type Omitted =
  | keyof PrepareOptions
  | 'out'
  | 'outType'
  | 'gradient'
  | 'logProbabilities'
  | 'rawLogProbabilities'
  | 'reduction'
  | 'ranks';

/**
 * Prepares a call for running many times: arguments are validated once, memory is pinned once. The smallest calls
 * gain the most; `runAsync` works in place, without copies. Options are those of the function, less `out`; masks and
 * other lists are copied, and stay as they are.
 *
 * @param op - The name of a function; its options follow, `k` of topK among them.
 * @returns `{ input, output, run(), runAsync() }` and what else the function reads or writes.
 * @throws TypeError for an argument or option of the wrong kind, or a misspelled option; RangeError for a wrong
 * value. Both have a stable `code`.
 *
 * @example
 * ```ts
 * using scorer = prepare('softmax', { shape: [64, 10], dtype: 'float32' });
 * scorer.input.set(logits);
 * const probabilities = scorer.run(); // scorer.output
 * ```
 */
export function prepare<Type extends ElementType = 'float32', OutType extends ElementType = Type>(
  op: 'softmax' | 'logSoftmax',
  options: PrepareOptions<Type> & Pick<SoftmaxOptions, 'logNormalizer'> & { readonly outType?: OutType },
): Prepared<ArrayOf<Type>, ArrayOf<OutType>>;
export function prepare<Type extends ElementType = 'float32', OutType extends ElementType = Type>(
  op: 'sigmoid' | 'logSigmoid',
  options: PrepareOptions<Type> & { readonly outType?: OutType },
): Prepared<ArrayOf<Type>, ArrayOf<OutType>>;
export function prepare<Type extends ElementType = 'float32'>(
  op: RowOperation,
  options: PrepareOptions<Type>,
): Prepared<ArrayOf<Type>, Type extends 'float64' ? Float64Array : Float32Array>;
export function prepare<
  Type extends ElementType = 'float32',
  OutType extends ElementType = Type,
  Log extends boolean = false,
>(
  op: 'topK',
  options: PrepareOptions<Type> &
    Pick<TopKOptions, 'logNormalizer'> & {
      readonly k: number;
      readonly log?: Log;
      readonly outType?: OutType;
    },
): PreparedTopK<ArrayOf<Type>, ArrayOf<OutType>, TopKForm<ArrayOf<OutType>, never, never, Log>>;
export function prepare<Type extends ElementType = 'float32'>(
  op: 'sample',
  options: PrepareOptions<Type> &
    Omit<SampleOptions, Omitted> & {
      readonly logProbabilities?: boolean;
      readonly rawLogProbabilities?: boolean;
    },
): PreparedSample<ArrayOf<Type>>;
export function prepare<Type extends ElementType = 'float32', How extends Reduction = 'mean'>(
  op: 'crossEntropy',
  options: PrepareOptions<Type> &
    Omit<CrossEntropyOptions, Omitted> & {
      readonly targets?: Classes;
      readonly reduction?: How;
      readonly gradient?: boolean;
    },
): PreparedCrossEntropy<
  ArrayOf<Type>,
  Type extends 'float64' ? Float64Array : Float32Array,
  How extends 'none' ? (Type extends 'float64' ? Float64Array : Float32Array) : number
>;
export function prepare<Type extends ElementType = 'float32'>(
  op: 'klDivergence',
  options: PrepareOptions<Type> & { readonly other?: Logits },
): PreparedDivergence<ArrayOf<Type>, Type extends 'float64' ? Float64Array : Float32Array>;
export function prepare<Type extends ElementType = 'float32'>(
  op: 'logProb',
  options: PrepareOptions<Type> &
    Omit<LogProbOptions, Omitted> & { readonly classes?: Classes; readonly ranks?: boolean },
): PreparedLogProb<ArrayOf<Type>, Type extends 'float64' ? Float64Array : Float32Array>;
export function prepare<Type extends ElementType = 'float32', How extends Reduction = 'mean'>(
  op: 'binaryCrossEntropy',
  options: PrepareOptions<Type> &
    Omit<BinaryCrossEntropyOptions, Omitted> & {
      readonly targets?: BinaryTargets;
      readonly reduction?: How;
      readonly gradient?: boolean;
    },
): PreparedBinaryCrossEntropy<
  ArrayOf<Type>,
  Type extends 'float64' ? Float64Array : Float32Array,
  How extends 'none' ? (Type extends 'float64' ? Float64Array : Float32Array) : number
>;
export function prepare(op: unknown, options: unknown): unknown {
  const operation = declared[readWord(op, 'op', names())];
  if (typeof options !== 'object' || options === null) throw typeError('an object', 'options', options);
  const { shape, dtype, ...given } = snapshot(options as Options);
  if (given.out !== undefined)
    throw typeError(
      'no out: prepared calls have memory of their own,',
      'options',
      words('out'),
      'ERR_CONFLICTING_OPTIONS',
    );
  const type = readType(dtype, 'dtype') ?? 'float32';
  const dims = readDims(shape);
  if (given.offsets !== undefined && dims.length !== 1)
    throw shapeError('one dimension beside offsets', 'shape', shape);
  const input = newShared(type, product(dims));
  const asked: Options =
    given.offsets === undefined ? { ...given, shape: dims, dtype: type } : { ...given, dtype: type };
  const { argument } = operation;
  if (argument === undefined)
    return prepared(operation, input, planLasting(operation, input, undefined, asked, newShared));
  const { [argument]: value, ...rest } = asked;
  return prepared(operation, input, planLasting(operation, input, value, rest, newShared));
}

const declared: { readonly [name: string]: Declared } = operations;
/** Not those that give what another finds in another form. (No constant: a bundle would hold it, and with it all operations.) */
function names(): string[] {
  return Object.keys(declared).filter((name) => declared[name].op.name === name);
}

/** The call itself, over memory that never changes. */
function prepared(operation: Declared, input: object, plan: LastingPlan): object {
  const { backend } = plan;
  const bound = plan.isConstant ? backend.bind?.(plan.problem) : undefined;
  let isRunning = false;
  let isDisposed = false;
  const refuse = () => {
    if (isDisposed)
      throw typeError('a call that is not disposed', 'run', words('one that is'), 'ERR_DISPOSED');
    throw rangeError('a call that is at rest', 'run', words('one that is running'), 'ERR_BUSY');
  };
  return {
    ...memoryOf(operation, input, plan),
    run() {
      if (isRunning || isDisposed) refuse();
      if (bound === undefined) backend.run(plan.again());
      else bound.run();
      return plan.finish();
    },
    async runAsync(signal?: AbortSignal) {
      if (isRunning || isDisposed) refuse();
      signal?.throwIfAborted();
      isRunning = true;
      try {
        await (bound === undefined ? backend.runAsync(plan.again(), signal) : bound.runAsync(signal));
      } finally {
        isRunning = false;
        if (isDisposed) bound?.release();
      }
      return plan.finish();
    },
    [Symbol.dispose]() {
      if (isDisposed) return;
      isDisposed = true;
      if (!isRunning) bound?.release();
    },
  };
}

/** What the caller writes and reads: `input`, `output`, and everything else by its own name. */
function memoryOf({ op, argument, live }: Declared, input: object, plan: LastingPlan): object {
  const memory: { [name: string]: unknown } = { input };
  for (const name of op.writes) memory[name === 'out' ? 'output' : name] = undefined;
  for (const written of plan.outputs) {
    if (written) memory[written.write.array === 'out' ? 'output' : written.write.array] = written.data;
  }
  if (live !== undefined && argument !== undefined) memory[argument] = plan.live;
  return memory;
}

/** Arrays among the options are copied: they must not change, nor be detached, between two runs. */
function snapshot(options: Options): Options {
  const copy: { [name: string]: unknown } = {};
  for (const name in options) {
    const value = options[name];
    const kind = arrayKind(value);
    if (kind !== undefined) copy[name] = copyOf(value, kind);
    else if (name === 'where' && !Array.isArray(value)) copy[name] = tensorCopy(value);
    else copy[name] = value;
  }
  return copy;
}

function tensorCopy(value: unknown): unknown {
  const parts = tensorParts(value, 'where');
  const kind = arrayKind(parts?.data);
  if (parts === undefined || kind === undefined) return value;
  return { data: copyOf(parts.data, kind), dims: parts.dims };
}

function readDims(shape: unknown): readonly number[] {
  if (!Array.isArray(shape)) throw typeError('an array of integers', 'shape', shape);
  return shape.map((dim, i) => readInteger(dim, `shape[${i}]`, 0));
}

function newShared(type: ElementType | 'uint32' | 'int32', count: number) {
  switch (type) {
    case 'float64':
      return new Float64Array(newMemory(count * 8));
    case 'float32':
      return new Float32Array(newMemory(count * 4));
    case 'uint32':
      return new Uint32Array(newMemory(count * 4));
    case 'int32':
      return new Int32Array(newMemory(count * 4));
    default:
      return new Uint16Array(newMemory(count * 2));
  }
}

/** Shared memory can neither be detached nor shrunk, so other threads may work on it in place. */
function newMemory(bytes: number): ArrayBufferLike {
  return allocate(bytes, () =>
    typeof SharedArrayBuffer === 'function' ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes),
  );
}
