/** What a run writes of each row, as the list of a SELECT. */
import { expected } from '../failure.js';
import type { Format } from '../formats.js';
import { identifier, literal } from './engine.js';
import { jsonValue, named } from './json-value.js';
import type { Kept } from './relation.js';

export interface Content {
  readonly content: 'all' | 'top' | 'one';
  /** How many scores each row has; 0 where rows differ. */
  readonly width: number;
  /** What the column of the scores is called. */
  readonly name: string;
  readonly labels: readonly string[] | undefined;
  /** What the columns of the best are called. */
  readonly top: { readonly label: string; readonly score: string };
}

/** A column of the output. */
export interface Named {
  readonly sql: string;
  readonly name: string;
}

/** Scores as text and JSON have them: the shortest digits that read back, and names where a number is none. */
export interface Numbers {
  readonly type: 'float32' | 'float64';
  /** Whether any is NaN or infinite. JSON has none of them, and the engine would write them all the same. */
  readonly nonfinite: boolean;
}

/** The columns of the output: those that travel, then the scores. */
export function outputColumns(
  kept: readonly Kept[],
  content: Content,
  format: Format,
  numbers: Numbers,
): Named[] {
  const beside = kept.map((column) => keptColumn(column, format));
  const scores = scoreColumns(content, format, numbers);
  if (scores.length > 0) return [...beside, ...scores];
  if (beside.length === 0) throw expected('a class, or a column to keep,', 'the rows of a CSV', 'neither');
  const [first, ...rest] = beside;
  // The engine scores no row whose scores no column asks for, and so would find none that is longer.
  const asking = `CASE WHEN p IS NOT NULL THEN ${first.sql} END`;
  // Readers skip a blank line, but not quotes around nothing.
  const sql = rest.length > 0 ? asking : `coalesce((${asking})::VARCHAR, '')`;
  return [{ sql, name: first.name }, ...rest];
}

/**
 * The columns of the scores that stand in column `p`.
 * @param format parquet, csv or ndjson; tsv as csv.
 */
export function scoreColumns(content: Content, format: Format, numbers: Numbers): Named[] {
  const { width, name, labels, top } = content;
  const as = (sql: string, name: string): Named => ({ sql, name });
  if (format === 'csv' || format === 'tsv') {
    const one = (sql: string) => (numbers.nonfinite ? named(sql) : sql);
    if (content.content === 'one') return [as(one('p'), name)];
    const places = Array.from({ length: width }, (_, i) => i + 1);
    if (content.content === 'all') {
      return places.map((i) => as(one(`p[${i}]`), labels?.[i - 1] ?? `class_${i - 1}`));
    }
    return places.flatMap((i) => [
      as(labelled(`p.class[${i}]`, labels, false), `${top.label}_${i}`),
      as(one(`p.score[${i}]`), `${top.score}_${i}`),
    ]);
  }
  const list = (sql: string) => (format === 'parquet' ? sql : jsonNumbers(sql, numbers));
  if (content.content === 'one') return [as(format === 'parquet' ? 'p' : jsonNumber('p', numbers), name)];
  if (content.content === 'all') return [as(list('p'), name)];
  return [as(labelled('p.class', labels, true), top.label), as(list('p.score'), top.score)];
}

/** A row of NDJSON that is an array, or a number, without a name. */
export function bareLine({ content }: Content, numbers: Numbers): string {
  const value = content === 'one' ? jsonNumber('p', numbers) : jsonNumbers('p', numbers);
  return `to_json(${value})::VARCHAR`;
}

/** A row of NDJSON whose columns beside the scores are the text that they were. */
export function rawLine(kept: readonly Kept[], scores: readonly Named[]): string {
  const key = (name: string) => JSON.stringify(name);
  const values = [
    ...kept.map(({ name, sql }) => ({ name, text: `${sql}::VARCHAR` })),
    ...scores.map(({ name, sql }) => ({ name, text: `to_json(${sql})::VARCHAR` })),
  ];
  const parts = values.map(
    ({ name, text }, i) => `${literal(`${i === 0 ? '{' : ','}${key(name)}:`)}, coalesce(${text}, 'null')`,
  );
  return `concat(${parts.join(', ')}, '}')`;
}

function jsonNumbers(sql: string, { type, nonfinite }: Numbers): string {
  const doubles = type === 'float32' ? `${sql}::VARCHAR[]::DOUBLE[]` : sql;
  return nonfinite ? `list_transform(${doubles}, lambda x: ${jsonNamed('x')})` : doubles;
}

function jsonNumber(sql: string, { type, nonfinite }: Numbers): string {
  const double = type === 'float32' ? `${sql}::VARCHAR::DOUBLE` : sql;
  return nonfinite ? jsonNamed(double) : double;
}

function jsonNamed(sql: string): string {
  return `CASE WHEN isfinite(${sql}) THEN to_json(${sql}) ELSE to_json(${named(sql)}) END`;
}

function labelled(sql: string, labels: readonly string[] | undefined, list: boolean): string {
  if (!labels) return sql;
  const names = `[${labels.map(literal).join(', ')}]`;
  return list
    ? `list_select(${names}, list_transform(${sql}, lambda c: c::BIGINT + 1))`
    : `${names}[${sql}::BIGINT + 1]`;
}

/** A column beside the scores, as a format has it. */
function keptColumn(kept: Kept, format: Format): Named {
  return { sql: keptValue(kept, format), name: kept.name };
}

/** Columns as the list of a SELECT. */
export function selected(columns: readonly Named[]): string {
  return columns.map(({ sql, name }) => `${sql} AS ${identifier(name)}`).join(', ');
}

function keptValue({ sql, type }: Kept, format: Format): string {
  if (format === 'parquet') return sql;
  if (format === 'ndjson') return jsonValue(sql, type);
  if (type === 'FLOAT' || type === 'DOUBLE') return named(sql);
  // A text of JSON is a text without its quotes.
  if (type === 'JSON')
    return `CASE WHEN json_type(${sql}) = 'VARCHAR' THEN ${sql}->>'$' ELSE ${sql}::VARCHAR END`;
  return /[[(]|^MAP|^STRUCT|^UNION/.test(type) && !type.startsWith('DECIMAL')
    ? `to_json(${jsonValue(sql, type)})::VARCHAR`
    : sql;
}
