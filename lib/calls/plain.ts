/**
 * The commonest calls, told apart and solved with as little work as can be, for the smallest of them take no longer
 * than it takes to look at their arguments: float32 or float64 rows, and no options but `out`, `temperature`,
 * `threads`, a `shape` and its last `axis`. Whatever else it meets it leaves to the plans, which also word the
 * errors: nothing is refused here.
 */

import {
  arrayKind,
  byteOffsetOf,
  isImmutable,
  knowsImmutable,
  lengthOf,
  bufferOf as memoryOf,
} from '../arguments/elements.js';
import { decided } from '../backends/backend.js';
import { type Backend, type ElementType, type SmallOp, smallElements } from '../backends/problem.js';
import { logSumExp } from '../ops/rowValues.js';
import { logSoftmax, softmax } from '../ops/softmax.js';

type Floats = Float32Array | Float64Array;

/**
 * The result of a plain call, or undefined for any other, of which nothing is done then. (A closure, because V8 compiles
 * in the values of its constants; bundlers make variables of those of a module, which costs a lone call 7 ns.)
 */
export const solvePlain = (() => {
  const none = new Float32Array(0);
  const most = smallElements;
  const kindOf = arrayKind;
  const countOf = lengthOf;
  const offsetOf = byteOffsetOf;
  const bufferOf = memoryOf;
  const mayBeImmutable = knowsImmutable;
  let isDecided = false;
  let backend: Backend;
  let runSmall: Backend['runSmall'];
  let limit = 0;

  /** The backend of all calls, as far as it is known (backend.ts). */
  function decide(): void {
    const { backend: decision, threadLimit, isFinal } = decided();
    backend = decision;
    runSmall = decision.runSmall;
    limit = threadLimit;
    isDecided = isFinal;
  }

  /** The problem of every plain call: one is over before the next begins, and a new one would cost 20 ns. */
  const problem = {
    op: softmax.op,
    x: none as Floats,
    type: 'float32' as 'float32' | 'float64',
    outer: 0,
    length: 0,
    inner: 1,
    temperature: 1,
    temperatures: undefined,
    threads: 0,
    where: undefined,
    whereShared: false,
    bitmask: undefined,
    bitmaskShared: false,
    lengths: undefined,
    offsets: undefined,
    out: none as Floats,
    outType: 'float32' as 'float32' | 'float64',
    logNormalizer: undefined,
    logNormalizerShared: false,
  };

  /** Whether there is no option but `out`. (To look up each takes 2 ns more.) */
  function isOutAlone(options: object): boolean {
    for (const name in options) {
      if (name !== 'out') return false;
    }
    return true;
  }

  /** The type of a float array, by the engine: its prototype, or an own `length`, may say anything. */
  function floatType(x: unknown): (ElementType & ('float32' | 'float64')) | undefined {
    const kind = kindOf(x);
    if (kind === 'Float32Array') return 'float32';
    return kind === 'Float64Array' ? 'float64' : undefined;
  }

  /** The rows of a shape that fits `count` elements, with the classes along its last axis; 0 for any other. */
  function rowsOf(shape: unknown, axis: unknown, count: number): number {
    if (!Array.isArray(shape) || shape.length === 0) return 0;
    const last = shape.length - 1;
    if (axis !== -1 && axis !== last) return 0;
    let rows = 1;
    for (let i = 0; i < last; i++) rows *= dimension(shape[i]);
    return rows * dimension(shape[last]) === count ? rows : 0;
  }

  function dimension(value: unknown): number {
    return Number.isInteger(value) && (value as number) > 0 ? (value as number) : 0;
  }

  /**
   * True where both have the right lengths, and `out` can be seen not to overlap a part of `x`. Two arrays of one kind and
   * length that start at the same offset are the same memory or apart: where they may be the same, their buffers need
   * not be compared, for which V8 would have to move small arrays out of its heap (100 ns and more). The properties
   * `length`, which may lie, are compared first, and here, each by itself: they tell V8 what kind of array it is, without
   * which it calls each of the getters (6 ns).
   */
  function isApart(out: Floats, x: Floats, count: number, results: number, mayBeSame: boolean): boolean {
    if (out.length !== results) return false;
    if (x.length !== count) return false;
    if (countOf(x) !== count || countOf(out) !== results) return false;
    return (mayBeSame && offsetOf(out) === offsetOf(x)) || bufferOf(out) !== bufferOf(x);
  }

  /** A function of its own: with more code in solvePlain, V8 compiles less of what it calls into it. */
  function solveProblem(
    op: SmallOp,
    type: 'float32' | 'float64',
    x: Floats,
    count: number,
    out: Floats,
    rows: number,
    temperature: number,
    threads: number,
  ): Floats | undefined {
    if (isImmutable(out)) return undefined;
    problem.op = op === 'softmax' ? softmax.op : op === 'logSoftmax' ? logSoftmax.op : logSumExp.op;
    problem.x = x;
    problem.type = type;
    problem.outer = rows;
    problem.length = count / rows;
    problem.temperature = temperature;
    problem.threads = threads;
    problem.out = out;
    problem.outType = type;
    backend.run(problem);
    problem.x = none;
    problem.out = none;
    return out;
  }

  return function solvePlain(op: SmallOp, x: unknown, options: unknown): Floats | undefined {
    const type = floatType(x);
    if (type === undefined) return undefined;
    if (!isDecided) decide();
    let shape: unknown;
    let axis: unknown = -1;
    let temperature = 1;
    let threads = limit;
    let out: unknown;
    if (options !== undefined) {
      if (typeof options !== 'object' || options === null || Array.isArray(options)) return undefined;
      if (isOutAlone(options)) {
        out = (options as { readonly out?: unknown }).out;
      } else {
        for (const name in options) {
          const value = (options as { readonly [name: string]: unknown })[name];
          switch (name) {
            case 'out':
              out = value;
              break;
            case 'shape':
              shape = value;
              break;
            case 'axis':
              axis = value;
              break;
            case 'temperature':
              temperature = typeof value === 'number' ? value : 0;
              break;
            case 'threads':
              threads = limit === 0 && Number.isSafeInteger(value) ? (value as number) || -1 : -1;
              break;
            default:
              return undefined;
          }
        }
      }
    }
    const count = (x as Floats).length;
    const rows = shape === undefined ? Number(axis === -1 || axis === 0) : rowsOf(shape, axis, count);
    if (!(count > 0) || rows === 0 || !(temperature > 0 && temperature < Number.POSITIVE_INFINITY))
      return undefined;
    if (threads < 0) return undefined;
    const results = op === 'logSumExp' ? rows : count;
    if (out === undefined || out === x) {
      if (countOf(x as Floats) !== count) return undefined;
      if (out === undefined) out = type === 'float32' ? new Float32Array(results) : new Float64Array(results);
      else if (op === 'logSumExp') return undefined;
    } else if (floatType(out) !== type) return undefined;
    else if (!isApart(out as Floats, x as Floats, count, results, op !== 'logSumExp')) return undefined;

    if (count <= most && runSmall !== undefined && !mayBeImmutable) {
      runSmall(op, type, x as Floats, count, out as Floats, rows, temperature);
      return out as Floats;
    }
    return solveProblem(op, type, x as Floats, count, out as Floats, rows, temperature, threads);
  };
})();
