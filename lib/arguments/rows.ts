/** What all operations share: `x` and the options that say what its rows are. */
import { chooseBackend, decided } from '../backends/backend.js';
import type { Backend, Data, ElementType, Problem, Rows } from '../backends/problem.js';
import { longestRow, readLengths, readOffsets } from './counts.js';
import { arrayKind, isHalf, newData, viewOf } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';
import { foldAxes, inverse, type Layout, permute } from './layout.js';
import { type Elements, readElements, readType } from './logits.js';
import { readFlatMask, readMask } from './masks.js';
import { type Options, readInteger, readTemperature } from './options.js';

/** `x` with its layout, and the part of a problem that every operation has. */
export interface Request {
  readonly x: Elements;
  readonly layout: Layout;
  /** Made for this call; its operation adds the rest of the problem to it. */
  readonly rows: Rows;
  readonly backend: Backend;
}

export function readRows(input: unknown, options: Options, zeroTemperature = false): Request {
  const x = readElements(input, 'x', options.dtype, options.shape);
  const temperature = readTemperature(options.temperature, zeroTemperature);
  const threads = readThreads(options.threads);
  const backend = chooseBackend(options.backend);
  const offsets = options.offsets === undefined ? undefined : readRagged(x, options);
  const layout = offsets ? raggedLayout(offsets) : foldAxes(x.dims, options.axis);
  const { outer, length, inner } = layout;
  const { where, whereShared } = offsets
    ? readFlatMask(options.where, x.data.length)
    : readMask(options.where, x.dims, layout);
  const lengths =
    options.lengths === undefined ? undefined : readLengths(options.lengths, outer * inner, length);
  const rows = {
    x: arrange(x.data, x, layout),
    type: x.type,
    outer,
    length,
    inner,
    temperature,
    threads,
    where,
    whereShared,
    lengths,
    offsets,
  };
  return { x, layout, rows, backend };
}

function readThreads(value: unknown): number {
  const { threadLimit } = decided();
  if (value === undefined) return threadLimit;
  const threads = readInteger(value, 'threads', 1);
  return threadLimit === 0 ? threads : Math.min(threads, threadLimit);
}

/** Ragged rows are flat: the options that shape rectangular ones exclude them. */
function readRagged(x: Elements, options: Options): Uint32Array {
  for (const other of ['shape', 'axis', 'lengths']) {
    if (options[other] !== undefined)
      throw typeError(`no ${other} beside it`, 'offsets', options.offsets, 'ERR_CONFLICTING_OPTIONS');
  }
  if (x.dims.length !== 1)
    throw shapeError('flat data beside offsets', 'x', words(`dimensions [${x.dims.join(', ')}]`));
  return readOffsets(options.offsets, x.data.length);
}

function raggedLayout(offsets: Uint32Array): Layout {
  const outer = offsets.length - 1;
  const length = longestRow(offsets);
  return { outer, length, inner: 1, axes: [0], kept: [outer], before: 1, order: undefined };
}

/** Brings data of the shape of `x` into the layout of the problem: a copy only where the axes lie apart. */
export function arrange(data: Data, x: Elements, { order }: Layout): Data {
  return order === undefined ? data : permute(data, newData(x.type, data.length), x.dims, order);
}

/** Memory for a result of the shape of `x`, in the layout of the problem. */
export function arrangedLike(out: Data, type: ElementType, { order }: Layout): Data {
  return order === undefined ? out : newData(type, out.length);
}

/** What a plan does `again` before each run of a prepared call: data that was brought into order is brought anew. */
export function arrangeAgain<P extends Problem>(
  problem: P,
  x: Elements,
  { order }: Layout,
): (() => P) | undefined {
  if (order === undefined) return undefined;
  return () => {
    permute(x.data, problem.x, x.dims, order);
    return problem;
  };
}

/** Brings a result in the layout of the problem back into the dimensions of `x`. */
export function arrangeBack(data: Data, out: Data, x: Elements, { order }: Layout): void {
  if (order === undefined || data === out) return;
  const dims = order.map((i) => x.dims[i]);
  permute(data, out, dims, inverse(order));
}

/** The dimensions of one value per row; an array, where nothing else is left, has length 1. */
export function reducedDims({ kept }: Layout, x: Elements): readonly number[] {
  return kept.length === 0 && x.form.kind !== 'tensor' ? [1] : kept;
}

/** The option `outType`: 16-bit data may be widened to float32. */
export function readOutType(outType: unknown, type: ElementType): ElementType {
  const asked = readType(outType, 'outType') ?? type;
  if (asked === type || (asked === 'float32' && isHalf(type))) return asked;
  throw rangeError(isHalf(type) ? `${type} or float32` : `${type}, the type of x,`, 'outType', outType);
}

/** The option `logNormalizer`: one number, or one per row. */
export function readNormalizer(value: unknown, rows: number): Float64Array | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return Float64Array.of(value);
  return readNumbers(value, 'logNormalizer', rows);
}

/** A list of `count` numbers in float64. */
export function readNumbers(value: unknown, name: string, count: number): Float64Array {
  const kind = arrayKind(value);
  if (!Array.isArray(value) && kind !== 'Float64Array' && kind !== 'Float32Array')
    throw typeError('a Float64Array, Float32Array or array of numbers', name, value);
  const list: ArrayLike<unknown> =
    kind === undefined ? (value as unknown[]) : viewOf<Float32Array | Float64Array>(value, kind, name);
  if (list.length !== count) throw shapeError(`${count} entries`, name, value);
  if (kind === 'Float64Array') return list as Float64Array;
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const entry = list[i];
    if (typeof entry !== 'number') throw typeError('a number', `${name}[${i}]`, entry);
    numbers[i] = entry;
  }
  return numbers;
}
