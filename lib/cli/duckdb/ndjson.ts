/**
 * NDJSON, and a JSON array of the same: a row is an array of logits, or an object with a field that holds one. The other
 * fields come as JSON. Their names are looked for in the whole file: one may first appear in the last row.
 */
import { expected, expectedUsage } from '../failure.js';
import { keptNote, namesId } from './dialect.js';
import { type Engine, engineFailure, identifier, literal, pathLiteral } from './engine.js';
import { compressionOption, headOf, notUtf8 } from './head.js';
import { hasOtherDigits, registerRawFields } from './raw-fields.js';
import type { Choice, Place, Relation } from './relation.js';

const SAMPLE_ROWS = 200;

export async function ndjsonRelation(
  engine: Engine,
  place: Place,
  choice: Choice,
  signal?: AbortSignal,
): Promise<Relation> {
  const { text, utf8, whole, compression } = await headOf(engine, place);
  if (text.trim() === '') throw expected('NDJSON', place.name, whole ? 'nothing' : 'a row that is too long');
  const array = /^\s*\[\s*[[{\]]/.test(text.replace(/^\ufeff/, ''));
  if (!array && text.startsWith('\ufeff')) {
    throw expected('no byte order mark', place.name, 'one, which DuckDB does not read in NDJSON');
  }
  const sample = array ? sampleOfArray(text) : sampleOf(text);
  const file = `${pathLiteral(place.path)}, format = '${array ? 'array' : 'newline_delimited'}', ${compressionOption(compression)}`;
  const found = sample.find((value) => typeof value === 'object' && value !== null);
  if (!found && !utf8) throw notUtf8(place.name);
  if (Array.isArray(found) || !found) {
    if (choice.column !== undefined && found) {
      throw expectedUsage('objects', `--column ${choice.column}`, 'arrays');
    }
    const [[booleans]] = await engine
      .texts(`SELECT bool_or(${HAS_BOOLEANS})::VARCHAR FROM ${objectsOf(file)}`, signal)
      .catch((error) => {
        throw engineFailure(error, 'JSON', place.name);
      });
    return relation([], undefined, { booleans: booleans === 'true' });
  }
  const objects = sample.filter(isObject);
  const column = columnOf(objects, choice.column, place.name, sample.indexOf(objects[0]));
  const first = [...new Set(objects.flatMap((object) => Object.keys(object)))];
  const { keys, booleans } = await keysOf(engine, file, place.name, column, utf8, signal);
  // In the order in which they come.
  const order = (key: string) => (first.includes(key) ? first.indexOf(key) : first.length);
  return relation(
    keys.sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1)),
    column,
    {
      booleans,
      otherDigits: hasOtherDigits(
        text,
        keys.filter((key) => key !== column),
      ),
    },
  );

  function relation(keys: readonly string[], column: string | undefined, seen: Seen): Relation {
    const others = keys.filter((key) => key !== column);
    const field = column ?? 'json';
    if (seen.otherDigits && column !== undefined) {
      const { booleans } = seen;
      return { ...relation(keys, column, { booleans }), ...rawRelation(others, column, booleans) };
    }
    const type = seen.booleans ? 'JSON' : 'DOUBLE[]';
    const source = (rest: string) =>
      `read_json(${file}, columns = {${[...others.map((key) => `${literal(key)}: 'JSON'`), `${literal(field)}: '${type}'`].join(', ')}}, ` +
      `records = ${column !== undefined}${rest})`;
    const logits = seen.booleans ? numbersIn(identifier(field)) : identifier(field);
    const raw = `read_json(${file}, columns = {${literal(field)}: 'JSON'}, records = ${column !== undefined}${array ? '' : ', ignore_errors = true'})`;
    return {
      from: source(''),
      logits,
      // Of an array the engine cannot pass over what is no JSON.
      tolerant: { from: source(array ? '' : ', ignore_errors = true'), logits },
      type: 'float64',
      column,
      names: undefined,
      classes: undefined,
      kept: others.map((name) => ({ name, sql: identifier(name), type: 'JSON' })),
      chosen:
        column === undefined || choice.column !== undefined
          ? undefined
          : `logits: ${column}; ${keptNote(others)}`,
      rows: undefined,
      bare: column === undefined,
      next: (part) => ndjsonRelation(engine, part, { ...choice, column }, signal),
      reasons: {
        wanted: 'an array of numbers',
        from: raw,
        columns: [{ name: column ?? '', sql: `coalesce(${identifier(field)}::VARCHAR, '')` }],
        none: column === undefined ? 'something that is not JSON' : `nothing in field ${column}, or no JSON`,
      },
    };
  }

  /** The other fields as the text that they are: each object is read twice, by the engine and by us. */
  function rawRelation(others: readonly string[], column: string, booleans: boolean): Partial<Relation> {
    const raw = registerRawFields(engine, others);
    const form = literal(JSON.stringify({ [column]: booleans ? 'JSON' : ['DOUBLE'] }));
    const source = (transform: string, rest: string) =>
      `(SELECT ${raw}(json) AS raw, ${transform}(json, ${form}) AS object FROM read_json_objects(${file}${rest}))`;
    const field = `object.${identifier(column)}`;
    const logits = booleans ? numbersIn(field) : field;
    return {
      from: source('json_transform_strict', ''),
      logits,
      tolerant: { from: source('json_transform', array ? '' : ', ignore_errors = true'), logits },
      kept: others.map((name, i) => ({ name, sql: `nullif(raw[${i + 1}], 'null')::JSON`, type: 'JSON' })),
      raw: true,
    };
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The values of the first lines; undefined where a line is no JSON. */
function sampleOf(text: string): unknown[] {
  const lines = text.split('\n', SAMPLE_ROWS).filter((line) => line.trim() !== '');
  return lines.map(parse);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {}
  try {
    // Python and others write these bare.
    return JSON.parse(text.replace(/-?\b(NaN|Infinity)\b(?=\s*[,\]}])/g, 'null'));
  } catch {
    return undefined;
  }
}

/** The first values of an array of which the end may be missing. */
function sampleOfArray(text: string): unknown[] {
  const start = text.indexOf('[');
  for (let end = text.length, tries = 0; end > start && tries < 50; tries++) {
    const value =
      parse(`${text.slice(start, end).replace(/[\s,\]]*$/, '')}]`) ?? parse(text.slice(start, end));
    if (Array.isArray(value)) return value.slice(0, SAMPLE_ROWS);
    end =
      text.lastIndexOf('}', end - 1) >= 0
        ? text.lastIndexOf('}', end - 1) + 1
        : text.lastIndexOf(']', end - 1) + 1;
    if (tries > 0) end--;
  }
  return [];
}

const NAMED = new Set<unknown>(['NaN', 'Infinity', '-Infinity']);

/** `index: [0, 1, 2]` numbers something. */
function hasFraction(value: unknown): boolean {
  return Array.isArray(value) && value.some((entry) => typeof entry === 'number' && !Number.isInteger(entry));
}

function columnOf(
  objects: readonly Record<string, unknown>[],
  asked: string | undefined,
  name: string,
  row: number,
): string {
  if (asked !== undefined) return asked;
  const isLogits = (value: unknown) =>
    Array.isArray(value) &&
    value.every((entry) => typeof entry === 'number' || entry === null || NAMED.has(entry));
  const keys = [...new Set(objects.flatMap((object) => Object.keys(object)))].filter(
    (key) => !namesId(key) || objects.some((object) => hasFraction(object[key])),
  );
  const candidates = keys.filter((key) => {
    const values = objects
      .map((object) => object[key])
      .filter((value) => value !== undefined && value !== null);
    return (
      values.some((value) => isLogits(value) && (value as unknown[]).length > 0) &&
      values.every(Array.isArray)
    );
  });
  if (candidates.length === 1) return candidates[0];
  const some = keys.filter((key) => objects.some((object) => isLogits(object[key])));
  if (candidates.length === 0 && some.length === 1) return some[0];
  const several = candidates.length > 0 ? candidates : some;
  const received = several.length > 0 ? several.join(', ') : `none in row ${row} (${wordsOf(objects[0])})`;
  throw expected('one field with an array of numbers, or --column,', name, received);
}

/** What was seen of all rows, or of the first. */
interface Seen {
  /** Whether there may be some among the logits. */
  readonly booleans: boolean;
  /** Whether there are numbers beside the logits that the engine would write with other digits. */
  readonly otherDigits?: boolean;
}

/** The engine takes `true` for 1 where numbers are wanted. To look for them in each list takes longer: only where they are. */
const HAS_BOOLEANS = `contains(json, 'true') OR contains(json, 'false')`;

function numbersIn(field: string): string {
  return `CASE WHEN NOT regexp_matches(${field}::VARCHAR, 'true|false') THEN TRY_CAST(${field} AS DOUBLE[]) END`;
}

function objectsOf(file: string): string {
  return `read_json_objects(${file}${file.includes(`format = 'array'`) ? '' : ', ignore_errors = true'})`;
}

/** What the fields of an object are. */
function wordsOf(object: Record<string, unknown>): string {
  const fields = Object.entries(object).slice(0, 8);
  const kind = (value: unknown) => {
    if (!Array.isArray(value)) return value === null ? 'null' : typeof value;
    return `an array of ${value.length === 0 ? 'nothing' : kindOfItems(value)}`;
  };
  const kindOfItems = (items: readonly unknown[]) => {
    const odd = items.find((item) => typeof item !== 'number' && !NAMED.has(item));
    return odd === undefined ? 'numbers' : Array.isArray(odd) ? 'arrays' : `${typeof odd}s`;
  };
  return fields.map(([key, value]) => `${key}: ${kind(value)}`).join(', ') || 'no fields';
}

async function keysOf(
  engine: Engine,
  file: string,
  name: string,
  column: string,
  utf8: boolean,
  signal: AbortSignal | undefined,
): Promise<{ readonly keys: string[]; readonly booleans: boolean }> {
  const rows = await engine
    .texts(
      `SELECT DISTINCT unnest(json_keys(json)), (${HAS_BOOLEANS})::VARCHAR FROM ${objectsOf(file)}`,
      signal,
    )
    .catch((error) => {
      throw engineFailure(error, 'JSON', name);
    });
  const keys = [...new Set(rows.map(([key]) => key ?? ''))];
  const lower = new Map<string, string>();
  for (const key of keys) {
    const other = lower.get(key.toLowerCase());
    if (other !== undefined) {
      throw expected('fields that differ in more than case', name, `${other} and ${key}`);
    }
    lower.set(key.toLowerCase(), key);
  }
  if (!keys.includes(column)) {
    throw utf8 ? expected(`a field ${column}`, name, keys.slice(0, 8).join(', ') || 'none') : notUtf8(name);
  }
  return { keys, booleans: rows.some(([, booleans]) => booleans === 'true') };
}
