/**
 * The native backend: hands problems to the C++ side. The numbers of a problem travel in a header that both sides
 * see, its arrays as arguments, and the smallest rows in a scratch area, since looking up a typed array takes the
 * C++ side longer than scoring four classes.
 */

import { setElements } from '../../arguments/elements.js';
import { onAbort } from '../abort.js';
import { onPrivateMemory } from '../memory.js';
import {
  type Backend,
  type Bound,
  type Data,
  type ElementType,
  type Op,
  type Problem,
  smallElements,
} from '../problem.js';
import { loadAddon } from './load.js';

type Floats = Float32Array | Float64Array;
type View = Data | Uint32Array | Int32Array | Uint8Array;
type Operands = readonly (View | undefined)[];

/** What native/binding.cc exports. */
export interface Addon {
  /** See load.ts. */
  readonly protocol: number;
  /** Kernel tables that this machine runs, best first. */
  readonly isas: readonly string[];
  /** Threads that this process may use. */
  readonly threads: number;
  pin(header: Float64Array, logits: Float64Array, results: Float64Array): void;
  solve(...operands: Operands): void;
  solveScratch(): void;
  prepare(...operands: Operands): number;
  solvePrepared(): void;
  release(): void;
  submit(landed: () => void, ...operands: Operands): number;
  cancel(): void;
  /** What is pinned: kept here, since a process that both imports and requires this package loads one addon twice. */
  memory?: Memory;
}

interface Memory {
  readonly header: Float64Array;
  /** The scratch area: where small rows are copied, and where their results come from. */
  readonly logits: Float64Array;
  readonly results: Float64Array;
}

const ops: { readonly [op in Op]: number } = {
  softmax: 0,
  logSoftmax: 1,
  logSumExp: 2,
  topK: 3,
  sample: 4,
  crossEntropy: 5,
};
const types: { readonly [type in ElementType]: number } = { float32: 0, float64: 1, float16: 2, bfloat16: 3 };

/** Places in the header: the twin of `Field` in native/binding.cc. */
const field = {
  kernels: 0,
  op: 1,
  type: 2,
  outType: 3,
  outer: 4,
  length: 5,
  inner: 6,
  elements: 7,
  temperature: 8,
  threads: 9,
  whereShared: 10,
  normalizerShared: 11,
  k: 12,
  count: 13,
  keepTop: 14,
  topP: 15,
  minPReach: 16,
  seedLow: 17,
  seedHigh: 18,
  logProbabilitiesType: 19,
  ignoreIndex: 20,
  labelSmoothing: 21,
  gradientScale: 22,
  handle: 23,
  small: 24,
} as const;

const { addon } = loadAddon();
const { header, logits, results } = addon?.memory ?? newMemory();

function newMemory(): Memory {
  // In buffers of their own, which stay where they are; V8 copies to shared ones at a third of the speed.
  const scratch = new ArrayBuffer(2 * smallElements * 8 + 512);
  const memory = {
    header: new Float64Array(new ArrayBuffer(256)),
    logits: new Float64Array(scratch, 0, smallElements),
    // Not a page further on: a core takes a load for one of what it stores at the same place of another page.
    results: new Float64Array(scratch, smallElements * 8 + 512, smallElements),
  };
  if (addon !== null) {
    addon.pin(memory.header, memory.logits, memory.results);
    addon.memory = memory;
  }
  return memory;
}

/**
 * Promised work that is over before a thread could be woken for it (5 to 50 microseconds): at 0.5 to 8 ns an element
 * it is done at the call, as its arguments would only have been copied then.
 */
function isBrief(problem: Problem): boolean {
  return problem.x.length <= briefElements && (problem.op !== 'sample' || problem.count <= briefDraws);
}

const briefElements = 4096;
const briefDraws = 64;

export function nativeBackend(isa: string): Backend {
  if (addon === null) throw new TypeError(`Expected the addon for ${isa} but received null`);
  const native = addon;
  const kernels = native.isas.indexOf(isa);

  const runSmall = smallSolver(native, kernels);

  /** Solves the problem on the threads, or by `run` at once where that is brief. */
  async function promised(problem: Problem, signal: AbortSignal | undefined, run: () => void): Promise<void> {
    if (!isBrief(problem))
      return onPrivateMemory(problem, signal, (own) => submit(native, kernels, own, signal));
    signal?.throwIfAborted();
    run();
  }

  return {
    kind: 'native',
    isa,
    run(problem) {
      const plain = isPlain(problem);
      if (plain && isSmall(problem))
        return runSmall(problem.op, problem.x, problem.out, problem.outer, problem.temperature);
      writeHeader(kernels, problem);
      if (plain) native.solve(problem.x, problem.out);
      else native.solve(...operandsOf(problem));
    },
    runSmall,
    runAsync(problem, signal) {
      return promised(problem, signal, () => this.run(problem));
    },
    bind(problem): Bound {
      const operands = operandsOf(problem);
      writeHeader(kernels, problem);
      const handle = native.prepare(...operands);
      return {
        run() {
          header[field.handle] = handle;
          native.solvePrepared();
        },
        runAsync(signal) {
          return promised(problem, signal, () => this.run());
        },
        release() {
          header[field.handle] = handle;
          native.release();
        },
      };
    },
  };
}

/**
 * Solves small rows in the scratch area, where they are copied, and their results from there. All that it takes is
 * constants of one function, whose values V8 compiles in; bundlers make variables of those of a module (7 ns).
 */
function smallSolver(native: Addon, kernels: number): NonNullable<Backend['runSmall']> {
  const { softmax, logSoftmax, logSumExp } = ops;
  const { float32, float64 } = types;
  const temperatureAt = field.temperature;
  const numbers = header;
  /** Kernels, op, type, rows and classes. */
  const small = new Uint32Array(numbers.buffer, numbers.byteOffset + field.small * 8, 5);
  const logits64 = logits;
  const logits32 = new Float32Array(logits.buffer, logits.byteOffset, logits.length);
  const results64 = results;
  const results32 = new Float32Array(results.buffer, results.byteOffset, results.length);
  /** The first results, by their number. */
  const first64: Float64Array[] = [];
  const first32: Float32Array[] = [];
  const set = setElements;
  /**
   * More are copied by `set`, which takes 12 ns whatever their number: 8 classes 64 ns one by one and 77 so. (For one
   * more, V8 would find `copyFew` too long to compile into its callers.)
   */
  const copiedOneByOne = 8;

  /** Copies 1 to 8 elements; not in a loop, at each turn of which V8 would look at both arrays' kind. */
  function copyFew(from: Floats, to: Floats, count: number): void {
    to[0] = from[0];
    if (count > 1) to[1] = from[1];
    if (count > 2) to[2] = from[2];
    if (count > 3) to[3] = from[3];
    if (count > 4) to[4] = from[4];
    if (count > 5) to[5] = from[5];
    if (count > 6) to[6] = from[6];
    if (count > 7) to[7] = from[7];
  }

  function firstOf<A extends Floats>(all: A, firsts: A[], count: number): A {
    firsts[count] ??= all.subarray(0, count) as A;
    return firsts[count];
  }

  function solveCopied(x: Floats, out: Floats, count: number): void {
    const single = x instanceof Float32Array;
    set(single ? logits32 : logits64, x);
    native.solveScratch();
    set(out, single ? firstOf(results32, first32, count) : firstOf(results64, first64, count));
  }

  return (op, x, out, rows, temperature) => {
    const elements = x.length;
    const count = op === 'logSumExp' ? rows : elements;
    const single = x instanceof Float32Array;
    small[0] = kernels;
    small[1] = op === 'softmax' ? softmax : op === 'logSoftmax' ? logSoftmax : logSumExp;
    small[2] = single ? float32 : float64;
    small[3] = rows;
    small[4] = elements / rows;
    numbers[temperatureAt] = temperature;
    if (elements > copiedOneByOne) return solveCopied(x, out, count);
    copyFew(x, single ? logits32 : logits64, elements);
    native.solveScratch();
    copyFew(single ? results32 : results64, out, count);
  };
}

/** Settles when the threads are done with the problem, or have left it because of the signal. */
function submit(native: Addon, kernels: number, problem: Problem, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let landed = false;
    writeHeader(kernels, problem);
    const handle = native.submit(
      () => {
        landed = true;
        forget();
        resolve();
      },
      ...operandsOf(problem),
    );
    const forget = onAbort(signal, () => {
      if (landed) return;
      header[field.handle] = handle;
      native.cancel();
    });
  });
}

function writeHeader(kernels: number, problem: Problem): void {
  header[field.kernels] = kernels;
  header[field.op] = ops[problem.op];
  header[field.type] = types[problem.type];
  header[field.outer] = problem.outer;
  header[field.length] = problem.length;
  header[field.inner] = problem.inner;
  header[field.elements] =
    problem.offsets === undefined ? problem.outer * problem.length * problem.inner : problem.x.length;
  header[field.temperature] = problem.temperature;
  header[field.threads] = problem.threads;
  header[field.whereShared] = problem.whereShared === true ? 1 : 0;
  switch (problem.op) {
    case 'softmax':
    case 'topK':
      header[field.outType] = types[problem.outType];
      header[field.normalizerShared] = problem.logNormalizer?.length === 1 ? 1 : 0;
      if (problem.op === 'topK') header[field.k] = problem.k;
      break;
    case 'sample':
      header[field.count] = problem.count;
      header[field.keepTop] = problem.topK;
      header[field.topP] = problem.topP;
      header[field.minPReach] = problem.minPReach;
      header[field.seedLow] = problem.seed[0];
      header[field.seedHigh] = problem.seed[1];
      header[field.logProbabilitiesType] =
        problem.logProbabilities instanceof Float64Array ? types.float64 : types.float32;
      break;
    case 'crossEntropy':
      header[field.ignoreIndex] = problem.ignoreIndex;
      header[field.labelSmoothing] = problem.labelSmoothing;
      header[field.gradientScale] = problem.gradientScale;
      break;
    default:
      header[field.outType] = types[problem.outType];
  }
}

/** The arrays of a problem: the twin of `Operand` in native/binding.cc. */
function operandsOf(problem: Problem): Operands {
  const { x, where, lengths, offsets } = problem;
  const rows = [where, lengths, offsets] as const;
  switch (problem.op) {
    case 'softmax':
      return [x, problem.out, ...rows, problem.logNormalizer];
    case 'topK':
      return [x, problem.out, ...rows, problem.logNormalizer, problem.indices];
    case 'sample':
      return [x, problem.out, ...rows, undefined, undefined, problem.logProbabilities];
    case 'crossEntropy': {
      const { losses, targets, targetProbabilities, weights, gradient } = problem;
      const none = undefined;
      return [x, losses, ...rows, none, none, none, targets, targetProbabilities, weights, gradient];
    }
    default:
      return [x, problem.out, ...rows];
  }
}

/** No arrays but x and out. */
function isPlain(problem: Problem): problem is Plain {
  if (problem.op !== 'softmax' && problem.op !== 'logSoftmax' && problem.op !== 'logSumExp') return false;
  if (problem.where !== undefined || problem.lengths !== undefined || problem.offsets !== undefined)
    return false;
  return problem.op !== 'softmax' || problem.logNormalizer === undefined;
}

type Plain = Extract<Problem, { readonly op: 'softmax' | 'logSoftmax' | 'logSumExp' }>;

/** What fits the scratch area. (An array that no native code has seen takes 250 ns to be looked up.) */
function isSmall(problem: Plain): problem is Plain & { readonly x: Floats; readonly out: Floats } {
  const { x, outer, length, inner, type, outType } = problem;
  if (inner !== 1 || outType !== type || type === 'float16' || type === 'bfloat16') return false;
  return x.length > 0 && x.length <= smallElements && outer * length === x.length;
}
