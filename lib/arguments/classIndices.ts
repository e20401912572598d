/** Lists of class indices: each is a class of its row, or ignored. */
import type { Backend } from '../backends/problem.js';
import { type IntegerList, integerAt } from './counts.js';
import { arrayKind, isShared } from './elements.js';
import { typeError } from './errors.js';

export interface Classes {
  /** Checked classes, or `ignoreIndex`. */
  readonly indices: Int32Array;
  /** How many are classes. */
  readonly counted: number;
}

/** Shorter lists are looked through before a backend has been asked: 1 ns an entry. */
const worthAsking = 256;

/**
 * Checks every entry against rows of `length` classes, or those between `offsets`. The list is copied, unless it is memory of
 * that kind which no other thread can write. A backend that can look at many at once says first whether all are good.
 */
export function readClasses(
  list: IntegerList,
  name: string,
  length: number,
  offsets: Uint32Array | undefined,
  ignoreIndex: number,
  backend: Backend | undefined,
): Classes {
  const count = list.length;
  const longest = Math.min(length, 2 ** 31) - 1;
  const asItIs = arrayKind(list) === 'Int32Array' && !isShared(list as Int32Array);
  const indices = asItIs ? (list as Int32Array) : new Int32Array(count);
  if (count >= worthAsking && backend?.countClasses !== undefined && !Array.isArray(list)) {
    const given = list as Exclude<IntegerList, readonly number[]>;
    const counted = backend.countClasses(given, longest, ignoreIndex, asItIs ? undefined : indices, offsets);
    if (counted >= 0) return { indices, counted };
  }
  // The usual list is looked through at 1 ns an entry. What is not in order is refused below, by name.
  let first = 0;
  let counted = 0;
  for (; asItIs && offsets === undefined && first < count; first++) {
    if (indices[first] === ignoreIndex) continue;
    if (indices[first] < 0 || indices[first] > longest) break;
    counted++;
  }
  for (let i = first; i < count; i++) {
    const entry: unknown = list[i];
    if (entry === undefined) throw typeError('an integer', `${name}[${i}]`, entry);
    const isIgnored = (typeof entry === 'bigint' ? Number(entry) : entry) === ignoreIndex;
    const last = offsets ? Math.min(offsets[i + 1] - offsets[i] - 1, longest) : longest;
    const one = isIgnored ? ignoreIndex : integerAt(list, i, name, 0, last);
    if (!isIgnored) counted++;
    if (!asItIs) indices[i] = one;
  }
  return { indices, counted };
}
