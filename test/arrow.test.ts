/** Arrow files of other writers, in and out: values, types and refusals. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  columnFromArray,
  type DataType,
  dictionary,
  float32,
  list,
  type Table,
  Type,
  tableFromColumns,
  tableFromIPC,
  tableToIPC,
  uint16,
  utf8,
} from '@uwdata/flechette';
import * as arrow from 'apache-arrow';
import polars from 'nodejs-polars';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scoreFile } from '../lib/cli/score-file.js';
import type { ScoreFileOptions } from '../lib/cli/score-job.js';
import { softmax } from '../lib/index.js';
import { newDuckDB } from './duckdb-files.js';

const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-arrow-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const cases = join(import.meta.dirname, 'cases');

const A = [1.5, 0.5, 2];
const B = [0.2, 2.2, 1];
const scored = (row: readonly number[]) => Array.from(softmax(Float32Array.from(row)));

async function score(input: string, output: string, options: Partial<ScoreFileOptions> = {}) {
  return await scoreFile({ ...options, input, output: at(output) });
}

function lines(name: string): Record<string, unknown>[] {
  const text = readFileSync(at(name), 'utf8').trimEnd();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
}

/** Lists of numbers are typed arrays or not, by how they lie. */
function plain(value: unknown): unknown {
  return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
}

/** By the library that also writes, with nothing rounded. */
function values(path: string): { table: Table; columns: Map<string, readonly unknown[]> } {
  const options = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true };
  const table = tableFromIPC(new Uint8Array(readFileSync(path)), options);
  const columns = table.names.map(
    (name) => [String(name), [...table.getChild(name)].map(plain) as readonly unknown[]] as const,
  );
  return { table, columns: new Map(columns) };
}

describe('files that other tools wrote', () => {
  test.each(['unnamed.parquet', 'unnamed.ndjson', 'unnamed.arrow', 'unnamed.csv'])(
    'a column without a name travels to %s',
    async (output) => {
      const logits = arrow.vectorFromArray(
        [A, B],
        new arrow.List(arrow.Field.new('item', new arrow.Float32(), false)),
      );
      const other = arrow.vectorFromArray([7, 8], new arrow.Int32());
      const named = new arrow.Table({ logits, other });
      for (const { fields } of [named.schema, ...named.batches.map((batch) => batch.schema)]) {
        (fields[1] as { name: string | null }).name = null;
      }
      writeFileSync(at('unnamed-in.arrow'), arrow.tableToIPC(named, 'file'));
      expect((await score(at('unnamed-in.arrow'), output)).rows).toBe(2);
      if (output.endsWith('.ndjson'))
        expect(lines(output).map((row) => row[''] ?? row['Unnamed: 0'])).toEqual([7, 8]);
    },
  );

  test.each([
    'from-arrow-rs.arrow',
    'padded-messages.arrow',
    'polars-1.44.arrow',
    'list-view.arrow',
    'run-ends.arrow',
    'decimals.arrow',
    'uuid.arrow',
  ])('%s has its rows', async (name) => {
    expect((await score(join(cases, name), 'rows.ndjson')).rows).toBe(2);
    const rows = lines('rows.ndjson').map((row) => Array.from(row.probabilities as number[], Math.fround));
    expect(rows).toEqual([scored(A), scored(B)]);
    await score(join(cases, name), 'rows.arrow');
    const { columns } = values(at('rows.arrow'));
    expect(columns.get('probabilities')!.map((row) => Array.from(row as number[]))).toEqual([
      scored(A),
      scored(B),
    ]);
  });

  test.each<[string, string]>([
    ['big-endian.arrows', 'Expected little-endian numbers for % but received big-endian ones'],
    [
      'fixed-shape-tensor.arrow',
      'Expected one row of logits in each list (write lists of 3) for column logits of % but received arrow.fixed_shape_tensor of shape [2, 3]',
    ],
  ])('%s is refused, and told why', async (name, message) => {
    const path = join(cases, name);
    await expect(score(path, 'refused.ndjson')).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining(message.replace('%', path)),
    });
    expect(readdirSync(folder)).not.toContain('refused.ndjson');
  });

  test('what stands beside the logits keeps its digits in text', async () => {
    await score(join(cases, 'decimals.arrow'), 'decimals.csv');
    expect(readFileSync(at('decimals.csv'), 'utf8')).toMatch(/^dec128,.*\n1\.25,.*\n-2\.50,/);
    await score(join(cases, 'decimals.arrow'), 'decimals.ndjson');
    expect(readFileSync(at('decimals.ndjson'), 'utf8')).toMatch(/^\{"dec128":1\.25,.*\n\{"dec128":-2\.5,/);
    await score(join(cases, 'uuid.arrow'), 'uuid.csv');
    expect(readFileSync(at('uuid.csv'), 'utf8')).toContain('\n00000000-0000-0000-0000-000000000001,');
    await score(join(cases, 'run-ends.arrow'), 'runs.csv');
    expect(readFileSync(at('runs.csv'), 'utf8')).toMatch(/\nv1,.*\nv1,/);
    await score(join(cases, 'every-type.arrow'), 'every.ndjson');
    const [, row] = readFileSync(at('every.ndjson'), 'utf8').split('\n');
    for (const cell of [
      '"i64":4611686018427387905',
      '"u64":18446744073709551614',
      '"dec":0.01',
      `"dec256":"1${'0'.repeat(38)}.00"`,
      '"ts_ns":"1969-12-31 23:59:58.999999993+00"',
      '"ts_us":"1970-01-01 00:00:01.000003"',
      '"t64":"00:00:00.000000001"',
      '"fsb":"\\\\x01\\\\x01\\\\x01\\\\x01"',
      '"d32":"2020-01-02"',
      '"dict":"cat1"',
      '"ree":"r"',
      '"st":{"a":1,"b":["1"]}',
      '"map":{"k":1}',
      '"uuid":"00000000-0000-0000-0000-000000000001"',
    ]) {
      expect(row).toContain(cell);
    }
  });
});

describe('every type beside the logits, Arrow to Arrow', () => {
  /** The same without compression: its columns as they went in. */
  async function original(): Promise<Map<string, readonly unknown[]>> {
    const { columns } = values(join(cases, 'every-type-plain.arrow'));
    columns.delete('logits');
    return columns;
  }

  test.each<[string, string, Partial<ScoreFileOptions>?]>([
    ['every-type.arrow', 'all.arrow'],
    ['every-type.arrows', 'all.arrows'],
    ['every-type.arrow', 'small-blocks.arrow', { blockBytes: 60 }],
    ['every-type.arrows', 'small-blocks.arrows', { blockBytes: 60 }],
    ['every-type-plain.arrow', 'plain.arrow', { blockBytes: 100, topK: 2 }],
  ])('%s to %s', async (from, to, options = {}) => {
    await score(join(cases, from), to, options);
    const { table, columns } = values(at(to));
    const source = tableFromIPC(new Uint8Array(readFileSync(join(cases, 'every-type-plain.arrow'))));
    for (const [name, cells] of await original()) {
      expect(columns.get(name), name).toEqual(cells);
      const find = ({ schema }: Table) => schema.fields.find((field) => field.name === name)!;
      const [own, theirs] = [find(table), find(source)];
      expect(own.metadata, name).toEqual(theirs.metadata);
      expect({ ...own.type, dictionary: undefined }, name).toEqual({ ...theirs.type, dictionary: undefined });
    }
    expect(table.schema.metadata).toEqual(
      new Map([
        ['huggingface', '{"x":1}'],
        ['pandas', '{}'],
      ]),
    );
  });

  test('some rows of it', async () => {
    await score(join(cases, 'every-type.arrow'), 'part.arrow', { rows: [7, 19], blockBytes: 100 });
    const { columns } = values(at('part.arrow'));
    for (const [name, cells] of await original()) {
      expect(columns.get(name), name).toEqual(cells.slice(7, 19));
    }
  });

  test('a file through a pipe, to another', async () => {
    await score(join(cases, 'every-type.arrow'), 'whole.arrow');
    const cli = join(import.meta.dirname, '..', 'dist', 'cli.js');
    const options = ['score', '-', '--format', 'arrow', '-o', '-', '--quiet'];
    const input = readFileSync(join(cases, 'every-type.arrow'));
    const { stdout, stderr } = spawnSync(process.execPath, [cli, ...options], { input });
    expect(stderr.toString()).toBe('');
    expect(stdout).toEqual(readFileSync(at('whole.arrow')));
  });

  test('is read by Polars and apache-arrow', async () => {
    // Neither knows all of the types.
    await score(join(cases, 'polars-1.44.arrow'), 'for-polars.arrow');
    const frame = polars.readIPC(readFileSync(at('for-polars.arrow')));
    expect(frame.getColumn('id').toArray()).toEqual(['a', 'b']);
    expect(frame.getColumn('probabilities').toArray().flat()).toEqual([...scored(A), ...scored(B)]);
    const table = arrow.tableFromIPC(readFileSync(at('for-polars.arrow')));
    expect(table.numRows).toBe(2);
    expect(table.getChild('id')!.toJSON()).toEqual(['a', 'b']);
  });
});

describe('lists of logits of every kind', () => {
  const files = ['list', 'large-list', 'fixed-size-list', 'list-view', 'large-list-view'].map(
    (kind) => `${kind}-of-logits.arrow`,
  );
  const near = (row: readonly number[]) => row.map((value) => expect.closeTo(value, 3));

  test.each(files)('%s: a null row ends the run, is left out, or is a row of NaN', async (name) => {
    const path = join(cases, name);
    await expect(score(path, 'null.ndjson')).rejects.toMatchObject({
      message: `Expected logits for row 1 of ${path} but received null in column logits (--errors skip or nan goes on)`,
    });
    const skipped = await score(path, 'skipped.ndjson', { errors: 'skip' });
    expect(skipped.bad).toEqual({ count: 1, first: [1] });
    expect(lines('skipped.ndjson')).toEqual([
      { id: 7, probabilities: near(scored(A)) },
      { id: 9, probabilities: near(scored(B)) },
    ]);
    for (const to of ['nan.arrow', 'nan.npy', 'nan.csv']) {
      expect((await score(path, to, { errors: 'nan' })).bad.count, to).toBe(1);
    }
    const { columns } = values(at('nan.arrow'));
    const rows = columns.get('probabilities')!.map((row) => Array.from(row as number[]));
    expect(columns.get('id')).toEqual([7n, 8n, 9n]);
    expect(rows[0]).toEqual(near(scored(A)));
    expect(rows[1].length).toBeGreaterThan(0);
    expect(rows[1].every(Number.isNaN)).toBe(true);
    expect(rows[2]).toEqual(near(scored(B)));
    expect(readFileSync(at('nan.csv'), 'utf8')).toContain('\n8,NaN,NaN,NaN\n');
  });

  test.each([
    [arrow.TimeUnit.SECOND, 1_714_566_601n, '1714566601000000'],
    [arrow.TimeUnit.MILLISECOND, 1_714_566_601_123n, '1714566601123000'],
    [arrow.TimeUnit.MICROSECOND, -1n, '-1'],
  ])('instants with a zone are instants in Parquet: unit %i', async (unit, value, expected) => {
    const path = at(`zone-${unit}.arrow`);
    const list = new arrow.List(new arrow.Field('item', new arrow.Float32(), true));
    const moments = arrow.makeVector({
      type: new arrow.Timestamp(unit, 'Europe/Berlin'),
      data: BigInt64Array.of(value),
      nullCount: 0,
    } as never);
    const table = new arrow.Table({ moment: moments, logits: arrow.vectorFromArray([[1, 2]], list) });
    writeFileSync(path, arrow.tableToIPC(table, 'file'));
    await score(path, `zone-${unit}.parquet`);
    const out = at(`zone-${unit}.parquet`);
    expect(
      await newDuckDB().arrays(`SELECT typeof(moment), epoch_us(moment)::VARCHAR FROM '${out}'`),
    ).toEqual([['TIMESTAMP WITH TIME ZONE', expected]]);
  });

  test('other columns are refused by their name and type', async () => {
    const path = at('others.arrow');
    const list = new arrow.List(new arrow.Field('item', new arrow.Int32(), true));
    const deep = new arrow.List(
      new arrow.Field('item', new arrow.List(new arrow.Field('item', new arrow.Float32(), true)), true),
    );
    const table = new arrow.Table({
      whole: arrow.vectorFromArray([[1, 2]], list),
      deep: arrow.vectorFromArray([[[1, 2]]], deep),
    });
    writeFileSync(path, arrow.tableToIPC(table, 'file'));
    await expect(score(path, 'x.npy')).rejects.toMatchObject({
      message: `Expected one column of lists of floats, or --column, for ${path} but received none (whole: lists of int32, deep: lists of lists of float32)`,
    });
    await expect(score(path, 'x.npy', { column: 'deep' })).rejects.toMatchObject({
      message: `Expected lists of floats for column deep of ${path} but received lists of lists of float32`,
    });
  });
});

describe('every type beside the logits, from Arrow to Parquet and back', () => {
  const notices: string[] = [];
  beforeAll(async () => {
    const onNotice = (text: string) => notices.push(text);
    await score(join(cases, 'every-type.arrow'), 'every.parquet', { onNotice, blockBytes: 200 });
    await score(at('every.parquet'), 'every-back.arrow', { onNotice, column: 'probabilities' });
  });

  test('Parquet has the values as types of its own', async () => {
    const connection = await (await DuckDBInstance.create()).connect();
    const from = `'${at('every.parquet')}'`;
    const described = await connection.runAndReadAll(
      `SELECT column_name || ' ' || column_type FROM (DESCRIBE FROM ${from})`,
    );
    expect(described.getRowsJS().map(([text]) => text)).toEqual([
      ...[
        'i8 TINYINT',
        'u16 USMALLINT',
        'u32 UINTEGER',
        'i64 BIGINT',
        'u64 UBIGINT',
        'f16 FLOAT',
        'f64 DOUBLE',
      ],
      ...[
        'b BOOLEAN',
        's VARCHAR',
        'ls VARCHAR',
        'bin BLOB',
        'sv VARCHAR',
        'bv BLOB',
        'd32 DATE',
        'd64 TIMESTAMP',
      ],
      ...['ts_s TIMESTAMP', 'ts_ns TIMESTAMP WITH TIME ZONE', 'ts_us TIMESTAMP', 't32 TIME', 't64 TIME_NS'],
      ...[
        'dur BIGINT',
        'iv INTERVAL',
        'dec DECIMAL(20,2)',
        'dec256 VARCHAR',
        'dec32 DECIMAL(8,2)',
        'fsb BLOB',
      ],
      ...['list SMALLINT[]', 'llist VARCHAR[]', 'fl INTEGER[]', 'lv INTEGER[]', 'llv VARCHAR[]'],
      ...['st STRUCT(a BIGINT, b VARCHAR[])', 'map MAP(VARCHAR, INTEGER)', 'dict VARCHAR', 'nul INTEGER'],
      ...['ree VARCHAR', 'su JSON', 'du JSON', 'uuid UUID', 'probabilities FLOAT[]'],
    ]);
    const rows = await connection.runAndReadAll(`SELECT COLUMNS(*)::VARCHAR FROM ${from}`);
    const cells = rows.getRowsJS().map((row) => row.slice(0, -1));
    expect(cells[1]).toEqual([
      ...[
        '-49',
        '60',
        '4294967294',
        '4611686018427387905',
        '18446744073709551614',
        '1.0',
        '0.3333333333333333',
      ],
      ...['false', 'é', 'x', '\\x00\\x01', 'y', 'z', '2020-01-02', '1970-01-02 00:00:00'],
      ...['1970-01-01 00:16:40', '1969-12-31 23:59:58.999999+00', '1970-01-01 00:00:01.000003'],
      ...[
        '00:00:00.001',
        '00:00:00.000000001',
        '1',
        '1 month 2 days',
        '0.01',
        `1${'0'.repeat(38)}.00`,
        '0.01',
      ],
      ...[
        '\\x01\\x01\\x01\\x01',
        '[0]',
        '[a]',
        '[1, 1]',
        '[1]',
        '[q]',
        "{'a': 1, 'b': [1]}",
        '{k=1}',
        'cat1',
      ],
      ...[null, 'r', '"1"', '"0"', '00000000-0000-0000-0000-000000000001'],
    ]);
    // Every seventh has none, but for what was written without.
    expect(cells[3].filter((cell) => cell !== null)).toHaveLength(4);
  });

  test('and Arrow has them again', async () => {
    const { table, columns } = values(at('every-back.arrow'));
    const { table: source, columns: before } = values(join(cases, 'every-type-plain.arrow'));
    const typeIn = (from: Table, name: string) => from.schema.fields.find((field) => field.name === name)!;
    const changed = new Set<string>();
    for (const [name, cells] of before) {
      if (name === 'logits') continue;
      const [was, is] = [typeIn(source, name), typeIn(table, name)];
      expect(is.metadata?.get('own'), name).toBe(`meta ${name}`);
      if (JSON.stringify(columns.get(name), text) !== JSON.stringify(cells, text)) changed.add(name);
      else if (is.type.typeId !== was.type.typeId) changed.add(`${name} (type)`);
    }
    expect([...changed].sort()).toEqual(
      [
        ...['d64', 'dec256', 'du', 'fl (type)', 'fsb (type)', 'iv', 'llist (type)', 'llv (type)'],
        ...['lv (type)', 'nul (type)', 'ree (type)', 'su', 't32', 'ts_ns', 'ts_s', 'bv (type)', 'sv (type)'],
      ].sort(),
    );
    expect(typeIn(table, 'dur').type).toEqual(typeIn(source, 'dur').type);
    expect(typeIn(table, 'ts_ns').type).toMatchObject({ unit: 2, timezone: 'Europe/Berlin' });
    expect(typeIn(table, 'uuid').metadata?.get('ARROW:extension:name')).toBe('arrow.uuid');
    expect([...table.schema.metadata!.keys()].sort()).toEqual(['huggingface', 'pandas']);
    function text(_: string, value: unknown): unknown {
      return typeof value === 'bigint' || Number.isInteger(value) ? `${value}` : value;
    }
  });

  test('what changes is told, in one line', () => {
    expect(notices).toEqual([
      'column f16: float16 becomes FLOAT; column d64: date64 becomes TIMESTAMP_MS; column ts_s: timestamp[s] becomes TIMESTAMP_S; ' +
        'column ts_ns: timestamp[ns, Europe/Berlin] becomes TIMESTAMP WITH TIME ZONE in microseconds; column t32: time32[ms] becomes TIME; ' +
        'column iv: interval becomes INTERVAL in milliseconds; column dec256: decimal256(60, 2) becomes VARCHAR; ' +
        'column dec32: decimal32(8, 2) becomes DECIMAL(8,2); column fsb: fixed_size_binary[4] becomes BLOB; ' +
        'column fl: lists of 2 int32 becomes INTEGER[]; column nul: null becomes INTEGER; column ree: run ends of string becomes VARCHAR; ' +
        'column su: union becomes JSON; column du: union becomes JSON',
      'column d64: timestamp[ms] becomes timestamp[us]; column ts_s: timestamp[s] becomes timestamp[us]',
    ]);
  });
});

describe('dictionaries, from Arrow to Parquet and back', () => {
  const length = 3000;
  const names = Array.from({ length }, (_, i) => (i % 7 === 0 ? null : `name ${i % 700}`));
  /** Scores a file with a column of dictionary, Arrow to Parquet to Arrow. */
  async function roundTrip(type: DataType) {
    const logits = Array.from({ length }, () => A);
    const table = tableFromColumns({
      name: columnFromArray(names, type),
      logits: columnFromArray(logits, list(float32())),
    });
    writeFileSync(at('dictionary.arrow'), tableToIPC(table, { format: 'file' }) as Uint8Array);
    await score(at('dictionary.arrow'), 'dictionary.parquet');
    await score(at('dictionary.parquet'), 'dictionary-back.arrow');
    const { columns, table: back } = values(at('dictionary-back.arrow'));
    expect(columns.get('name')).toEqual(names);
    return back.schema.fields[0].type;
  }

  test('stay dictionaries of the same indices, with NULL among them, for every reader', async () => {
    const type = await roundTrip(dictionary(utf8(), uint16()));
    expect(type).toMatchObject({ typeId: Type.Dictionary, indices: { bitWidth: 16, signed: false } });
    const bytes = readFileSync(at('dictionary-back.arrow'));
    const frame = polars.readIPC(bytes);
    expect(frame.getColumn('name').dtype.variant).toBe('Categorical');
    expect(frame.getColumn('name').cast(polars.Utf8).toArray()).toEqual(names);
    expect([...arrow.tableFromIPC(bytes).getChild('name')!]).toEqual(names);
  });

  test('become text where Parquet has lost their order', async () => {
    expect((await roundTrip(dictionary(utf8(), uint16(), true))).typeId).toBe(Type.Utf8);
  });
});

test('a column of a dictionary that is not there is damage', async () => {
  const source = tableFromColumns({
    name: columnFromArray(['a', 'b'], dictionary(utf8(), uint16())),
    logits: columnFromArray([A, B], list(float32())),
  });
  const stream = tableToIPC(source, { format: 'stream' }) as Uint8Array;
  // A schema, a dictionary, a batch, the end: each begins with four bytes of -1.
  const starts = [...stream.keys()].filter(
    (i) => i % 8 === 0 && stream.subarray(i, i + 4).every((byte) => byte === 255),
  );
  writeFileSync(
    at('no-dictionary.arrows'),
    Buffer.concat([stream.subarray(0, starts[1]), stream.subarray(starts[2])]),
  );
  for (const output of ['out.arrow', 'out.csv']) {
    await expect(score(at('no-dictionary.arrows'), output)).rejects.toThrow(
      /^Expected a dictionary for column name for .* but received none$/,
    );
  }
});

test('a dictionary whose values point outside of their buffers is damage', async () => {
  const bytes = readFileSync(join(import.meta.dirname, 'polars', 'uncompressed.arrow'));
  // The first value of the dictionary: its length, as of one that lies elsewhere.
  bytes.fill(0x80, 654, 661);
  writeFileSync(at('views.arrow'), bytes);
  for (const output of ['out.arrow', 'out.csv']) {
    await expect(score(at('views.arrow'), output)).rejects.toThrow(
      /^Expected .* for .*views\.arrow but received .*a view outside of its buffers/,
    );
  }
});

test('DuckDB reads what goes to Parquet from Arrow', async () => {
  await score(join(cases, 'from-arrow-rs.arrow'), 'rows.parquet');
  const connection = await (await DuckDBInstance.create()).connect();
  const reader = await connection.runAndReadAll(`SELECT id, probabilities FROM '${at('rows.parquet')}'`);
  expect(reader.getRowsJS()).toEqual([
    [7, scored(A)],
    [8, scored(B)],
  ]);
});

test('footers tell where the messages are, and how many rows there are', async () => {
  const whole = readFileSync(join(cases, 'padded-messages.arrow'));
  const report = await score(join(cases, 'padded-messages.arrow'), 'counted.npy');
  expect(report.rows).toBe(2);
  for (const cut of [1, 9, 100, 400]) {
    writeFileSync(at('cut.arrow'), whole.subarray(0, whole.length - cut));
    await expect(score(at('cut.arrow'), 'cut.npy')).rejects.toMatchObject({
      message: `Expected whole record batches for ${at('cut.arrow')} but received a part (the file is truncated)`,
    });
  }
});
