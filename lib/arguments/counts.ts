/** Lists of integers: the lengths and offsets of rows. */
import type { Backend } from '../backends/problem.js';
import { arrayKind, isShared, viewOf } from './elements.js';
import { rangeError, shapeError, typeError, words } from './errors.js';

/** What a Uint32Array holds: the largest offset or length, and one more than the largest class index. */
export const most = 2 ** 32 - 1;

export type IntegerList = Int32Array | Uint32Array | BigInt64Array | readonly number[];

const wanted = 'a Uint32Array, Int32Array, BigInt64Array or array of integers';

/** Any list of integers as it is; its entries are not yet checked. */
export function readIntegers(value: unknown, name: string): IntegerList {
  if (Array.isArray(value)) return value;
  const kind = arrayKind(value);
  if (kind !== 'Uint32Array' && kind !== 'Int32Array' && kind !== 'BigInt64Array')
    throw typeError(wanted, name, value);
  return viewOf<Uint32Array | Int32Array | BigInt64Array>(value, kind, name);
}

/** One entry as a number; an error where it is no integer from `min` to `max`. */
export function integerAt(list: IntegerList, i: number, name: string, min: number, max: number): number {
  const entry: unknown = list[i];
  const number = typeof entry === 'bigint' ? Number(entry) : entry;
  if (typeof number !== 'number') throw typeError('an integer', `${name}[${i}]`, entry);
  if (!Number.isInteger(number) || number < min || number > max)
    throw rangeError(`an integer from ${min} to ${max}`, `${name}[${i}]`, entry);
  return number;
}

/** The valid prefix of each of `rows` rows of `length` classes. */
export function readLengths(
  value: unknown,
  rows: number,
  length: number,
  backend: Backend | undefined,
): Uint32Array {
  const list = readIntegers(value, 'lengths');
  if (list.length !== rows) throw shapeError(`one entry for each of ${rows} rows`, 'lengths', value);
  const longest = Math.min(length, most);
  return checked(
    list,
    'lengths',
    (i) => integerAt(list, i, 'lengths', 0, longest),
    (numbers) => longestOf(numbers, false, backend) <= longest,
  );
}

/** Ragged rows: where each starts and the last one ends, and the longest of them. */
export interface Ragged {
  readonly offsets: Uint32Array;
  readonly longest: number;
}

/** Where each ragged row starts in `count` elements of `of`, and where the last one ends. */
export function readOffsets(
  value: unknown,
  count: number,
  backend: Backend | undefined,
  name = 'offsets',
  of = 'x',
): Ragged {
  const list = readIntegers(value, name);
  if (list.length === 0) throw shapeError('at least one entry', name, value);
  let least = 0;
  let longest = -1;
  const entryAt = (i: number) => {
    least = integerAt(list, i, name, least, i === 0 ? 0 : Math.min(count, most));
    return least;
  };
  const offsets = checked(list, name, entryAt, (numbers) => {
    if (numbers[0] !== 0 || numbers[numbers.length - 1] !== count) return false;
    longest = longestOf(numbers, true, backend);
    return longest >= 0;
  });
  if (longest >= 0) return { offsets, longest };
  if (least !== count)
    throw rangeError(`${count}, the length of ${of},`, `${name}[${list.length - 1}]`, list[list.length - 1]);
  return { offsets, longest: longestOf(offsets, true, backend) };
}

/** For operations that give class indices: the last number means that there is none. */
export function checkClasses(length: number): void {
  if (length > most) throw rangeError(`rows of at most ${most} classes`, 'x', words(`rows of ${length}`));
}

/** The largest entry; of rows `between` offsets the longest, or -1 where these descend. */
function longestOf(list: Uint32Array, between: boolean, backend: Backend | undefined): number {
  if (backend?.longest !== undefined) return backend.longest(list, between);
  let longest = 0;
  for (let i = between ? 1 : 0; i < list.length; i++) {
    const entry = between ? list[i] - list[i - 1] : list[i];
    if (entry < 0) return -1;
    if (entry > longest) longest = entry;
  }
  return longest;
}

/**
 * Checks every entry, and copies the list unless it is a `Uint32Array` already. Shared memory is copied too:
 * another thread could change it between the check and the use.
 */
function checked(
  list: IntegerList,
  name: string,
  entryAt: (i: number) => number,
  areGood: (numbers: Uint32Array) => boolean = () => false,
): Uint32Array {
  const asItIs = arrayKind(list) === 'Uint32Array' && !isShared(list as Uint32Array);
  const numbers = asItIs ? (list as Uint32Array) : new Uint32Array(list.length);
  if (asItIs && areGood(numbers)) return numbers; // a call for each takes 5 ns
  for (let i = 0; i < list.length; i++) {
    const entry = entryAt(i);
    if (!asItIs) numbers[i] = entry;
  }
  if (numbers.length !== list.length) throw shapeError(`${numbers.length} entries`, name, list);
  return numbers;
}
