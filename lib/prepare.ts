/** Prepared calls: validated once, over memory that is theirs and that other threads may work on in place. */
import { most } from './arguments/counts.js';
import { allocate, arrayKind, copyOf, reducedType } from './arguments/elements.js';
import { rangeError, shapeError, typeError, words } from './arguments/errors.js';
import { foldAxes, product } from './arguments/layout.js';
import { readType } from './arguments/logits.js';
import { type Options, readInteger, readWord } from './arguments/options.js';
import { tensorParts } from './arguments/tensors.js';
import type { ElementType } from './backends/problem.js';
import { planCrossEntropy } from './ops/crossEntropy.js';
import { planLogSumExp } from './ops/logSumExp.js';
import type { Plan } from './ops/plan.js';
import { planSample } from './ops/sample.js';
import { planLogSoftmax, planSoftmax } from './ops/softmax.js';
import { planTopK } from './ops/topK.js';
import type {
  CrossEntropyOptions,
  Reduction,
  RowOptions,
  SampleOptions,
  SoftmaxOptions,
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

/** A prepared `topK`: `output` holds the probabilities. */
export interface PreparedTopK<Input, Output>
  extends Prepared<Input, Output, TopKResult<Output, Uint32Array>> {
  /** The classes that the probabilities belong to, in the same shape. */
  readonly indices: Uint32Array;
}

/** A prepared `sample`; with a seed, every run adds 1 to it. */
export interface PreparedSample<Input> extends Prepared<Input, Uint32Array> {
  /** There if the option `logProbabilities` is true. */
  readonly logProbabilities: Float64Array | undefined;
}

/** A prepared `crossEntropy`: `output` holds the loss, or with reduction `'none'` the loss of every row. */
export interface PreparedCrossEntropy<Input, Output, Result> extends Prepared<Input, Output, Result> {
  /** A class per row, 0 at first; `ignoreIndex` for rows without classes. Checked by every run. */
  readonly targets: Int32Array;
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

type Omitted = keyof PrepareOptions | 'out' | 'outType' | 'gradient' | 'logProbabilities' | 'reduction';

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
export function prepare<Type extends ElementType = 'float32'>(
  op: 'logSumExp',
  options: PrepareOptions<Type>,
): Prepared<ArrayOf<Type>, Type extends 'float64' ? Float64Array : Float32Array>;
export function prepare<Type extends ElementType = 'float32', OutType extends ElementType = Type>(
  op: 'topK',
  options: PrepareOptions<Type> &
    Pick<TopKOptions, 'logNormalizer'> & { readonly k: number; readonly outType?: OutType },
): PreparedTopK<ArrayOf<Type>, ArrayOf<OutType>>;
export function prepare<Type extends ElementType = 'float32'>(
  op: 'sample',
  options: PrepareOptions<Type> & Omit<SampleOptions, Omitted> & { readonly logProbabilities?: boolean },
): PreparedSample<ArrayOf<Type>>;
export function prepare<Type extends ElementType = 'float32', How extends Reduction = 'mean'>(
  op: 'crossEntropy',
  options: PrepareOptions<Type> &
    Omit<CrossEntropyOptions, Omitted> & { readonly reduction?: How; readonly gradient?: boolean },
): PreparedCrossEntropy<
  ArrayOf<Type>,
  Type extends 'float64' ? Float64Array : Float32Array,
  How extends 'none' ? (Type extends 'float64' ? Float64Array : Float32Array) : number
>;
export function prepare(op: unknown, options: unknown): unknown {
  const name = readWord(op, 'op', ops);
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
  const rowOptions =
    given.offsets === undefined ? { ...given, shape: dims, dtype: type } : { ...given, dtype: type };
  const kept =
    given.offsets === undefined ? product(foldAxes(dims, given.axis).kept) : lengthOf(given.offsets) - 1;
  return preparations[name]({ input, type, rows: Math.max(0, kept), dims, options: rowOptions });
}

const ops = ['softmax', 'logSoftmax', 'logSumExp', 'topK', 'sample', 'crossEntropy'] as const;

interface Request {
  readonly input: Shared;
  readonly type: ElementType;
  readonly rows: number;
  readonly dims: readonly number[];
  readonly options: Options;
}

type Shared = Float32Array | Float64Array | Uint16Array;

const preparations: { readonly [op in (typeof ops)[number]]: (request: Request) => object } = {
  softmax: (request) => preparedLike(planSoftmax, request),
  logSoftmax: (request) => preparedLike(planLogSoftmax, request),
  logSumExp({ input, type, rows, options }) {
    const output = newShared(reducedType(type), rows);
    return prepared(planLogSumExp(input, { ...options, out: output }), { input, output });
  },
  topK({ input, type, rows, options: { k, ...options } }) {
    const outType = readType(options.outType, 'outType') ?? type;
    const count = rows * readInteger(k, 'k', 0, most);
    const probabilities = newShared(outType, count);
    const indices = new Uint32Array(newMemory(count * 4));
    const plan = planTopK(input, k, { ...options, out: { probabilities, indices } });
    return prepared(plan, { input, output: probabilities, indices });
  },
  sample({ input, rows, options }) {
    const { count = 1 } = options;
    const draws = rows * readInteger(count, 'count', 1, most);
    const output = new Uint32Array(newMemory(draws * 4));
    const logProbabilities = readFlag(options.logProbabilities, 'logProbabilities')
      ? new Float64Array(newMemory(draws * 8))
      : undefined;
    const plan = planSample(input, { ...options, out: output, logProbabilities });
    return prepared(plan, { input, output, logProbabilities });
  },
  crossEntropy({ input, type, rows, options }) {
    const isEach = options.reduction === 'none';
    const output = newShared(reducedType(type), isEach ? rows : 1);
    const targets = new Int32Array(newMemory(rows * 4));
    // Rows without classes have no class 0: their targets are ignored from the start.
    const offsets = options.offsets as ArrayLike<number | bigint> | undefined;
    for (let row = 0; row < rows; row++) {
      const isEmpty = offsets === undefined ? input.length === 0 : offsets[row] === offsets[row + 1];
      const { ignoreIndex = -100 } = options;
      if (isEmpty && typeof ignoreIndex === 'number') targets[row] = ignoreIndex;
    }
    const gradient = readFlag(options.gradient, 'gradient') ? newShared(type, input.length) : undefined;
    const plan = planCrossEntropy(input, targets, {
      ...options,
      gradient,
      ...(isEach ? { out: output } : {}),
    });
    const finish = () => {
      const result = plan.finish();
      if (!isEach) output[0] = result as number;
      return result;
    };
    return prepared({ ...plan, finish }, { input, output, targets, gradient });
  },
};

function preparedLike(plan: (x: unknown, options: unknown) => Plan<unknown>, request: Request): object {
  const { input, type, options } = request;
  const output = newShared(readType(options.outType, 'outType') ?? type, input.length);
  return prepared(plan(input, { ...options, out: output }), { input, output });
}

/** The call itself, around a plan whose memory never changes. */
function prepared(plan: Plan<unknown>, memory: object): object {
  const { backend, again } = plan;
  const bound = again === undefined ? backend.bind?.(plan.problem) : undefined;
  let isRunning = false;
  let isDisposed = false;
  const refuse = () => {
    if (isDisposed)
      throw typeError('a call that is not disposed', 'run', words('one that is'), 'ERR_DISPOSED');
    throw rangeError('a call that is at rest', 'run', words('one that is running'), 'ERR_BUSY');
  };
  const solve =
    bound !== undefined ? () => bound.run() : () => backend.run(again === undefined ? plan.problem : again());
  const solveAsync = (signal: AbortSignal | undefined) =>
    bound !== undefined
      ? bound.runAsync(signal)
      : backend.runAsync(again === undefined ? plan.problem : again(), signal);
  return {
    ...memory,
    run() {
      if (isRunning || isDisposed) refuse();
      solve();
      return plan.finish();
    },
    async runAsync(signal?: AbortSignal) {
      if (isRunning || isDisposed) refuse();
      signal?.throwIfAborted();
      isRunning = true;
      try {
        await solveAsync(signal);
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

function readFlag(value: unknown, name: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw typeError('true or false', name, value);
  return value === true;
}

function lengthOf(list: unknown): number {
  return (list as { length?: number } | null)?.length ?? 0;
}

function newShared(type: ElementType, count: number): Shared {
  if (type === 'float64') return new Float64Array(newMemory(count * 8));
  return type === 'float32' ? new Float32Array(newMemory(count * 4)) : new Uint16Array(newMemory(count * 2));
}

/** Shared memory can neither be detached nor shrunk, so other threads may work on it in place. */
function newMemory(bytes: number): ArrayBufferLike {
  return allocate(bytes, () =>
    typeof SharedArrayBuffer === 'function' ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes),
  );
}
