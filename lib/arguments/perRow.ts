/** Settings that are one number for every row, or one for each row. */
import { arrayKind, lengthOf, viewOf } from './elements.js';
import { rangeError, shapeError, typeError } from './errors.js';
import { readEntries } from './options.js';
import type { Request } from './rowOptions.js';

/** One number for every row, unless each has its own. */
export interface Setting {
  readonly all: number;
  readonly each: Float64Array | undefined;
}

/** The key of a generator, low and high half; low and high of each row, one behind the other, where each has its own. */
export interface Seed {
  readonly low: number;
  readonly high: number;
  readonly each: Uint32Array | undefined;
}

type List = readonly unknown[] | Float64Array | BigInt64Array;

const numberKinds: readonly string[] = ['Float64Array', 'Float32Array', 'Int32Array', 'Uint32Array'];
const seedKinds: readonly string[] = [
  'BigUint64Array',
  'BigInt64Array',
  'Uint32Array',
  'Int32Array',
  'Float64Array',
];

/**
 * Reads a setting; `read` checks a number. Lists are copied, each entry read once: others may write to shared memory.
 */
export function readSetting(
  value: unknown,
  name: string,
  request: Request,
  fallback: number,
  read: (value: unknown, name: string) => number,
): Setting {
  if (value === undefined) return { all: fallback, each: undefined };
  const list = listOf(value, name, request, numberKinds);
  if (list === undefined) return { all: read(value, name), each: undefined };
  const each = new Float64Array(list.length);
  readEntries(list, name, read, (i, setting) => {
    each[i] = setting;
  });
  return { all: fallback, each };
}

/** Reads seeds. */
export function readSeeds(value: unknown, name: string, request: Request): Seed {
  const list = listOf(value, name, request, seedKinds);
  if (list === undefined) {
    const [low, high] = readSeed(value, name);
    return { low, high, each: undefined };
  }
  const each = new Uint32Array(2 * list.length);
  readEntries(list, name, readSeed, (i, [low, high]) => {
    each[2 * i] = low;
    each[2 * i + 1] = high;
  });
  return { low: 0, high: 0, each };
}

/** One entry for each row; undefined for what is no list. */
function listOf(
  value: unknown,
  name: string,
  { rows: { outer, inner } }: Request,
  kinds: readonly string[],
): List | undefined {
  const kind = arrayKind(value);
  if (kind === undefined && !Array.isArray(value)) return undefined;
  if (kind !== undefined && !kinds.includes(kind))
    throw typeError(`a number or a list of one per row (${kinds.join(', ')} or array)`, name, value);
  const rows = outer * inner;
  const count = kind === undefined ? (value as unknown[]).length : lengthOf(value as Float64Array);
  if (count !== rows) throw shapeError(`one entry for each of ${rows} rows`, name, value);
  return kind === undefined ? (value as unknown[]) : viewOf<Float64Array | BigInt64Array>(value, kind, name);
}

function readSeed(seed: unknown, name: string): readonly [number, number] {
  if (typeof seed === 'bigint') {
    if (seed < 0n || seed >= 1n << 64n) throw rangeError('an integer from 0 to 2^64 - 1', name, seed);
    return [Number(seed & 0xffffffffn), Number(seed >> 32n)];
  }
  const expected = 'a safe integer or bigint of at least 0';
  if (typeof seed !== 'number') throw typeError(expected, name, seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw rangeError(expected, name, seed);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}
