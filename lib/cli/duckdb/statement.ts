/** One statement from a text or Parquet file to another: the engine reads and writes, the package scores between. */
import { expected } from '../failure.js';
import type { Format } from '../formats.js';
import type { Operation } from '../scoring.js';
import type { Count } from '../tally.js';
import { bareLine, type Content, outputColumns, rawLine, scoreColumns, selected } from './content.js';
import { copyRows } from './copy.js';
import { type Engine, engineFailure, ranOutOfMemory } from './engine.js';
import type { Relation } from './relation.js';
import { registerScoreRows, type Seen } from './scoring-function.js';

/** No more of the rows that were bad are named. */
const POSITIONS = 5;

/** What is asked of an input. */
export interface Asked {
  readonly relation: Relation;
  /** What messages call the input. */
  readonly name: string;
  /** The number of the first row, where the relation is a part of an input. */
  readonly first: number;
  readonly range: readonly [from: number, to: number] | undefined;
  readonly op: Operation;
  readonly errors: 'fail' | 'skip' | 'nan' | undefined;
  /** How long every row has to be. */
  readonly classes: number | undefined;
  readonly truth: Truth | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface Statement extends Asked {
  readonly to: string;
  readonly format: Format;
  readonly header: boolean;
  readonly content: Content;
  readonly temperature: number;
  readonly topK: number | undefined;
  readonly threads: number | undefined;
  /** How many bytes a row has, or so. */
  readonly rowBytes: number;
  readonly metadata: ReadonlyMap<string, string> | undefined;
  readonly compression: 'gzip' | 'zstd' | undefined;
  /** Called with what has been seen so far. */
  readonly onStart?: (seen: Seen) => void;
}

export type Truth =
  | { readonly kind: 'file'; readonly name: string; readonly classes: Float64Array }
  | {
      readonly kind: 'column';
      readonly name: string;
      readonly sql: string;
      /** The cell as it stands. */
      readonly text: string;
    };

export interface Written {
  readonly seen: Seen;
  readonly rows: number;
  readonly bad: Count;
  readonly nan: Count;
}

let functions = 0;

export async function runStatement(engine: Engine, statement: Statement): Promise<Written> {
  const { relation, errors, format, content, truth, signal, name } = statement;
  const tolerant = errors === 'skip' || errors === 'nan';
  if (tolerant) await relation.refuseUnclosed?.(signal);
  const { from, logits } = tolerant ? relation.tolerant : relation;
  const text = format !== 'parquet';
  let nonfinite = false;
  let alone = false;
  for (;;) {
    const function_ = `score_rows_${functions++}`;
    const seen = await registerScoreRows(engine, function_, {
      ...{ op: statement.op, temperature: statement.temperature, topK: statement.topK },
      ...{ threads: statement.threads, type: relation.type, classes: statement.classes },
      onBad: tolerant ? errors : 'fail',
      onNaN: errors === 'fail' || errors === 'skip' ? errors : 'keep',
      truth: truth?.kind === 'file' ? truth.classes : truth?.kind,
    });
    statement.onStart?.(seen);
    const row = truth?.kind === 'file' ? `row_number() OVER () - 1` : 'NULL::BIGINT';
    const classOf = truth?.kind === 'column' ? truth.sql : 'NULL::BIGINT';
    const kept = relation.kept.map((column, i) => ({ ...column, sql: `k${i}` }));
    const inner = `SELECT ${[
      ...relation.kept.map(({ sql }, i) => `${sql} AS k${i}`),
      `${function_}(${logits}, ${classOf}, ${row}) AS p`,
    ].join(', ')} FROM ${sourceOf(from, statement.range)}`;
    const numbers = { type: relation.type, nonfinite };
    const bare = format === 'ndjson' && relation.bare && content.content !== 'top';
    const raw = format === 'ndjson' && relation.raw === true;
    const columns = bare
      ? [{ sql: bareLine(content, numbers), name: 'line' }]
      : raw
        ? [{ sql: rawLine(kept, scoreColumns(content, format, numbers)), name: 'line' }]
        : outputColumns(kept, content, format, numbers);
    const copying = {
      ...{ format, bare: bare || raw },
      ...{ rowBytes: statement.rowBytes, metadata: statement.metadata },
      header: statement.header ? columns.map(({ name }) => name) : undefined,
      compression: statement.compression,
    };
    const where = errors === 'skip' ? ' WHERE p IS NOT NULL' : '';
    const select = `SELECT ${selected(columns)} FROM (${inner})${where}`;
    try {
      const rows = await copyRows(engine, select, statement.to, copying, signal);
      // Text has words for what is no number; without any, the engine is quicker.
      if (text && seen.nonfinite && !nonfinite) {
        nonfinite = true;
        continue;
      }
      return { seen, rows, ...(await positionsOf(engine, statement, seen)) };
    } catch (error) {
      if (signal?.aborted) throw error;
      if (ranOutOfMemory(error) && !alone) {
        alone = true;
        await engine.run('SET threads = 1', signal);
        continue;
      }
      throw (await reasonOf(engine, statement, seen)) ?? engineFailure(error, describe(relation), name);
    }
  }
}

export function describe({ from }: Relation): string {
  if (from.startsWith('read_parquet')) return 'a Parquet file';
  return from.includes('read_json') ? 'JSON' : 'a CSV';
}

export function sourceOf(from: string, range: readonly [number, number] | undefined): string {
  return range ? `(FROM ${from} LIMIT ${range[1] - range[0]} OFFSET ${range[0]})` : from;
}

/** Whether a row cannot be scored, in SQL. */
export function isBad(logits: string, classes: number | undefined): string {
  const length = classes === undefined ? '' : ` OR len(${logits}) <> ${classes}`;
  return `(${logits} IS NULL OR coalesce(list_count(${logits}), 0) <> len(${logits})${length})`;
}

/** Whether it comes out as NaN. The engine takes NaN for the largest of all numbers. */
function isNaNRow(logits: string, op: Operation): string {
  const most = `list_max(${logits})`;
  return op === 'logsumexp' ? `coalesce(isnan(${most}), false)` : `coalesce(NOT isfinite(${most}), false)`;
}

/** Which rows were bad, and which came out as NaN: looked for only where there were any. */
async function positionsOf(
  engine: Engine,
  statement: Statement,
  seen: Seen,
): Promise<{ bad: Count; nan: Count }> {
  const { relation, range, classes, op, errors, signal } = statement;
  const { from, logits } = relation.tolerant;
  async function first(count: number, condition: string): Promise<Count> {
    if (count === 0) return { count, first: [] };
    const rows = await engine.texts(
      `SELECT i::VARCHAR FROM (SELECT row_number() OVER () - 1 AS i, ${condition} AS b FROM (SELECT ${logits} AS l FROM ${sourceOf(from, range)})) WHERE b LIMIT ${POSITIONS}`,
      signal,
    );
    return { count, first: rows.map(([i]) => Number(i) + statement.first) };
  }
  const bad = isBad('l', classes);
  const nan = isNaNRow('l', op);
  const both = `${bad} OR ${nan}`;
  return {
    bad: await first(seen.bad, errors === 'skip' ? both : bad),
    nan: await first(seen.nan, errors === 'nan' ? both : nan),
  };
}

/** Why a run ended: the first row that is to blame, or undefined where there is none. */
export async function reasonOf(
  engine: Engine,
  statement: Asked,
  seen: Pick<Seen, 'stopped'>,
): Promise<Error | undefined> {
  const { relation, range, classes, op, errors, name, truth, signal } = statement;
  const goesOn = ' (--errors skip or nan goes on)';
  const at = (row: string | null) => `row ${Number(row) + statement.first} of ${name}`;
  const one = async (columns: readonly string[], from: string, condition: string) => {
    const list = columns.map((sql, i) => `(${sql})::VARCHAR AS r${i}`).join(', ');
    try {
      const [row] = await engine.texts(
        `SELECT i::VARCHAR, * EXCLUDE (i, b) FROM (SELECT row_number() OVER () - 1 AS i, ${list}, ${condition} AS b FROM ${from}) WHERE b LIMIT 1`,
        signal,
      );
      return row;
    } catch {
      return undefined; // a file that cannot be read to this place: what the engine said is the reason
    }
  };
  if (seen.stopped === 'truth' && truth?.kind === 'column') {
    const bound = classes === undefined ? `len(${relation.tolerant.logits})` : String(classes);
    const row = await one(
      [truth.text],
      sourceOf(relation.tolerant.from, range),
      `coalesce(${truth.sql} < 0 OR ${truth.sql} >= ${bound}, true)`,
    );
    if (!row) return undefined;
    return expected(
      'class numbers',
      `column ${truth.name} of ${name}`,
      `${row[1] ?? 'none'} at row ${Number(row[0]) + statement.first}`,
    );
  }
  const { from, logits } = relation.tolerant;
  const tolerant = `(SELECT ${logits} AS l FROM ${sourceOf(from, range)})`;
  if (seen.stopped === 'nan' && errors === 'fail') {
    const row = await one(['1'], tolerant, isNaNRow('l', op));
    return row && expected('finite logits', at(row[0]), `a row that comes out as NaN${goesOn}`);
  }
  if (seen.stopped !== 'bad' && seen.stopped !== undefined) return undefined;
  const bad = await one(['len(l)', `coalesce(list_count(l), 0) = len(l)`], tolerant, isBad('l', classes));
  if (!bad) return undefined;
  const [row, length, whole] = bad;
  if (whole === 'true') {
    const where = relation.column === undefined ? '' : ` in column ${relation.column}`;
    return expected(`${classes} logits`, at(row), `${length}${where}${goesOn}`);
  }
  const { reasons } = relation;
  const [found] = await engine.texts(
    `SELECT ${reasons.columns.map(({ sql }) => `(${sql})::VARCHAR`).join(', ')} FROM ${sourceOf(reasons.from, range)} LIMIT 1 OFFSET ${row}`,
    signal,
  );
  const which = found?.findIndex((text) => text !== null) ?? -1;
  if (which < 0) return expected(reasons.wanted, at(row), `none${goesOn}`);
  const { name: column } = reasons.columns[which];
  const text = found[which] ?? '';
  if (reasons.hint && which === reasons.columns.length - 1) {
    return expected(`${column} columns`, at(row), `more${goesOn}`);
  }
  const goes = `${reasons.hint?.(column) ?? ''}${goesOn}`;
  if (text === '')
    return expected(reasons.wanted, at(row), `${reasons.none ?? `none in column ${column}`}${goes}`);
  const received = reasons.hint ? JSON.stringify(shorten(text)) : shorten(text);
  const place = column === '' ? '' : ` in column ${column}`;
  return expected(reasons.wanted, at(row), `${received}${place}${goes}`);
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** A text of JSON without its quotes, and anything else as it stands. */
function jsonText(sql: string): string {
  return `(CASE WHEN json_type(${sql}) = 'VARCHAR' THEN ${sql}->>'$' ELSE ${sql}::VARCHAR END)`;
}

/** The columns beside the logits with types of their own, where those of a text are written to a format that has types. */
export async function typedRelation(
  engine: Engine,
  relation: Relation,
  signal?: AbortSignal,
): Promise<Relation> {
  const untyped = relation.kept.filter(({ type }) => type === 'VARCHAR' || type === 'JSON');
  if (untyped.length === 0 || relation.metadata) return relation;
  const tests = untyped.flatMap(({ sql, type }) => {
    const text = type === 'JSON' ? jsonText(sql) : sql;
    const kind = type === 'JSON' ? `json_type(${sql})` : `'VARCHAR'`;
    const all = (condition: string) =>
      `coalesce(bool_and(${sql} IS NULL OR coalesce(${condition}, false)), true)::VARCHAR`;
    const same = (as: string) => all(`TRY_CAST(${text} AS ${as})::VARCHAR = ${text}`);
    const isNumber = type === 'JSON' ? `${kind} IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT')` : 'true';
    const isText = type === 'JSON' ? `${kind} = 'VARCHAR'` : 'true';
    // A number of up to 15 digits is a double exactly, whatever zeros it ends with; an exponent is one in JSON alone.
    const exponent = type === 'JSON' ? '([eE][+-]?[0-9]{1,2})?' : '';
    const double = `TRY_CAST(${text} AS DOUBLE)::VARCHAR = ${text} OR regexp_full_match(${text}, '-?(0|[1-9][0-9]*)(\\.[0-9]+)?${exponent}') AND length(${text}) <= 16`;
    return [
      `count(${sql})::VARCHAR`,
      all(`${isNumber} AND TRY_CAST(${text} AS BIGINT)::VARCHAR = ${text}`),
      all(`${isNumber} AND TRY_CAST(${text} AS UBIGINT)::VARCHAR = ${text}`),
      all(`${isNumber} AND TRY_CAST(${text} AS DECIMAL(38,0))::VARCHAR = ${text}`),
      all(`${isNumber} AND (${double})`),
      all(type === 'JSON' ? `${kind} = 'BOOLEAN'` : `${text} IN ('true', 'false')`),
      type === 'JSON' ? `'false'` : same('DATE'),
      type === 'JSON' ? `'false'` : same('TIMESTAMP'),
      all(isText),
    ];
  });
  const [row] = await engine.texts(`SELECT ${tests.join(', ')} FROM ${relation.tolerant.from}`, signal);
  const TYPES = ['BIGINT', 'UBIGINT', 'DECIMAL(38,0)', 'DOUBLE', 'BOOLEAN', 'DATE', 'TIMESTAMP', 'VARCHAR'];
  const chosen = new Map(
    untyped.map((kept, i) => {
      const [count, ...fits] = row.slice(i * 9, (i + 1) * 9);
      const type = count === '0' ? 'VARCHAR' : (TYPES[fits.indexOf('true')] ?? kept.type);
      return [kept.name, type] as const;
    }),
  );
  return {
    ...relation,
    kept: relation.kept.map((kept) => {
      const type = chosen.get(kept.name) ?? kept.type;
      if (type === kept.type) return kept;
      const text = kept.type === 'JSON' ? jsonText(kept.sql) : kept.sql;
      return { name: kept.name, type, sql: `CAST(${text} AS ${type})` };
    }),
  };
}
