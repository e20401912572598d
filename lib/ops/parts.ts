/** A problem in parts of whole rows, one after another in the same memory, for what adds up over rows. */
import type { Request } from '../arguments/rows.js';
import type { Data, Problem, Rows } from '../backends/problem.js';
import type { Draft, Write } from './operation.js';

/** Logits in a part: more than a call takes to be handed over; few enough to stay within a core's cache. */
const partLogits = 2 ** 18;
/** Rows in a part, at least (or threads would wait for each other) and at most. */
const fewestRows = 64;
const mostRows = 4096;

/** Rows of a part, whole slabs where the rows of one lie side by side. */
function rowsPerPart({ outer, length, inner }: Rows): number {
  const rows = Math.min(Math.max(Math.floor(partLogits / Math.max(length, 1)), fewestRows), mostRows);
  return Math.min(inner > 1 ? Math.max(Math.floor(rows / inner), 1) * inner : rows, outer * inner);
}

/** What such an operation writes: `count` numbers for each row of a part. */
export function outOfPart({ rows }: Request, count: number): Write {
  const size = rowsPerPart(rows) * count;
  return {
    array: 'out',
    name: 'out',
    type: 'float64',
    extent: { dims: [size], apart: { memory: () => memoryOf(size), settle() {}, release: keep } },
    given: undefined,
    form: { kind: 'array', float16: false },
    mayBeX: false,
    when: 'prepared',
  };
}

/** The last call's memory serves the next, unless it is much. */
const mostKept = 2 ** 20;
let kept = new Float64Array(0);

function memoryOf(size: number): Float64Array {
  const memory = kept.length >= size ? kept : new Float64Array(size);
  if (memory === kept) kept = new Float64Array(0);
  return memory.length === size ? memory : memory.subarray(0, size);
}

function keep(memory: object): void {
  const { buffer } = memory as Float64Array<ArrayBuffer>;
  if (buffer.byteLength <= mostKept) kept = new Float64Array(buffer);
}

/** The parts of a problem that `outOfPart` is for, in order: each is posed in the one object, once the last is done with. */
export function* partsOf<P extends PartedProblem>(problem: P): Generator<P, void, undefined> {
  const { outer, inner } = problem;
  const slabs = rowsPerPart(problem) / inner;
  if (!(slabs < outer)) {
    if (outer * inner > 0) yield problem;
    return;
  }
  const part: Draft<PartedProblem> = { ...problem };
  for (let first = 0; first < outer; first += slabs) {
    const end = Math.min(first + slabs, outer);
    takePart(part, problem, first, end);
    yield part as P;
  }
}

/** What adds up over rows has a target and `count` numbers for each. */
export interface PartedProblem extends Problem {
  readonly out: Float64Array;
  readonly count: number;
  readonly targets: Int32Array;
}

/** Slabs [first, end) of a problem. */
function takePart(part: Draft<PartedProblem>, whole: PartedProblem, first: number, end: number): void {
  const { x, length, inner, where, whereShared, lengths, offsets, temperatures, out, targets, count } = whole;
  const from = offsets ? offsets[first] : first * length * inner;
  const to = offsets ? offsets[end] : end * length * inner;
  part.outer = end - first;
  part.x = x.subarray(from, to) as Data;
  part.out = out.subarray(0, (end - first) * inner * count);
  part.targets = targets.subarray(first * inner, end * inner);
  if (where !== undefined && whereShared !== true) part.where = where.subarray(from, to);
  if (temperatures !== undefined) part.temperatures = temperatures.subarray(first * inner, end * inner);
  if (lengths !== undefined) part.lengths = lengths.subarray(first * inner, end * inner);
  if (offsets !== undefined) part.offsets = offsets.subarray(first, end + 1).map((offset) => offset - from);
}
