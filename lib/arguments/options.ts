/** The words that options may be, and how single values are read. */
import { rangeError, typeError, words } from './errors.js';

/** A function and the names of its options. */
export interface Optioned {
  readonly name: string;
  readonly options: readonly string[];
  /** What to suggest for the names that others have for them. */
  readonly foreign?: ReadonlyMap<string, string> | undefined;
}

/** Options as the caller gave them: known names, values not yet looked at. */
export interface Options {
  readonly [name: string]: unknown;
}

/** Copies the options of one function, reading each once; a name it does not know is an error. */
export function readOptions(options: unknown, of: Optioned): Options {
  if (options === undefined) return {};
  if (
    typeof options !== 'object' ||
    options === null ||
    Array.isArray(options) ||
    ArrayBuffer.isView(options)
  )
    throw typeError('an object', 'options', options);
  const read: { [name: string]: unknown } = {};
  for (const name in options) {
    refuseUnknown(name, of);
    read[name] = (options as Options)[name];
  }
  return read;
}

function refuseUnknown(name: string, of: Optioned): void {
  const names = of.options;
  if (names.includes(name)) return;
  const plain = withoutCase(name);
  const meant =
    names.find((other) => withoutCase(other) === plain) ??
    of.foreign?.get(plain) ??
    names.find((other) => other === elsewhere.get(plain)) ??
    nearest(plain, names);
  const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`;
  throw typeError(
    `one of ${[...names].sort().join(', ')}`,
    `the options of ${of.name}`,
    words(`${JSON.stringify(name)}${hint}`),
    'ERR_UNKNOWN_OPTION',
  );
}

/** What other libraries call options that most functions have, in lower case and without hyphens. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ['dim', 'axis'],
  ['mask', 'where'],
  ['attentionmask', 'where'],
]);

/** In lower case, without hyphens: top_p and topP are one. */
function withoutCase(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}

/** The name at the least distance, where that is at most two letters added, dropped or changed, of four letters one. */
function nearest(name: string, names: readonly string[]): string | undefined {
  let found: string | undefined;
  let least = 2.5;
  for (const other of names) {
    if (other.length < 4 || Math.abs(other.length - name.length) > 2) continue;
    const distance = distanceOf(name, other.toLowerCase());
    if (distance < least && (distance < 2 || other.length > 4)) {
      least = distance;
      found = other;
    }
  }
  return found;
}

/** How many letters have to be added, dropped or changed (Levenshtein). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

/** An integer from `min` to `max`. */
export function readInteger(
  value: unknown,
  name: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw (typeof value === 'number' ? rangeError : typeError)(`an integer ${range}`, name, value);
}

/** A number from `min` to `max`, or more than `min` where `open`. */
export function readNumber(value: unknown, name: string, min: number, max: number, open = false): number {
  if (typeof value === 'number' && (open ? value > min : value >= min) && value <= max) return value;
  const range = open ? `over ${min} and at most ${max}` : `from ${min} to ${max}`;
  throw (typeof value === 'number' ? rangeError : typeError)(`a number ${range}`, name, value);
}

/** A finite number over 0; or 0 itself where that means the argmax. */
export function readTemperature(value: unknown, zero: boolean, name = 'temperature'): number {
  if (value === undefined) return 1;
  const expected = zero ? 'a finite number of at least 0' : 'a finite number greater than 0';
  if (typeof value !== 'number') throw typeError(expected, name, value);
  if (!(zero ? value >= 0 : value > 0) || value === Number.POSITIVE_INFINITY)
    throw rangeError(expected, name, value);
  return value;
}

/** `read(value, name)`, where a name is made only for what is refused: one for each entry of a list takes longer than the rest. */
export function readNamed<Value>(
  read: (value: unknown, name: string) => Value,
  value: unknown,
  name: () => string,
): Value {
  try {
    return read(value, '');
  } catch (error) {
    read(value, name());
    throw error;
  }
}

/** Hands put(i, value) what `read` makes of each entry of a list. */
export function readEntries<Value>(
  list: ArrayLike<unknown>,
  name: string,
  read: (value: unknown, name: string) => Value,
  put: (i: number, value: Value) => void,
): void {
  let i = 0;
  const nameOf = () => `${name}[${i}]`;
  for (; i < list.length; i++) put(i, readNamed(read, list[i], nameOf));
}

/** True or false; false where it is absent. */
export function readFlag(value: unknown, name: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw typeError('true or false', name, value);
  return value === true;
}

/** One of a few words. */
export function readWord<Word extends string>(value: unknown, name: string, allowed: readonly Word[]): Word {
  if (typeof value !== 'string') throw typeError(`one of ${allowed.join(', ')}`, name, value);
  const word = allowed.find((other) => other === value);
  if (word === undefined) throw rangeError(`one of ${allowed.join(', ')}`, name, value);
  return word;
}

/** Splits the options of a promise; a signal that is aborted already is thrown. */
export function readAbortable(options: unknown): { signal: AbortSignal | undefined; rest: unknown } {
  if (typeof options !== 'object' || options === null || !('signal' in options))
    return { signal: undefined, rest: options };
  const { signal, ...rest } = options;
  if (signal === undefined) return { signal, rest };
  if (
    typeof signal !== 'object' ||
    signal === null ||
    !('aborted' in signal) ||
    !('addEventListener' in signal)
  )
    throw typeError('an AbortSignal', 'signal', signal);
  (signal as AbortSignal).throwIfAborted();
  return { signal: signal as AbortSignal, rest };
}
