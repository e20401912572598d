/** Lists of classes for `sample`: what logits to change by how much, and what was drawn before. */
import type { Backend } from '../backends/problem.js';
import { checkClasses, type IntegerList, integerAt, readIntegers, readOffsets } from './counts.js';
import { arrayKind } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';
import { type Request, readNumbers } from './rowOptions.js';

/** Checked classes: one list for every row, or where each row's part starts, and the end. */
export interface ClassLists {
  readonly classes: Uint32Array;
  readonly starts: Uint32Array | undefined;
  /** The caller's, which no output may overlap. */
  readonly memory: unknown;
}

export interface Bias extends ClassLists {
  readonly values: Float64Array;
}

/** `history` and `prompt`: classes, and beside them the option that says where the part of each row starts. */
export function readClassLists(
  value: unknown,
  name: string,
  starts: unknown,
  startsName: string,
  request: Request,
  backend: Backend | undefined,
): ClassLists | undefined {
  if (value !== undefined) return readLists(value, name, starts, startsName, request, backend);
  if (starts !== undefined)
    throw typeError(`${name} together with it`, startsName, starts, 'ERR_CONFLICTING_OPTIONS');
  return undefined;
}

/** `bias`: `{ classes, values, offsets? }`. */
export function readBias(
  value: unknown,
  name: string,
  request: Request,
  backend: Backend | undefined,
): Bias | undefined {
  if (value === undefined) return undefined;
  const expected = '{ classes, values } or { classes, values, offsets }';
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw typeError(expected, name, value);
  for (const key in value)
    if (key !== 'classes' && key !== 'values' && key !== 'offsets')
      throw typeError(expected, name, words(`the key ${JSON.stringify(key)}`), 'ERR_UNKNOWN_OPTION');
  const { classes, values, offsets } = value as { classes?: unknown; values?: unknown; offsets?: unknown };
  const lists = readLists(classes, `${name}.classes`, offsets, `${name}.offsets`, request, backend);
  return { ...lists, values: readValues(values, `${name}.values`, lists.classes.length) };
}

function readLists(
  value: unknown,
  name: string,
  starts: unknown,
  startsName: string,
  { rows }: Request,
  backend: Backend | undefined,
): ClassLists {
  checkClasses(rows.length);
  const list = readIntegers(value, name);
  const classes = new Uint32Array(list.length);
  const areCopied = rows.offsets === undefined && copyGood(list, classes, rows.length, backend);
  if (starts === undefined) {
    if (!areCopied) copyClasses(list, name, classes, 0, classes.length, rows.length);
    return { classes, starts, memory: list };
  }
  const count = rows.outer * rows.inner;
  // A copy: what a prepared call was given does not change.
  const own = readOffsets(starts, classes.length, undefined, startsName, name).offsets.slice();
  if (own.length !== count + 1)
    throw shapeError(`${count + 1} entries, one more than rows,`, startsName, starts);
  for (let row = 0; row < count && !areCopied; row++) {
    const length = rows.offsets ? rows.offsets[row + 1] - rows.offsets[row] : rows.length;
    copyClasses(list, name, classes, own[row], own[row + 1], length);
  }
  return { classes, starts: own, memory: list };
}

/** Copies a list, where a backend can look at many at once and finds all to be classes of rows of `length`. */
function copyGood(list: IntegerList, to: Uint32Array, length: number, backend: Backend | undefined): boolean {
  if (backend?.countClasses === undefined || Array.isArray(list) || length === 0 || length > 2 ** 31)
    return false;
  const given = list as Exclude<IntegerList, readonly number[]>;
  const ignored = 0; // a class as well
  return backend.countClasses(given, length - 1, ignored, new Int32Array(to.buffer), undefined) >= 0;
}

/** Copies entries [from, end), which are to be classes of a row of `length`. Each is read once: others may write to it. */
function copyClasses(
  list: IntegerList,
  name: string,
  to: Uint32Array,
  from: number,
  end: number,
  length: number,
): void {
  const kind = arrayKind(list);
  if (kind === 'Uint32Array' || kind === 'Int32Array') {
    // Negative numbers become some of 2^31 and more.
    to.set((list as Uint32Array).subarray(from, end), from);
    for (let i = from; i < end; i++)
      if (to[i] >= length)
        throw rangeError(rangeOf(length), `${name}[${i}]`, kind === 'Int32Array' ? to[i] | 0 : to[i]);
  } else {
    for (let i = from; i < end; i++) to[i] = integerAt(list, i, name, 0, length - 1);
  }
}

function rangeOf(length: number): string {
  return `an integer from 0 to ${length - 1}`;
}

function readValues(value: unknown, name: string, count: number): Float64Array {
  const list = readNumbers(value, name, count, `${count} entries, as many as classes,`);
  const values = arrayKind(value) === 'Float64Array' ? new Float64Array(list) : list;
  for (let i = 0; i < count; i++)
    if (!(values[i] < Infinity)) throw rangeError('a number below Infinity', `${name}[${i}]`, values[i]);
  return values;
}
