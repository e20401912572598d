/** Parquet: a column of lists, or a column per class, and the columns beside them. */
import { listOf } from '../columns.js';
import { expected } from '../failure.js';
import { keptNote } from './dialect.js';
import { type Engine, engineFailure, identifier, literal, pathLiteral } from './engine.js';
import { refuseDamagedFooter } from './parquet-footer.js';
import { type Choice, namesIn, type Place, type Relation } from './relation.js';

const LIST = /^(FLOAT|DOUBLE)\[\d*\]$/;
const NUMBER = /^(FLOAT|DOUBLE|DECIMAL\(.*\)|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT))$/;

interface Column {
  readonly name: string;
  readonly type: string;
}

export async function parquetRelation(
  engine: Engine,
  place: Place,
  choice: Choice,
  signal?: AbortSignal,
): Promise<Relation> {
  const files = place.hive
    ? literal(`${place.path.replace(/[[*?]/g, (c) => `[${c}]`)}/**/*.parquet`)
    : pathLiteral(place.path);
  const from = place.hive
    ? `read_parquet(${files}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)`
    : `read_parquet(${files}, hive_partitioning = false)`;
  const ask = (sql: string) =>
    engine.texts(sql, signal).catch((error) => {
      throw engineFailure(error, 'a Parquet file', place.name);
    });
  const parts = place.hive ? await ask(`SELECT file FROM glob(${files})`) : [[place.path]];
  for (const [path] of parts) refuseDamagedFooter(path ?? '', place.hive ? (path ?? '') : place.name);
  const columns = (await ask(`SELECT column_name, column_type FROM (DESCRIBE FROM ${from})`)).map(
    ([name, type]) => ({ name: name ?? '', type: type ?? '' }),
  );
  const [[rows]] = await ask(`SELECT sum(num_rows)::BIGINT::VARCHAR FROM parquet_file_metadata(${files})`);
  const pairs = place.hive
    ? []
    : await ask(`SELECT decode(key), to_base64(value) FROM parquet_kv_metadata(${files})`);
  const metadata = new Map(
    pairs.map(([key, value]) => [key ?? '', Buffer.from(value ?? '', 'base64').toString()]),
  );
  const logits = logitsOf(columns, choice, place.name);
  const kept = columns.filter((column) => !logits.includes(column));
  const one = LIST.test(logits[0].type);
  const single = logits.every(({ type }) => /^FLOAT\b/.test(type));
  const number = single ? 'FLOAT' : 'DOUBLE';
  const expression = one
    ? `${identifier(logits[0].name)}::${number}[]`
    : `list_value(${logits.map(({ name }) => `${identifier(name)}::${number}`).join(', ')})`;
  const columnsOf = async (condition: string) => {
    const found = await ask(`SELECT DISTINCT name FROM parquet_schema(${files}) WHERE ${condition}`);
    return found.map(([name]) => name).filter((name) => kept.some((column) => column.name === name));
  };
  // What the engine has no type for.
  const cut = await columnsOf(`logical_type LIKE 'TimestampType(isAdjustedToUTC=1,%NANOS=Nano%'`);
  const halves = await columnsOf(`logical_type LIKE 'Float16%'`);
  const millis = await columnsOf(
    `converted_type IN ('TIMESTAMP_MILLIS', 'TIME_MILLIS') OR logical_type LIKE 'Time%MILLIS=Milli%'`,
  );
  const fixed = await columnsOf(
    `type = 'FIXED_LEN_BYTE_ARRAY' AND converted_type IS NULL AND logical_type IS NULL`,
  );
  const notes = cut.map(
    (column) => `column ${column}: nanoseconds of times with a zone are cut to microseconds`,
  );
  const changes = [
    ...halves.map((column) => `column ${column}: float16 becomes FLOAT`),
    ...millis.map((column) => `column ${column}: milliseconds become microseconds`),
    ...fixed.map((column) => `column ${column}: bytes of a fixed length become BLOB`),
  ];
  const names = logits.map(({ name }) => name);
  const choiceNote = `logits: ${one ? names[0] : listOf('column', names)}; ${keptNote(kept.map(({ name }) => name))}`;
  const stated = choice.column !== undefined || choice.keep !== undefined;
  return {
    from,
    logits: expression,
    tolerant: { from, logits: expression },
    type: single ? 'float32' : 'float64',
    column: one ? logits[0].name : undefined,
    names: one ? undefined : names,
    classes: one ? undefined : logits.length,
    kept: kept.map(({ name, type }) => ({ name, sql: identifier(name), type })),
    chosen: [...(stated ? [] : [choiceNote]), ...notes].join('; ') || undefined,
    rows: rows === null ? 0 : Number(rows),
    changes,
    metadata,
    bare: false,
    reasons: {
      wanted: one ? 'logits' : 'numbers',
      from,
      columns: logits.map(({ name }) => ({
        name,
        sql: one
          ? `coalesce(${identifier(name)}::VARCHAR, '')`
          : `CASE WHEN ${identifier(name)} IS NULL THEN '' END`,
      })),
    },
  };
}

function logitsOf(columns: readonly Column[], choice: Choice, name: string): Column[] {
  const names = columns.map((column) => column.name);
  const find = (wanted: string) => {
    const column = columns.find((known) => known.name === wanted);
    if (!column) throw expected(`a column ${wanted}`, name, names.slice(0, 8).join(', '));
    return column;
  };
  const numbers = (found: readonly Column[]) => {
    const other = found.find(({ type }) => !NUMBER.test(type));
    if (other)
      throw expected(
        'numbers, or one list of floats,',
        `column ${other.name} of ${name}`,
        wordsOf(other.type),
      );
    if (found.length === 0) throw expected('columns of logits', name, 'none');
    return [...found];
  };
  if (choice.column !== undefined) {
    const asked = namesIn(choice.column, names).map(find);
    if (asked.length > 1) return numbers(asked);
    if (!LIST.test(asked[0].type)) {
      throw expected('lists of floats', `column ${asked[0].name} of ${name}`, wordsOf(asked[0].type));
    }
    return asked;
  }
  if (choice.keep) {
    const kept = new Set(choice.keep.map(find));
    const rest = columns.filter((column) => !kept.has(column) && column.name !== choice.truth);
    return rest.length === 1 && LIST.test(rest[0].type) ? rest : numbers(rest);
  }
  const lists = columns.filter(({ type }) => LIST.test(type));
  if (lists.length === 1) return lists;
  if (lists.length > 1) {
    throw expected('one column of lists of floats, or --column,', name, lists.map((l) => l.name).join(', '));
  }
  const near = columns.find(({ type }) => /\[\d*\]$/.test(type));
  if (near) {
    throw expected('lists of floats', `column ${near.name} of ${name}`, wordsOf(near.type));
  }
  throw expected(
    'one column of lists of floats, or --column or --keep for a column per class,',
    name,
    columns
      .slice(0, 8)
      .map((column) => `${column.name} ${column.type}`)
      .join(', '),
  );
}

function wordsOf(type: string): string {
  const depth = type.match(/\[\d*\]/g)?.length ?? 0;
  return depth > 1 && !type.includes('(') ? `lists of lists (${type})` : type;
}
