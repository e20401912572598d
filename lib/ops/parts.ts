/** A problem in parts of whole rows, one after another in the same memory, for what adds up over rows. */
import type { Memory } from '../arguments/extents.js';
import type { Request } from '../arguments/rowOptions.js';
import type { Data, Problem, Rows } from '../backends/problem.js';
import type { Draft, Write } from './operation.js';

/** Logits in a part: work for several threads (native/batch.cc gives each 2^17 of them). */
const partLogits = 2 ** 20;
/** Rows in a part, at least (or threads would wait for each other) and at most: their results take up to 40 bytes each. */
const fewestRows = 64;
const mostRows = 2 ** 16;

/** Rows of a part, whole slabs where the rows of one lie side by side. */
function rowsPerPart({ outer, length, inner }: Rows): number {
  const rows = Math.min(Math.max(Math.floor(partLogits / Math.max(length, 1)), fewestRows), mostRows);
  return Math.min(inner > 1 ? Math.max(Math.floor(rows / inner), 1) * inner : rows, outer * inner);
}

/** Memory of calls that are done, for the next: to allocate it takes as long as to judge a third of the rows. */
const spare: (Float64Array | Uint32Array)[] = [];
/** As many arrays as an operation writes. */
const mostSpare = 6;

function newRoom(type: 'float64' | 'uint32', size: number): Float64Array | Uint32Array {
  const bytes = type === 'float64' ? 8 : 4;
  const at = spare.findIndex((room) => room.length === size && room.BYTES_PER_ELEMENT === bytes);
  if (at >= 0) return spare.splice(at, 1)[0];
  return type === 'float64' ? new Float64Array(size) : new Uint32Array(size);
}

function release(room: Memory): void {
  if (room.length > mostRows) return;
  if (spare.length === mostSpare) spare.shift();
  spare.push(room as Float64Array | Uint32Array);
}

/** An array that such an operation writes: `count` numbers for each row of a part. */
export function ofPart(
  request: Request,
  array: string,
  type: 'float64' | 'uint32' = 'float64',
  count = 1,
): Write {
  const size = rowsPerPart(request.rows) * count;
  return {
    array,
    name: array,
    type,
    extent: { dims: [size], apart: { memory: () => newRoom(type, size), settle() {}, release } },
    given: undefined,
    form: { kind: 'array', float16: false },
    mayBeX: false,
    when: 'prepared',
  };
}

/** The parts of a problem whose outputs are `ofPart`, in order: each is posed in the one object, once the last is done with. */
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

/** What adds up over rows has a target for each. */
export interface PartedProblem extends Problem {
  readonly targets: Int32Array;
}

/** Slabs [first, end) of a problem. */
function takePart(part: Draft<PartedProblem>, whole: PartedProblem, first: number, end: number): void {
  const { op, x, length, inner, where, whereShared, lengths, offsets, temperatures, targets } = whole;
  const from = offsets ? offsets[first] : first * length * inner;
  const to = offsets ? offsets[end] : end * length * inner;
  const rows = (end - first) * inner;
  part.outer = end - first;
  part.x = x.subarray(from, to) as Data;
  part.targets = targets.subarray(first * inner, end * inner);
  if (where !== undefined && whereShared !== true) part.where = where.subarray(from, to);
  if (temperatures !== undefined) part.temperatures = temperatures.subarray(first * inner, end * inner);
  takeWords(part as object, whole, first * inner, end * inner);
  if (lengths !== undefined) part.lengths = lengths.subarray(first * inner, end * inner);
  if (offsets !== undefined) part.offsets = offsets.subarray(first, end + 1).map((offset) => offset - from);
  const most = rowsPerPart(whole);
  const arrays = part as unknown as { [name: string]: Float64Array };
  for (const name of op.writes) {
    const array = (whole as unknown as { readonly [name: string]: Float64Array })[name];
    const wanted = (rows * array.length) / most;
    if (arrays[name].length !== wanted) arrays[name] = array.subarray(0, wanted);
  }
}

/** A bitmask has whole words for each row. */
interface Bitmasked {
  bitmask?: Uint32Array | undefined;
  readonly bitmaskShared?: boolean | undefined;
}

function takeWords(
  part: Bitmasked,
  { bitmask, bitmaskShared, length }: Bitmasked & Rows,
  first: number,
  end: number,
) {
  const words = Math.ceil(length / 32);
  if (bitmask !== undefined && bitmaskShared !== true)
    part.bitmask = bitmask.subarray(first * words, end * words);
}
