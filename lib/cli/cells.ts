/** The cells of the columns beside the logits, from one format's words to another's. */
import type { ColumnType } from './batch.js';

/** What a JavaScript value would be as a column. */
export function typeOf(value: unknown): ColumnType {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return 'float64';
    case 'bigint':
      return 'int64';
    case 'boolean':
      return 'boolean';
    default:
      return value instanceof Date ? 'date' : 'json';
  }
}

/** A number whose digits no JavaScript number holds: text and JSON have them as they are. */
export class Digits {
  constructor(readonly text: string) {}
}

export function jsonOf(value: unknown): string {
  if (value instanceof Digits) return value.text;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  if (value instanceof Date) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(',')}]`;
  if (ArrayBuffer.isView(value)) return `[${Array.from(value as Float64Array, jsonOf).join(',')}]`;
  if (typeof value === 'object' && value !== null && !('toJSON' in value)) {
    const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
    return `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${jsonOf(entry)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** A cell as text and JSON have it: days are text already. */
export function withoutTime(value: unknown, type: ColumnType): unknown {
  return type === 'day' && value instanceof Date ? value.toISOString().split('T')[0] : value;
}

/** As it stands in a column of text. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return jsonOf(value);
  return String(value);
}

/**
 * A cell as a column of a type takes it.
 * @param mismatch makes the error where it cannot.
 */
export function castCell(
  value: unknown,
  type: ColumnType,
  mismatch: (what: string, received: string) => Error,
): unknown {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'string':
      return textOf(value);
    case 'json':
      return jsonOf(value);
    case 'boolean':
      if (typeof value === 'boolean') return value;
      throw mismatch('true or false', jsonOf(value));
    case 'date':
    case 'day':
      if (value instanceof Date) return value;
      throw mismatch('a date', jsonOf(value));
    case 'int64':
    case 'uint64':
      if (typeof value === 'bigint') return value;
      if (Number.isSafeInteger(value)) return BigInt(value as number);
      throw mismatch('an integer', jsonOf(value));
    default:
      if (typeof value === 'number') return value;
      throw mismatch('a number', jsonOf(value));
  }
}

/** A number as text has it; undefined where it is none. */
export function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const value = Number(trimmed);
  if (!Number.isNaN(value)) return /^[+-]?0[xob]/i.test(trimmed) ? undefined : value;
  const word = trimmed.toLowerCase();
  if (word === 'nan') return Number.NaN;
  const infinity = word.match(/^([+-]?)inf(inity)?$/);
  if (!infinity) return undefined;
  return infinity[1] === '-' ? -Infinity : Infinity;
}
