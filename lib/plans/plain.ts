/**
 * The commonest calls, told apart and planned with as little work as can be: float32 or float64 rows, and no
 * options but `out`, `temperature`, `threads` or a `shape` of [rows, classes]. Whatever else it meets, it leaves
 * to the general plans, which also word the errors: nothing is refused here.
 */
import { defaultBackend, threadLimit } from '../backend.js';
import { arrayKind } from '../elements.js';
import type { Plan } from '../plan.js';
import type { Problem } from '../problem.js';

type Floats = Float32Array | Float64Array;

/** The plan of a plain call, or undefined for any other. */
export function planPlain(op: PlainOp, x: unknown, options: unknown): Plan<unknown> | undefined {
  const kind = arrayKind(x);
  if (kind !== 'Float32Array' && kind !== 'Float64Array') return undefined;
  const data = x as Floats;
  const count = data.length;
  if (count === 0) return undefined;
  let rows = 1;
  let temperature = 1;
  let threads = threadLimit;
  let out: unknown;
  if (options !== undefined) {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) return undefined;
    for (const name in options) {
      const value = (options as { [name: string]: unknown })[name];
      switch (name) {
        case 'out':
          out = value;
          break;
        case 'shape':
          rows = rowsOf(value, count);
          if (rows === 0) return undefined;
          break;
        case 'temperature':
          if (typeof value !== 'number' || !(value > 0) || value === Number.POSITIVE_INFINITY)
            return undefined;
          temperature = value;
          break;
        case 'threads':
          if (typeof value !== 'number' || threadLimit !== 0 || value < 1 || !Number.isSafeInteger(value))
            return undefined;
          threads = value;
          break;
        default:
          return undefined;
      }
    }
  }
  const results = op === 'logSumExp' ? rows : count;
  if (out === undefined) {
    out = kind === 'Float32Array' ? new Float32Array(results) : new Float64Array(results);
  } else if (op === 'logSumExp') {
    if (arrayKind(out) !== kind || (out as Floats).length !== rows || (out as Floats).buffer === data.buffer)
      return undefined;
  } else if (out !== x && (arrayKind(out) !== kind || !isSameOrApart(out as Floats, data))) {
    return undefined;
  }
  const type = kind === 'Float32Array' ? 'float32' : 'float64';
  const problem: PlainProblem = {
    op,
    x: data,
    type,
    outer: rows,
    length: count / rows,
    inner: 1,
    temperature,
    threads,
    where: undefined,
    whereShared: false,
    lengths: undefined,
    offsets: undefined,
    out: out as Floats,
    outType: type,
    logNormalizer: undefined,
  };
  return { backend: defaultBackend, problem, finish: outOfProblem };
}

type PlainOp = 'softmax' | 'logSoftmax' | 'logSumExp';
type PlainProblem = Extract<Problem, { op: PlainOp }>;

/** Shared by all plain plans: a closure for each would cost more than the call. */
function outOfProblem(this: Plan<unknown>): unknown {
  return (this.problem as PlainProblem).out;
}

/** The rows of a shape of [rows, classes] that fits `count` elements; 0 for any other. */
function rowsOf(shape: unknown, count: number): number {
  if (!Array.isArray(shape) || shape.length !== 2) return 0;
  const rows: unknown = shape[0];
  return typeof rows === 'number' && rows > 0 && Number.isInteger(rows) && rows * shape[1] === count
    ? rows
    : 0;
}

/**
 * True where `out` is as long as `x`, and the same memory or apart from it. Asking a small array for its `buffer`
 * makes V8 move it out of its heap (100 ns and more), so the buffers are compared only where they must be: two
 * arrays of one kind and length that start at the same offset cannot overlap in part.
 */
function isSameOrApart(out: Floats, x: Floats): boolean {
  return out.length === x.length && (out.byteOffset === x.byteOffset || out.buffer !== x.buffer);
}
