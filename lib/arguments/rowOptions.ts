/** The options of every operation, which say what the rows of `x` are. */
import type { Backend, Data, ElementType, Rows } from '../backends/problem.js';
import { type Ragged, readLengths, readOffsets } from './counts.js';
import { arrayKind, isHalf, isShared, newData, viewOf } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';
import { foldAxes, type Layout, permute } from './layout.js';
import { type Elements, readElements, readType } from './logits.js';
import { readBitmask, readFlatMask, readMask } from './masks.js';
import { type Options, readInteger, readTemperature } from './options.js';

/** Options of every function. */
export const rowOptions: readonly string[] = [
  'shape',
  'axis',
  'temperature',
  'where',
  'bitmask',
  'lengths',
  'offsets',
  'threads',
  'backend',
  'dtype',
];

/** `x` with its layout, and the part of a problem that every operation has. */
export interface Request {
  readonly x: Elements;
  readonly layout: Layout;
  /** Made for this call; its operation adds the rest of the problem to it. */
  readonly rows: Rows;
  readonly options: Options;
}

export function readRows(
  input: unknown,
  options: Options,
  backend: Backend,
  zeroTemperature = false,
): Request {
  const x = readElements(input, 'x', options.dtype, options.shape);
  const isEach = isList(options.temperature);
  const temperature = isEach ? 1 : readTemperature(options.temperature, zeroTemperature);
  const threads = options.threads === undefined ? 0 : readInteger(options.threads, 'threads', 1);
  const ragged = options.offsets === undefined ? undefined : readRagged(x, options, backend);
  const layout = ragged ? raggedLayout(ragged) : foldAxes(x.dims, options.axis);
  const { outer, length, inner } = layout;
  const { where, whereShared } = ragged
    ? readFlatMask(options.where, x.data.length)
    : readMask(options.where, x.dims, layout);
  const { bitmask, bitmaskShared } = readBitmask(options.bitmask, outer * inner, length);
  const lengths =
    options.lengths === undefined ? undefined : readLengths(options.lengths, outer * inner, length, backend);
  const temperatures = isEach
    ? readTemperatures(options.temperature, outer * inner, zeroTemperature)
    : undefined;
  const rows = {
    x: arrange(x.data, x, layout),
    type: x.type,
    outer,
    length,
    inner,
    temperature,
    temperatures,
    threads,
    where,
    whereShared,
    bitmask,
    bitmaskShared,
    lengths,
    offsets: ragged?.offsets,
  };
  return { x, layout, rows, options };
}

function isList(value: unknown): boolean {
  return Array.isArray(value) || arrayKind(value) !== undefined;
}

/** One temperature for each row. Shared memory is copied: another thread could change it between the check and the use. */
function readTemperatures(value: unknown, rows: number, zero: boolean): Float64Array {
  const given = readNumbers(value, 'temperature', rows);
  const list = isShared(given) ? Float64Array.from(given) : given;
  for (let i = 0; i < list.length; i++) {
    // A name for each takes 15 ns.
    if (!(list[i] > 0 && list[i] < Infinity)) readTemperature(list[i], zero, `temperature[${i}]`);
  }
  return list;
}

/** Ragged rows are flat: the options that shape rectangular ones exclude them. */
function readRagged(x: Elements, options: Options, backend: Backend): Ragged {
  for (const other of ['shape', 'axis', 'lengths', 'bitmask']) {
    if (options[other] !== undefined)
      throw typeError(`no ${other} together with it`, 'offsets', options.offsets, 'ERR_CONFLICTING_OPTIONS');
  }
  if (x.dims.length !== 1)
    throw shapeError('flat data beside offsets', 'x', words(`dimensions [${x.dims.join(', ')}]`));
  return readOffsets(options.offsets, x.data.length, backend);
}

function raggedLayout({ offsets, longest }: Ragged): Layout {
  const outer = offsets.length - 1;
  return { outer, length: longest, inner: 1, axes: [0], kept: [outer], before: 1, order: undefined };
}

/** Brings data of the shape of `x` into the layout of the problem: a copy only where the axes lie apart. */
export function arrange(data: Data, x: Elements, { order }: Layout): Data {
  return order === undefined ? data : permute(data, newData(x.type, data.length), x.dims, order);
}

/** The option `outType`: 16-bit data may be widened to float32. */
export function readOutType(outType: unknown, name: string, { x: { type } }: Request): ElementType {
  const asked = readType(outType, name) ?? type;
  if (asked === type || (asked === 'float32' && isHalf(type))) return asked;
  throw rangeError(isHalf(type) ? `${type} or float32` : `${type}, the type of x,`, name, outType);
}

/** The option `logNormalizer`: one number, or one per row. */
export function readNormalizer(value: unknown, name: string, { rows }: Request): Float64Array | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return Float64Array.of(value);
  return readNumbers(value, name, rows.outer * rows.inner);
}

/** A list of `count` numbers in float64: the caller's own memory, where that is a Float64Array. */
export function readNumbers(
  value: unknown,
  name: string,
  count: number,
  wanted = `${count} entries`,
): Float64Array {
  const kind = arrayKind(value);
  if (!Array.isArray(value) && kind !== 'Float64Array' && kind !== 'Float32Array')
    throw typeError('a Float64Array, Float32Array or array of numbers', name, value);
  const list =
    kind === undefined ? (value as unknown[]) : viewOf<Float32Array | Float64Array>(value, kind, name);
  if (list.length !== count) throw shapeError(wanted, name, value);
  if (kind === 'Float64Array') return list as Float64Array;
  return Array.isArray(list) ? copyNumbers(list, name) : new Float64Array(list);
}

function copyNumbers(list: readonly unknown[], name: string): Float64Array {
  const values = new Float64Array(list.length);
  for (let i = 0; i < values.length; i++) {
    const entry = list[i];
    if (typeof entry !== 'number') throw typeError('a number', `${name}[${i}]`, entry);
    values[i] = entry;
  }
  return values;
}
