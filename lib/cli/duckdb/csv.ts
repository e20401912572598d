/**
 * CSV and TSV: a column per class, and columns to keep beside them, which come as the text that they are. Types are always
 * given: left alone, the engine takes them from the first rows and bends what comes later.
 */
import { type Dialect, dialectOf, logitColumns } from './dialect.js';
import { type Engine, identifier, literal, pathLiteral } from './engine.js';
import { type Compression, compressionOption, headOf, notUtf8 } from './head.js';
import { LINE_OPTIONS } from './long-line.js';
import { refuseOpenQuote } from './open-quote.js';
import { type Choice, namesIn, type Place, type Relation } from './relation.js';

export async function csvRelation(
  engine: Engine,
  place: Place,
  format: 'csv' | 'tsv',
  choice: Choice,
): Promise<Relation> {
  const { text, utf8, whole, compression } = await headOf(engine, place);
  const delimiter = choice.delimiter ?? (format === 'tsv' ? '\t' : undefined);
  const dialect = dialectOf(text, whole, place.name, { header: choice.header, delimiter });
  // Elsewhere the engine finds it, and names the line.
  if (!utf8 && dialect.columns.some((column) => column.includes('\ufffd'))) throw notUtf8(place.name);
  return relationIn(dialect, place, choice, compression, dialect.header);
}

/** The relation of a text whose dialect is known: of a part of it that does or does not begin with the header. */
function relationIn(
  dialect: Dialect,
  place: Place,
  choice: Choice,
  compression: Compression,
  headed: boolean,
): Relation {
  const { columns, sample, decimal } = dialect;
  const asked = choice.column === undefined ? undefined : namesIn(choice.column, columns);
  const others = choice.truth === undefined ? [] : [choice.truth];
  const { logits, notes } = logitColumns(dialect, choice.keep, asked, others, place.name);
  const kept = keptOf(dialect, logits, choice.keep);
  // A single column whose cells are lists: `[1.5, 0.5]`.
  const lists =
    logits.length === 1 && sample.length > 0 && sample.every((row) => /^\s*\[/.test(row[logits[0]] ?? ''));
  const internal = columns.map((_, i) => `c${i}`);
  const source = (types: readonly string[], rest: string) =>
    `read_csv(${pathLiteral(place.path)}, columns = {${types.map((type, i) => `${literal(internal[i] ?? 'more')}: '${type}'`).join(', ')}}, ` +
    `header = ${headed}, delim = ${literal(dialect.delimiter)}, quote = '"', escape = '"', ` +
    `decimal_separator = ${literal(decimal)}, auto_detect = false, ${LINE_OPTIONS}, ${compressionOption(compression)}${rest})`;
  const isLogit = new Set(lists ? [] : logits);
  const texts = columns.map(() => 'VARCHAR');
  const number = (i: number) =>
    decimal === ',' ? `TRY_CAST(replace(c${i}, ',', '.') AS DOUBLE)` : `TRY_CAST(c${i} AS DOUBLE)`;
  // What more cells than columns there are shows in the last. Quoted line breaks are read by one thread alone.
  const tolerant = source(
    [...texts, 'VARCHAR'],
    `, null_padding = true, strict_mode = false, parallel = false`,
  );
  return {
    from: source(
      columns.map((_, i) => (isLogit.has(i) ? 'DOUBLE' : 'VARCHAR')),
      '',
    ),
    logits: lists ? `c${logits[0]}::DOUBLE[]` : `list_value(${logits.map((i) => `c${i}`).join(', ')})`,
    tolerant: {
      from: tolerant,
      logits: lists
        ? `TRY_CAST(c${logits[0]} AS DOUBLE[])`
        : `CASE WHEN more IS NULL THEN list_value(${logits.map(number).join(', ')}) END`,
    },
    type: 'float64',
    column: lists ? columns[logits[0]] : undefined,
    names: lists || !dialect.header ? undefined : logits.map((i) => columns[i]),
    classes: lists ? undefined : logits.length,
    kept: kept.map((i) => ({ name: columns[i], sql: `c${i}`, type: 'VARCHAR' })),
    chosen: [...dialect.notes, ...notes].join('; ') || undefined,
    rows: undefined,
    bare: false,
    refuseUnclosed: (signal) => refuseOpenQuote(place, dialect.delimiter, compression, signal),
    next: async (part) => relationIn(dialect, part, choice, compression, false),
    reasons: {
      wanted: 'numbers',
      from: tolerant,
      columns: [
        ...logits.map((i) => ({
          name: columns[i],
          sql: `CASE WHEN ${lists ? `TRY_CAST(c${i} AS DOUBLE[])` : number(i)} IS NULL THEN coalesce(c${i}, '') END`,
        })),
        { name: `${columns.length}`, sql: identifier('more') },
      ],
      hint: (column) => (dialect.header && !choice.column ? `, which --keep ${column} would set aside` : ''),
    },
  };
}

function keptOf(
  { columns }: Dialect,
  logits: readonly number[],
  keep: readonly string[] | undefined,
): number[] {
  const rest = columns.map((_, i) => i).filter((i) => !logits.includes(i));
  if (!keep) return rest;
  // In the order in which they were asked for.
  const asked = keep.map((name) => columns.indexOf(name));
  return [...asked, ...rest.filter((i) => !asked.includes(i))];
}
