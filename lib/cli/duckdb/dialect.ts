/** How a CSV is meant: its delimiter, its header, and which columns can be logits. Nothing is guessed that can be wrong. */
import { parseNumber } from '../cells.js';
import { listOf } from '../columns.js';
import { expected } from '../failure.js';

export interface Dialect {
  readonly delimiter: string;
  /** A comma where numbers are written so. */
  readonly decimal: '.' | ',';
  readonly header: boolean;
  /** The names of the columns: their numbers where there is no header. */
  readonly columns: readonly string[];
  /** The first rows. */
  readonly sample: readonly (readonly string[])[];
  /** What was decided without being told, for the user to see. */
  readonly notes: readonly string[];
}

const SAMPLE_ROWS = 200;
const DELIMITERS = [',', ';', '\t', '|'];

export function dialectOf(
  text: string,
  whole: boolean,
  name: string,
  given: { readonly header: boolean | undefined; readonly delimiter: string | undefined },
): Dialect {
  const bare = text.replace(/^\ufeff/, '');
  const { delimiter, records } = delimiterOf(bare, whole, name, given.delimiter);
  const [first, ...rest] = records;
  if (!first) throw expected('a CSV', name, 'nothing');
  const decimal =
    delimiter !== ',' &&
    records.flat().some((cell) => /^\s*[+-]?\d*,\d+\s*$/.test(cell)) &&
    !records.flat().some((cell) => /^\s*[+-]?\d*\.\d+\s*$/.test(cell))
      ? ','
      : '.';
  const numeric = (cell: string) => numberOf(cell, decimal) !== undefined;
  const { header, note } = headerOf(first, rest, numeric, name, given.header);
  const columns = header ? first : first.map((_, i) => String(i));
  const notes = [
    ...(given.delimiter === undefined && delimiter !== ','
      ? [`delimiter: ${delimiter === '\t' ? 'tab' : JSON.stringify(delimiter)}`]
      : []),
    ...(decimal === ',' ? ['decimal commas'] : []),
    ...(note ? [note] : []),
  ];
  return { delimiter, decimal, header, columns, sample: header ? rest : records, notes };
}

export function numberOf(cell: string, decimal: '.' | ','): number | undefined {
  return parseNumber(decimal === ',' ? cell.replace(',', '.') : cell);
}

function delimiterOf(text: string, whole: boolean, name: string, given: string | undefined) {
  if (given !== undefined) return { delimiter: given, records: recordsOf(text, given, whole, name) };
  const tried = DELIMITERS.map((delimiter) => ({
    delimiter,
    records: recordsOf(text, delimiter, whole, name),
  }));
  // The widest among those that cut the first lines alike.
  const alike = tried.filter(({ records: [first, second] }) => {
    return first && first.length > 1 && (!second || second.length === first.length);
  });
  if (alike.length === 1) return alike[0];
  if (alike.length === 0) {
    return tried.find(({ records: [first] }) => first && first.length > 1) ?? tried[0];
  }
  // `1,5;2,5` is cut by both: a semicolon would not stand inside a number, a comma would.
  const whose = alike.filter(({ records, delimiter }) =>
    records
      .slice(0, 2)
      .every((record) =>
        record.every((cell) => !DELIMITERS.some((d) => d !== delimiter && d !== ',' && cell.includes(d))),
      ),
  );
  if (whose.length === 1) return whose[0];
  const received = alike.map(({ delimiter }) => JSON.stringify(delimiter)).join(' or ');
  throw expected('--delimiter', name, `columns that ${received} may divide`);
}

function headerOf(
  first: readonly string[],
  rest: readonly (readonly string[])[],
  numeric: (cell: string) => boolean,
  name: string,
  given: boolean | undefined,
): { readonly header: boolean; readonly note?: string } {
  if (given !== undefined) return { header: given };
  const numbers = first.filter(numeric);
  const names = first.filter((cell) => cell.trim() !== '' && !numeric(cell));
  const ask = (received: string) => expected('--header yes or no', name, received);
  if (names.length > 0) {
    // Names with a fraction or a sign are none.
    const odd = numbers.find((cell) => !/^\s*\d+\s*$/.test(cell));
    if (odd !== undefined) throw ask(`a first line with names and the number ${odd}`);
    return { header: true };
  }
  // pandas numbers columns from 0, behind the unnamed one of its index.
  const unnamed = first[0]?.trim() === '' ? 1 : 0;
  const counted = first.slice(unnamed);
  const counts = counted.length > 1 && counted.every((cell, i) => cell.trim() === String(i));
  if (counts) return { header: true, note: `header: ${first.join(',')}` };
  if (first.some((cell) => cell.trim() === '')) throw ask('a first line with an empty name');
  const whole = (cell: string) => /^\s*\d+\s*$/.test(cell);
  const fractions = rest.length > 0 && rest.every((row) => row.some((cell) => numeric(cell) && !whole(cell)));
  if (first.every(whole) && new Set(first).size === first.length && first.length > 1 && fractions) {
    throw ask(`a first line of whole numbers (${first.slice(0, 4).join(',')}) before others`);
  }
  return { header: false, note: 'no header' };
}

/** The first records; the last may be cut off where the text is not whole. */
function recordsOf(text: string, delimiter: string, whole: boolean, name: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length && records.length <= SAMPLE_ROWS) {
    let cell = '';
    if (text[at] === '"') {
      for (at++; ; ) {
        const end = text.indexOf('"', at);
        if (end < 0) {
          if (!whole || text.length > 1 << 20) return records;
          throw expected('a CSV', name, `a quote that is not closed, in record ${records.length}`);
        }
        cell += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        cell += '"';
        at++;
      }
    }
    let end = at;
    while (end < text.length && text[end] !== delimiter && text[end] !== '\n') end++;
    cell += text.slice(at, end).replace(/\r$/, '');
    record.push(cell);
    if (text[end] === delimiter) {
      at = end + 1;
      if (at < text.length) continue;
      record.push('');
    }
    at = end + 1;
    if (record.length > 1 || record[0] !== '') records.push(record);
    record = [];
  }
  return records;
}

/** What a number of its own kind is often called: never a class without being asked for. */
const IDS =
  /^(id|ids|_id|uuid|guid|idx|index|key|no|nr|num|number|row|rows|rowid|row_number|line|n|label|labels|target|truth|class|y|time|timestamp|date|year|user|item|sample|.*[_\- .](ids?|idx|index|key|no|nr|number)|.*[a-z](Id|ID|Key|Index))$|^(unnamed: \d+|__index_level_\d+__)$/i;

export function namesId(name: string): boolean {
  return IDS.test(name.trim());
}

/** `1.500,5`, `1,5`: text where decimals have points. */
const MAYBE_NUMBER = /^\s*[+-]?\d[\d.' ]*(,[\d.' ]+)+\s*$/;

/** Which columns are logits, by number. */
export function logitColumns(
  { columns, sample, decimal, header }: Dialect,
  keep: readonly string[] | undefined,
  asked: readonly string[] | undefined,
  others: readonly string[],
  name: string,
): { readonly logits: number[]; readonly notes: string[] } {
  const numbers = columns.map((_, i) => i);
  const fewer = (count: number) =>
    expected('two columns of numbers or more, or --column,', name, count === 0 ? 'none' : 'one');
  const find = (wanted: string) => {
    const at = columns.indexOf(wanted);
    if (at < 0) throw expected(`a column ${wanted}`, name, columns.slice(0, 8).join(', '));
    if (columns.indexOf(wanted, at + 1) >= 0) {
      throw expected('names that differ', `the columns of ${name}`, `${wanted} twice`);
    }
    return at;
  };
  const aside = others.map(find);
  if (asked) return { logits: asked.map(find), notes: [] };
  if (keep) {
    const kept = new Set([...keep.map(find), ...aside]);
    const rest = numbers.filter((i) => !kept.has(i));
    if (rest.length === 0) throw fewer(0);
    return { logits: rest, notes: [] };
  }

  const cells = (i: number) => sample.map((row) => row[i] ?? '').filter((cell) => cell.trim() !== '');
  const isWhole = (cell: string) => /^\s*[+-]?\d+\s*$/.test(cell);
  const kept: number[] = [];
  for (const i of numbers) {
    const values = cells(i);
    const text = values.length > 0 && values.every((cell) => numberOf(cell, decimal) === undefined);
    // pandas has no name for its index, and writes whole numbers as 1.0 where one is missing.
    const unnamed = columns[i].trim() === '';
    const countable = values.every((cell) => /^\s*[+-]?\d+([.,]0*)?\s*$/.test(cell));
    const id = header && (unnamed || (countable && namesId(columns[i])));
    if (text || id || aside.includes(i)) kept.push(i);
  }
  const logits = numbers.filter((i) => !kept.includes(i));
  const odd = kept.find((i) => {
    const values = cells(i);
    return values.length > 0 && values.every((cell) => MAYBE_NUMBER.test(cell));
  });
  if (odd !== undefined) {
    const received = `text that may be numbers in column ${columns[odd]}: ${cells(odd)[0]}`;
    throw expected(`numbers such as 1.5, or --keep ${columns[odd]}`, name, received);
  }
  // The softmax of one class is 1.
  if (logits.length < 2) throw fewer(logits.length);
  // Whole numbers beside columns with fractions may number the rows, or what they tell of.
  const fractional = (i: number) =>
    cells(i).some((cell) => !isWhole(cell) && Number.isFinite(numberOf(cell, decimal)));
  const doubtful = logits.filter((i) => {
    const values = cells(i);
    return values.length > 2 && values.every(isWhole) && values.some((cell) => Number(cell) !== 0);
  });
  if (doubtful.length > 0 && logits.some(fractional) && logits.length > doubtful.length) {
    const column = columns[doubtful[0]];
    throw expected(
      `--keep ${column} or --column`,
      name,
      `whole numbers in column ${column}, fractions in others: logits or not`,
    );
  }
  return {
    logits,
    notes: [
      `logits: ${listOf(
        'column',
        logits.map((i) => columns[i]),
      )}`,
      keptNote(kept.map((i) => columns[i])),
    ],
  };
}

export function keptNote(names: readonly string[]): string {
  return `kept: ${names.length === 0 ? 'none' : listOf('', names).trimStart().replace(/^s /, '')}`;
}
