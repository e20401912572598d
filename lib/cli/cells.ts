/** The cells of the columns beside the logits, as text. */

/** A number whose digits no JavaScript number holds: text and JSON have them as they are. */
export class Digits {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
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

/** As it stands in a column of text. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return jsonOf(value);
  return String(value);
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
