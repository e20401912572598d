/**
 * What `score` writes, DuckDB and Polars read back with the same values and types: every format, every kind of result.
 * pandas, pyarrow and NumPy too where SIMD_SOFTMAX_PYTHON (or python3) has them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import polars from 'nodejs-polars';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scoreFile } from '../lib/cli/score-file.js';
import type { ScoreFileOptions } from '../lib/cli/score-job.js';
import { logSumExp, softmax, topK } from '../lib/index.js';
import { newDuckDB } from './duckdb-files.js';

const ROWS = 300;
const CLASSES = 3;
const duckdb = newDuckDB();
const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-round-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const COLUMNS = {
  id: ['BIGINT', '9007199254740993 + i'],
  big: ['UBIGINT', '18446744073709551615 - i'],
  name: ['VARCHAR', `CASE WHEN i % 7 = 3 THEN NULL ELSE 'é "' || i || '", a' || chr(10) || 'b' END`],
  day: ['DATE', "DATE '1969-12-30' + i::INTEGER"],
  moment: ['TIMESTAMP', "TIMESTAMP '1969-12-31 23:59:58.000001' + to_microseconds(i * 1500001)"],
  flag: ['BOOLEAN', 'CASE WHEN i % 5 = 4 THEN NULL ELSE i % 2 = 0 END'],
  x: ['DOUBLE', 'i / 7'],
  f: ['FLOAT', '0.1 + i'],
  amount: ['DECIMAL(18,4)', 'i + 0.0001'],
} as const;
const NAMES = Object.keys(COLUMNS);
const TYPES = Object.values(COLUMNS).map(([type]) => type);

const logit = (row: number, i: number) => Math.fround(((row * 7 + i * 5) % 11) / 4 - 1);
const rowsOf = <Value>(one: (x: Float32Array) => Value) =>
  Array.from({ length: ROWS }, (_, row) =>
    one(Float32Array.from({ length: CLASSES }, (_, i) => logit(row, i))),
  );

/** Each kind of result: its options, and the columns that it adds. */
const RESULTS: Readonly<Record<string, readonly [Partial<ScoreFileOptions>, Record<string, unknown[]>]>> = {
  all: [{}, { probabilities: rowsOf((x) => Array.from(softmax(x))) }],
  best: [
    { topK: 2 },
    {
      class: rowsOf((x) => Array.from(topK(x, 2).indices)),
      score: rowsOf((x) => Array.from(topK(x, 2).probabilities)),
    },
  ],
  logsumexp: [{ op: 'logsumexp' }, { logsumexp: rowsOf((x) => logSumExp(x)[0]) }],
};
const kinds = Object.keys(RESULTS);

beforeAll(async () => {
  const kept = Object.entries(COLUMNS).map(([name, [type, sql]]) => `(${sql})::${type} AS ${name}`);
  const logits = Array.from({ length: CLASSES }, (_, i) => `((i * 7 + ${i * 5}) % 11) / 4 - 1`);
  await duckdb.run(
    `COPY (SELECT ${kept.join(', ')}, [${logits.join(', ')}]::FLOAT[] AS logits FROM range(${ROWS}) t(i) ORDER BY i) TO '${at('in.parquet')}'`,
  );
});

async function write(kind: string, format: string): Promise<string> {
  const output = at(`${kind}.${format}`);
  await scoreFile({ input: at('in.parquet'), output, ...RESULTS[kind][0] });
  return output;
}

/** As a list where a text has a column for each. */
const flat = (kind: string, format: string) =>
  format !== 'csv' && format !== 'tsv'
    ? Object.keys(RESULTS[kind][1])
    : {
        all: Array.from({ length: CLASSES }, (_, i) => `class_${i}`),
        best: ['class_1', 'score_1', 'class_2', 'score_2'],
        logsumexp: ['logsumexp'],
      }[kind]!;

/** The added columns of a row, however they lie. */
const added = (kind: string, row: number) => Object.values(RESULTS[kind][1]).map((column) => column[row]);
/** As the text has them: class and score in turns. */
function inTurns(kind: string, row: number): unknown[] {
  const columns = added(kind, row);
  if (!Array.isArray(columns[0])) return columns;
  return (columns[0] as unknown[]).flatMap((_, i) => columns.map((column) => (column as unknown[])[i]));
}

describe('DuckDB', () => {
  const cases = ['parquet', 'ndjson', 'csv', 'tsv'].flatMap((format) =>
    kinds.map((kind) => [format, kind] as const),
  );

  test.each(cases)('%s, %s', async (format, kind) => {
    const path = await write(kind, format);
    const names = flat(kind, format);
    const type = (name: string) => {
      const one = /class/.test(name) && kind === 'best' ? 'UINTEGER' : 'FLOAT';
      return format === 'csv' || format === 'tsv' || kind === 'logsumexp' ? one : `${one}[]`;
    };
    const declared = [
      ...NAMES.map((name, i) => [name, TYPES[i]]),
      ...names.map((name) => [name, type(name)]),
    ];
    const columns = `{${declared.map(([name, type]) => `${name}: '${type}'`).join(', ')}}`;
    const from =
      format === 'parquet'
        ? `'${path}'`
        : format === 'ndjson'
          ? `read_json('${path}', columns = ${columns})`
          : `read_csv('${path}', header = true, delim = '${format === 'tsv' ? '\\t' : ','}', quote = '"', escape = '"', columns = ${columns})`;
    // Parquet says the types itself; text and JSON hold what these types take.
    const described = await duckdb.arrays(`SELECT column_name, column_type FROM (DESCRIBE FROM ${from})`);
    expect(described).toEqual(declared);
    const list = NAMES.join(', ');
    for (const [a, b] of [
      [from, `'${at('in.parquet')}'`],
      [`'${at('in.parquet')}'`, from],
    ]) {
      expect(await duckdb.rows(`SELECT ${list} FROM ${a} EXCEPT ALL SELECT ${list} FROM ${b}`)).toEqual([]);
    }
    const text = format === 'csv' || format === 'tsv';
    const json = names.map((name) => `to_json(${name})::VARCHAR`).join(', ');
    const rows = await duckdb.arrays(`SELECT ${json} FROM ${from} ORDER BY id`);
    expect(rows.map((row) => row.map((cell) => roundOf(JSON.parse(cell))))).toEqual(
      Array.from({ length: ROWS }, (_, row) => (text ? inTurns : added)(kind, row)),
    );
  });
});

/** JSON has doubles. */
const roundOf = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(roundOf) : Number.isInteger(value) ? value : Math.fround(Number(value));

describe('Polars', () => {
  const cases = ['parquet', 'arrow', 'arrows', 'ndjson'].flatMap((format) =>
    kinds.map((kind) => [format, kind] as const),
  );
  const SCHEMA = {
    ...{ id: 'Int64', big: 'UInt64', name: 'String', day: 'Date', moment: 'Datetime', flag: 'Bool' },
    ...{ x: 'Float64', f: 'Float32', amount: 'Decimal' },
  };

  test.each(cases)('%s, %s', async (format, kind) => {
    const bytes = readFileSync(await write(kind, format));
    const frame =
      format === 'parquet'
        ? polars.readParquet(bytes)
        : format === 'arrow'
          ? polars.readIPC(bytes)
          : format === 'arrows'
            ? polars.readIPCStream(bytes)
            : polars.readJSON(bytes, { format: 'lines' });
    const names = Object.keys(RESULTS[kind][1]);
    expect(frame.columns).toEqual([...NAMES, ...names]);
    if (format !== 'ndjson') {
      const types = Object.fromEntries(frame.dtypes.map((type, i) => [frame.columns[i], type.variant]));
      expect(types).toMatchObject(SCHEMA);
    }
    const source = await duckdb.rows(
      `SELECT name, epoch_ms(day) AS day, x, flag, f::DOUBLE AS f FROM '${at('in.parquet')}' ORDER BY id`,
    );
    const records = frame.drop('amount').toRecords() as Record<string, unknown>[];
    expect(records.map(({ name }) => name)).toEqual(source.map(({ name }) => name));
    expect(records.map(({ x }) => x)).toEqual(source.map(({ x }) => x));
    expect(records.map(({ flag }) => flag)).toEqual(source.map(({ flag }) => flag));
    expect(records.map(({ f }) => Math.fround(Number(f)))).toEqual(source.map(({ f }) => f));
    const received = records.map((record) => names.map((name) => roundOf(record[name])));
    expect(received).toEqual(Array.from({ length: ROWS }, (_, row) => added(kind, row)));
  });

  test.each(['csv', 'tsv'].flatMap((format) => kinds.map((kind) => [format, kind] as const)))(
    '%s, %s',
    async (format, kind) => {
      const frame = polars.readCSV(await write(kind, format), { sep: format === 'tsv' ? '\t' : ',' });
      const names = flat(kind, format);
      expect(frame.columns).toEqual([...NAMES, ...names]);
      const records = frame.toRecords() as Record<string, unknown>[];
      expect(records.map((record) => names.map((name) => roundOf(record[name])))).toEqual(
        Array.from({ length: ROWS }, (_, row) => inTurns(kind, row)),
      );
      expect(records.map(({ day }) => String(day).slice(0, 10))).toHaveLength(ROWS);
    },
  );
});

const python = process.env.SIMD_SOFTMAX_PYTHON ?? 'python3';
const hasPython =
  spawnSync(python, ['-c', 'import numpy, pandas, pyarrow'], { stdio: 'ignore' }).status === 0;
if (!hasPython)
  console.warn('\n*** SKIPPED pandas, pyarrow and NumPy: pip install numpy pandas pyarrow ***\n');

/** Reads a file in two ways; prints the types, and the cells as JSON. */
const SCRIPT = `
import json, sys
import numpy as np, pandas as pd, pyarrow as pa, pyarrow.csv, pyarrow.feather, pyarrow.json, pyarrow.parquet
path, form, *added = sys.argv[1:]
def plain(value):
    if isinstance(value, (list, np.ndarray)): return [plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
if form == 'npy':
    array = np.load(path)
    columns = [array[name] for name in array.dtype.names or []] or [array]
    print(json.dumps({'rows': list(zip(*[column.tolist() for column in columns]))}))
    sys.exit()
text = pa.csv.ParseOptions(delimiter='\t' if form == 'tsv' else ',', newlines_in_values=True)
table = {
    'parquet': lambda: pa.parquet.read_table(path),
    'arrow': lambda: pa.feather.read_table(path),
    'arrows': lambda: pa.ipc.open_stream(path).read_all(),
    'ndjson': lambda: pa.json.read_json(path),
    'csv': lambda: pa.csv.read_csv(path, parse_options=text),
    'tsv': lambda: pa.csv.read_csv(path, parse_options=text),
}[form]()
table.validate(full=True)
frame = {
    'parquet': lambda: pd.read_parquet(path),
    'arrow': lambda: pd.read_feather(path),
    'arrows': lambda: table.to_pandas(),
    'ndjson': lambda: pd.read_json(path, lines=True, dtype={'big': 'uint64', 'id': 'int64'}),
    'csv': lambda: pd.read_csv(path),
    'tsv': lambda: pd.read_csv(path, sep='\t'),
}[form]()
assert list(frame.columns) == table.column_names
def texts(column): return [None if pd.isna(value) else str(value) for value in column]
print(json.dumps({
    'types': {field.name: str(field.type) for field in table.schema},
    'ids': [texts(table['id'].to_pylist()), texts(frame['id'])],
    'big': [texts(table['big'].to_pylist()), texts(frame['big'])],
    'names': [table['name'].to_pylist(), texts(frame['name'])],
    'days': [[str(day) for day in table['day'].to_pylist()]],
    'rows': [[plain(each) for each in row] for row in zip(*[table[name].to_pylist() for name in added])],
    'frame': [[plain(each) for each in row] for row in zip(*[frame[name] for name in added])],
}))
`;

describe.skipIf(!hasPython)('pyarrow, pandas and NumPy', () => {
  const cases = ['parquet', 'arrow', 'arrows', 'ndjson', 'csv', 'tsv', 'npy'].flatMap((format) =>
    kinds.map((kind) => [format, kind] as const),
  );
  const TYPED = {
    ...{ id: 'int64', big: 'uint64', day: 'date32[day]', flag: 'bool', x: 'double', f: 'float' },
    ...{ moment: 'timestamp[us]', amount: expect.stringMatching(/^decimal(64|128)\(18, 4\)$/) },
  };

  test.each(cases)('%s, %s', async (format, kind) => {
    const path = await write(kind, format);
    const names = flat(kind, format);
    const { status, stdout, stderr } = spawnSync(python, ['-c', SCRIPT, path, format, ...names], {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const read = JSON.parse(stdout);
    const text = format === 'csv' || format === 'tsv';
    const expected = Array.from({ length: ROWS }, (_, row) => (text ? inTurns : added)(kind, row));
    expect(read.rows.map((row: unknown[]) => row.map(roundOf))).toEqual(expected);
    if (format === 'npy') return;
    expect(read.frame.map((row: unknown[]) => row.map(roundOf))).toEqual(expected);
    const source = await duckdb.arrays(
      `SELECT id::VARCHAR, big::VARCHAR, name, day::VARCHAR FROM '${at('in.parquet')}' ORDER BY id`,
    );
    const column = (i: number) => source.map((row) => row[i]);
    for (const ids of read.ids) expect(ids).toEqual(column(0));
    // pyarrow guesses the type of a text: doubles, where numbers are beyond int64.
    if (!text && format !== 'ndjson') {
      for (const big of read.big) expect(big).toEqual(column(1));
      expect(read.types).toMatchObject(TYPED);
    }
    for (const own of read.names) expect(own.map((name: string | null) => name ?? '')).toEqual(column(2));
    expect(read.days[0].map((day: string) => day.slice(0, 10))).toEqual(column(3));
  });
});
