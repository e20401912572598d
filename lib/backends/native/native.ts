/**
 * The native backend: hands problems to the C++ side. The numbers of a problem travel in a header that both sides
 * see, its arrays as arguments, and the smallest rows in a scratch area, since looking up a typed array takes the
 * C++ side longer than scoring four classes.
 */

import { setElements } from '../../arguments/elements.js';
import { onAbort } from '../abort.js';
import { isBrief, onPrivateMemory, refuseLost } from '../asyncCopies.js';
import {
  type Backend,
  type Bound,
  type Op,
  type Problem,
  type Scratch,
  type SmallOp,
  smallElements,
} from '../problem.js';
import type { Addon, Memory } from './binding.js';
import { type Header, headerOf } from './header.js';

type Floats = Float32Array | Float64Array;
function newMemory(native: Addon): Memory {
  // In buffers of their own, which stay where they are; V8 copies to shared ones at a third of the speed.
  const scratch = new ArrayBuffer(2 * smallElements * 8 + 512);
  const memory = {
    // Behind the numbers lie seven 32-bit integers.
    header: new Float64Array(new ArrayBuffer((native.call.numbers.length + 4) * 8)),
    logits: new Float64Array(scratch, 0, smallElements),
    // Not a page further on: a core takes a load for one of what it stores at the same place of another page.
    results: new Float64Array(scratch, smallElements * 8 + 512, smallElements),
    classes: new Uint32Array(new ArrayBuffer(smallElements * 4)),
  };
  native.pin(memory.header, memory.logits, memory.results, memory.classes);
  native.memory = memory;
  return memory;
}

export function nativeBackend(native: Addon, isa: string): Backend {
  const memory = native.memory ?? newMemory(native);
  const header = headerOf(native, memory);
  const handleAt = header.placeOf('handle');
  const kernels = native.isas.indexOf(isa);
  const runSmall = smallSolver(native, memory, header, kernels);

  /** Solves the problem on the threads, or by `run` at once where that is brief. */
  async function promised(problem: Problem, signal: AbortSignal | undefined, run: () => void): Promise<void> {
    if (!isBrief(problem)) return onPrivateMemory(problem, signal, (own) => submit(own, signal));
    signal?.throwIfAborted();
    refuseLost(problem);
    run();
  }

  /** Settles when the threads are done with the problem, or have left it because of the signal. */
  function submit(problem: Problem, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let landed = false;
      header.write(kernels, problem);
      const handle = native.submit(
        () => {
          landed = true;
          forget();
          resolve();
        },
        ...header.arraysOf(problem),
      );
      const forget = onAbort(signal, () => {
        if (landed) return;
        memory.header[handleAt] = handle;
        native.cancel();
      });
    });
  }

  return {
    kind: 'native',
    isa,
    run(problem) {
      const plain = isPlain(problem);
      if (plain && isSmall(problem))
        return runSmall(
          problem.op.name,
          problem.type,
          problem.x,
          problem.x.length,
          problem.out,
          problem.outer,
          problem.temperature,
        );
      header.write(kernels, problem);
      if (plain) native.solve(problem.x, problem.out);
      else native.solve(...header.arraysOf(problem));
    },
    runSmall,
    scratch: scratchOf(native, memory, header, kernels),
    longest: native.longest,
    areShares: (data, type) => native.areShares(data, header.codeOfType(type)),
    countClasses: native.countClasses,
    weighClasses: native.weighClasses,
    tally: native.tally,
    runAsync(problem, signal) {
      return promised(problem, signal, () => this.run(problem));
    },
    bind(problem): Bound {
      header.write(kernels, problem);
      const arrays = header.arraysOf(problem); // held here, and their memory with them
      const handle = native.prepare(...arrays);
      return {
        run() {
          memory.header[handleAt] = handle;
          native.solvePrepared();
        },
        runAsync(signal) {
          return promised(problem, signal, () => this.run());
        },
        release() {
          memory.header[handleAt] = handle;
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
function smallSolver(
  native: Addon,
  { logits, results }: Memory,
  { numbers, placeOf, scratchAt, codeOf, codeOfType }: Header,
  kernels: number,
): NonNullable<Backend['runSmall']> {
  const softmax = codeOf('softmax');
  const logSoftmax = codeOf('logSoftmax');
  const logSumExp = codeOf('logSumExp');
  const float32 = codeOfType('float32');
  const float64 = codeOfType('float64');
  const temperatureAt = placeOf('temperature');
  const small = sizesBehind(numbers, scratchAt);
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

  function solveCopied(single: boolean, x: Floats, out: Floats, count: number): void {
    set(single ? logits32 : logits64, x);
    native.solveScratch();
    set(out, single ? firstOf(results32, first32, count) : firstOf(results64, first64, count));
  }

  return (op, type, x, elements, out, rows, temperature) => {
    const count = op === 'logSumExp' ? rows : elements;
    const single = type === 'float32';
    small[0] = kernels;
    small[1] = op === 'softmax' ? softmax : op === 'logSoftmax' ? logSoftmax : logSumExp;
    small[2] = single ? float32 : float64;
    small[3] = rows;
    small[4] = elements / rows;
    numbers[temperatureAt] = temperature;
    if (elements > copiedOneByOne) return solveCopied(single, x, out, count);
    copyFew(x, single ? logits32 : logits64, elements);
    native.solveScratch();
    copyFew(single ? results32 : results64, out, count);
  };
}

/** Kernels, op, type, rows, classes, and two numbers of the operation's own: what solveScratch() reads. */
function sizesBehind(numbers: Float64Array, scratchAt: number): Uint32Array {
  return new Uint32Array(numbers.buffer, numbers.byteOffset + scratchAt * 8, 7);
}

/** The scratch area for lone rows. */
function scratchOf(
  native: Addon,
  { logits, results, classes }: Memory,
  { numbers, placeOf, scratchAt, codeOf, codeOfType }: Header,
  kernels: number,
): Scratch {
  const sizes = sizesBehind(numbers, scratchAt);
  const temperatureAt = placeOf('temperature');
  const softmax = codeOf('softmax');
  const topK = codeOf('topK');
  const sample = codeOf('sample');
  const crossEntropy = codeOf('crossEntropy');
  const float32 = codeOfType('float32');
  const float64 = codeOfType('float64');
  return {
    logits32: new Float32Array(logits.buffer, logits.byteOffset, logits.length),
    logits64: logits,
    results32: new Float32Array(results.buffer, results.byteOffset, results.length),
    results64: results,
    drawn: new Uint32Array(results.buffer, results.byteOffset, results.length),
    classes,
    solve(op, type, count, first, second) {
      sizes[0] = kernels;
      sizes[1] = op === 'softmax' ? softmax : op === 'topK' ? topK : op === 'sample' ? sample : crossEntropy;
      sizes[2] = type === 'float32' ? float32 : float64;
      sizes[3] = 1;
      sizes[4] = count;
      sizes[5] = first;
      sizes[6] = second;
      numbers[temperatureAt] = 1;
      native.solveScratch();
    },
  };
}

/** No arrays but x and out, of an operation that solveScratch() knows. */
function isPlain(problem: Problem): problem is Plain {
  const { op, where, bitmask, lengths, offsets, temperatures } = problem;
  if (where !== undefined || bitmask !== undefined || lengths !== undefined) return false;
  if (offsets !== undefined || temperatures !== undefined) return false;
  if (op.name === 'softmax') return (problem as Plain).logNormalizer === undefined;
  return op.name === 'logSoftmax' || op.name === 'logSumExp';
}

interface Plain extends Problem {
  readonly op: Op & { readonly name: SmallOp };
  readonly logNormalizer?: unknown;
}

/** What fits the scratch area. (An array that no native code has seen takes 250 ns to be looked up.) */
function isSmall(problem: Plain): problem is Plain & {
  readonly x: Floats;
  readonly out: Floats;
  readonly type: 'float32' | 'float64';
} {
  const { x, outer, length, inner, type, outType } = problem;
  if (inner !== 1 || outType !== type || type === 'float16' || type === 'bfloat16') return false;
  return x.length > 0 && x.length <= smallElements && outer * length === x.length;
}
