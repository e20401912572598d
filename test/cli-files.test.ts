/** The formats of files, and what a long job needs: every reader with every writer, bad rows, interruptions. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { parse } from 'csv-parse/sync';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cellsOf, parsers } from '../lib/cli/formats/parquet-cells.js';
import { FORMATS, type Format } from '../lib/cli/formats.js';
import { formatNpyHeader, parseNpyHeader } from '../lib/cli/npy.js';
import { type ScoreFileOptions, scoreFile } from '../lib/cli/score-file.js';
import { logSumExp, softmax, topK } from '../lib/index.js';

const ROOT = join(import.meta.dirname, '..');
const ROWS = 700;
const CLASSES = 5;
const LABELS = ['dog', 'cat', 'horse', 'cheetah', 'a "quoted", name'];
const IDS = Array.from({ length: ROWS }, (_, row) => `id ${row}, "${row % 3}"`);

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-files-'));
  writeFileSync(at('labels.txt'), `${LABELS.join('\n')}\n`);
  for (const format of FORMATS) writeFileSync(at(`in.${format}`), inputs[format](LOGITS));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Exact in float32 and in decimals, so that every format holds the same numbers. */
const LOGITS = Float32Array.from({ length: ROWS * CLASSES }, (_, i) => Math.round(40 * Math.sin(i * i)) / 8);

function npy(data: Float32Array | Float64Array, shape: number[]): Buffer {
  const dtype = data instanceof Float32Array ? "'<f4'" : "'<f8'";
  return Buffer.concat([
    formatNpyHeader(dtype, shape),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

const rowsOf = (x: Float32Array, classes = CLASSES) =>
  Array.from({ length: x.length / classes }, (_, row) =>
    Array.from(x.subarray(row * classes, (row + 1) * classes)),
  );

function fixedList(
  x: Float32Array | Float64Array | Uint16Array,
  type: arrow.Float,
  classes = CLASSES,
): arrow.Vector {
  const child = arrow.makeData({ type: type as arrow.Float32, data: x as Float32Array, length: x.length });
  const list = new arrow.FixedSizeList(classes, new arrow.Field('item', type as arrow.Float32, false));
  return new arrow.Vector([arrow.makeData({ type: list, length: x.length / classes, nullCount: 0, child })]);
}

/** Two record batches of 300 and 400 rows; a column before the logits and one after them. */
function arrowTable(x: Float32Array): arrow.Table {
  const tables = [x.subarray(0, 300 * CLASSES), x.subarray(300 * CLASSES)].map((part, i) => {
    const first = i * 300;
    const ids = IDS.slice(first, first + part.length / CLASSES);
    return new arrow.Table({
      id: arrow.vectorFromArray(ids, new arrow.Utf8()),
      logits: fixedList(part, new arrow.Float32()),
      n: arrow.vectorFromArray(
        ids.map((_, row) => BigInt(first + row)),
        new arrow.Int64(),
      ),
    });
  });
  return tables[0].concat(tables[1]) as arrow.Table;
}

function listColumn(
  name: string,
  rows: readonly (readonly (number | null)[] | null)[],
  type: 'FLOAT' | 'DOUBLE' = 'FLOAT',
) {
  const schema = [
    { name: 'root', num_children: 2 },
    { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type, repetition_type: 'OPTIONAL' },
  ];
  const columnData = [
    { name: 'id', data: IDS.slice(0, rows.length) },
    { name, data: [...rows] },
  ];
  return Buffer.from(parquetWriteBuffer({ schema, columnData, rowGroupSize: 256 } as never));
}

const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
const inputs: Record<Format, (x: Float32Array) => Uint8Array | string> = {
  npy: (x) => npy(x, [ROWS, CLASSES]),
  arrow: (x) => arrow.tableToIPC(arrowTable(x), 'file'),
  arrows: (x) => arrow.tableToIPC(arrowTable(x), 'stream'),
  parquet: (x) => listColumn('logits', rowsOf(x)),
  ndjson: (x) =>
    rowsOf(x)
      .map((logits, row) => `${JSON.stringify({ id: IDS[row], logits })}\n`)
      .join(''),
  csv: (x) =>
    [
      `id,${LABELS.map(quoted).join(',')}`,
      ...rowsOf(x).map((row, i) => `${quoted(IDS[i])},${row.join(',')}`),
    ].join('\r\n'),
};

interface Content {
  readonly ids: readonly unknown[] | undefined;
  readonly rows: readonly (readonly number[])[];
  readonly labels?: readonly unknown[] | undefined;
}

/** What an output holds, read by its own library. */
async function contentOf(name: string, format: Format): Promise<Content> {
  const bytes = readFileSync(at(name));
  const table = (objects: Record<string, unknown>[]): Content => {
    const list = (cell: unknown) => (cell === undefined ? undefined : Array.from(cell as Iterable<number>));
    return {
      ids: 'id' in objects[0] ? objects.map(({ id }) => id) : undefined,
      rows: objects.map((o) => list(o.probabilities ?? o.score) ?? [Number(o.logsumexp)]),
      labels: objects.map((o) => list(o.label ?? o.class)),
    };
  };
  switch (format) {
    case 'npy': {
      const length = bytes.readUInt16LE(8) + 10;
      const header = parseNpyHeader(bytes.subarray(10, length).toString('latin1'))!;
      const Data = header.dtype === '<f8' ? Float64Array : Float32Array;
      const data = new Data(Uint8Array.from(bytes.subarray(length)).buffer);
      const [rows, classes = 1] = header.shape;
      return {
        ids: undefined,
        rows: Array.from({ length: rows }, (_, row) =>
          Array.from(data.subarray(row * classes, (row + 1) * classes)),
        ),
      };
    }
    case 'arrow':
    case 'arrows':
      return table(
        [...arrow.tableFromIPC(bytes)].map((row) => {
          const object: Record<string, unknown> = { ...row!.toJSON() };
          return object;
        }),
      );
    case 'parquet': {
      const file = Uint8Array.from(bytes).buffer;
      return table(await parquetReadObjects({ file }));
    }
    case 'ndjson': {
      const lines = bytes.toString().trimEnd().split('\n');
      const objects = lines.map((line) => JSON.parse(line));
      if (typeof objects[0] === 'number') return { ids: undefined, rows: objects.map((value) => [value]) };
      return Array.isArray(objects[0]) ? { ids: undefined, rows: objects } : table(objects);
    }
    case 'csv': {
      const [header, ...records] = parse(bytes) as string[][];
      const kept = header.indexOf('id') + 1 + (header.includes('n') ? 1 : 0);
      const pairs = header.some((name) => name.startsWith('score_'));
      return {
        ids: header.includes('id') ? records.map(([id]) => id) : undefined,
        rows: records.map((record) =>
          record
            .slice(kept)
            .filter((_, i) => !pairs || i % 2 === 1)
            .map(Number),
        ),
        labels: pairs ? records.map((record) => record.slice(kept).filter((_, i) => i % 2 === 0)) : undefined,
      };
    }
  }
}

const score = (input: string, output: string | undefined, options: Partial<ScoreFileOptions> = {}) =>
  scoreFile({
    input: at(input),
    output: output === undefined ? undefined : at(output),
    keep: input.endsWith('.csv') ? ['id'] : undefined,
    ...options,
  });

/** Text holds float64 numbers; the others the type they were written with. */
const typed = (format: Format, x = LOGITS) =>
  format === 'ndjson' || format === 'csv' ? Float64Array.from(x) : x;

describe.each(FORMATS)('from %s', (from) => {
  test.each(FORMATS)('to %s: the scores of the library, in order, beside their ids', async (to) => {
    const report = await score(`in.${from}`, `out-${from}.${to}`, { blockBytes: 1024 });
    expect(report).toMatchObject({
      rows: ROWS,
      classes: from.match(/arrow|npy|csv/) || to.match(/npy|csv/) ? CLASSES : undefined,
    });
    const { ids, rows } = await contentOf(`out-${from}.${to}`, to);
    const expected = softmax(typed(from), { shape: [ROWS, CLASSES] });
    expect(rows.flat()).toEqual(Array.from(expected));
    expect(ids).toEqual(from === 'npy' || to === 'npy' ? undefined : IDS);
  });

  test.each(FORMATS.filter((to) => to !== 'npy'))('to %s: --top-k with labels', async (to) => {
    await score(`in.${from}`, `top-${from}.${to}`, { topK: 2, labels: at('labels.txt') });
    const { ids, rows, labels } = await contentOf(`top-${from}.${to}`, to);
    const best = topK(typed(from), 2, { shape: [ROWS, CLASSES] });
    expect(rows.flat()).toEqual(Array.from(best.probabilities));
    expect(labels?.flat()).toEqual(Array.from(best.indices, (i) => LABELS[i]));
    expect(ids).toEqual(from === 'npy' ? undefined : IDS);
  });

  test.each(FORMATS)('to %s: logsumexp', async (to) => {
    await score(`in.${from}`, `lse-${from}.${to}`, { op: 'logsumexp' });
    const { rows } = await contentOf(`lse-${from}.${to}`, to);
    expect(rows.flat()).toEqual(Array.from(logSumExp(typed(from), { shape: [ROWS, CLASSES] })));
  });

  test('a range of rows is that part of the whole', async () => {
    await score(`in.${from}`, `range-${from}.ndjson`, { rows: [290, 510], blockBytes: 512 });
    const { rows } = await contentOf(`range-${from}.ndjson`, 'ndjson');
    const expected = softmax(typed(from), { shape: [ROWS, CLASSES] });
    expect(rows.flat()).toEqual(Array.from(expected.subarray(290 * CLASSES, 510 * CLASSES)));
  });

  test.each(FORMATS.filter((to) => to !== 'parquet'))(
    'to %s: interrupted and resumed, the bytes are those of one run',
    async (to) => {
      const options = { blockBytes: 1024, journalBytes: 1 };
      const name = `resumed-${from}.${to}`;
      await score(`in.${from}`, `whole.${to}`, options);
      // Interrupted twice, at different places.
      for (const rows of [200, 450]) {
        const controller = new AbortController();
        const run = score(`in.${from}`, name, {
          ...options,
          resume: true,
          signal: controller.signal,
          onProgress: (progress) => progress.rows >= rows && controller.abort(),
        });
        await expect(run).rejects.toThrow('aborted');
        expect(existsSync(at(name))).toBe(false);
        expect(existsSync(at(`${name}.resume.json`))).toBe(true);
      }
      const report = await score(`in.${from}`, name, { ...options, resume: true });
      expect(report.resumed).toBeGreaterThan(400);
      expect(report.rows).toBe(ROWS);
      expect(readFileSync(at(name)).equals(readFileSync(at(`whole.${to}`)))).toBe(true);
      expect(readdirSync(folder).filter((file) => file.startsWith(`${name}.`))).toEqual([]);
    },
  );
});

describe('--resume', () => {
  const interrupt = async (name: string, options: Partial<ScoreFileOptions> = {}) => {
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const run = score('in.npy', name, {
      ...{ resume: true, blockBytes: 1024, journalBytes: 1, signal: controller.signal, onProgress },
      ...options,
    });
    await expect(run).rejects.toThrow('aborted');
  };

  test('other options begin anew', async () => {
    await interrupt('other.npy');
    const report = await score('in.npy', 'other.npy', { resume: true, blockBytes: 1024, temperature: 2 });
    expect(report.resumed).toBe(0);
  });

  test('so does another input', async () => {
    await interrupt('changed.npy');
    writeFileSync(at('in.npy'), inputs.npy(LOGITS));
    const report = await score('in.npy', 'changed.npy', { resume: true, blockBytes: 1024 });
    expect(report.resumed).toBe(0);
  });

  test('a lost unfinished output, or half a journal, too', async () => {
    await interrupt('lost.npy');
    truncateSync(at('lost.npy.resume.part'), 10);
    expect((await score('in.npy', 'lost.npy', { resume: true, blockBytes: 1024 })).resumed).toBe(0);
    await interrupt('half.npy');
    truncateSync(at('half.npy.resume.json'), 30);
    expect((await score('in.npy', 'half.npy', { resume: true, blockBytes: 1024 })).resumed).toBe(0);
  });

  test('a Parquet output begins anew, and is whole', async () => {
    await interrupt('anew.parquet');
    expect((await score('in.npy', 'anew.parquet', { resume: true, blockBytes: 1024 })).resumed).toBe(0);
    expect((await contentOf('anew.parquet', 'parquet')).rows).toHaveLength(ROWS);
  });

  test.each([
    [{ input: '-', output: 'x.npy' }, 'a file as input for --resume but received stdin'],
    [{ input: 'in.npy', output: '-' }, 'a file as -o for --resume but received -'],
    [{ input: 'in.npy' }, 'a file as -o for --resume but received no output'],
  ])('%j', async (places, message) => {
    await expect(scoreFile({ ...places, resume: true })).rejects.toThrow(message);
  });
});

describe('rows that cannot be scored', () => {
  const line = (value: unknown) => `${JSON.stringify(value)}\n`;
  const good = [1, 2, 3];
  beforeAll(() => {
    writeFileSync(
      at('bad.ndjson'),
      [line(good), 'not json\n', line([1, 2]), line(good), line([1, 'x', 3]), line([1, 'NaN', 3])].join(''),
    );
    writeFileSync(at('bad.csv'), 'a,b,c\n1,2,3\n1,2\n1,x,3\n1,2,3\n1,,3\n1,nan,3\n');
    const nan = Float32Array.of(1, 2, 3, Number.NaN, 1, 2, Infinity, 1, 2, 4, 5, 6);
    writeFileSync(at('bad.npy'), npy(nan, [4, 3]));
    const list = new arrow.List(new arrow.Field('item', new arrow.Float32(), true));
    const rows = [good, null, [1, 2], [1, null, 3], good, [1, Number.NaN, 3]];
    const table = new arrow.Table({
      id: arrow.vectorFromArray(IDS.slice(0, 6), new arrow.Utf8()),
      logits: arrow.vectorFromArray(rows, list),
    });
    writeFileSync(at('bad.arrow'), arrow.tableToIPC(table, 'file'));
    writeFileSync(at('bad.parquet'), listColumn('logits', rows));
  });

  const FORMS = [
    ['ndjson', [1, 2, 4], 5, 'a JSON'],
    ['csv', [1, 2, 4], 5, '3 columns'],
    ['arrow', [1, 2, 3], 5, 'logits'],
    ['parquet', [1, 2, 3], 5, 'logits'],
  ] as const;
  const options = { op: 'softmax', labels: undefined } as const;

  test.each(FORMS)('%s: by default the first that cannot be read ends the run', async (format) => {
    const run = score(`bad.${format}`, 'bad-out.npy', { ...options, keep: undefined });
    await expect(run).rejects.toThrow(
      /^Expected .* for row 1 of .* but received .* \(--errors skip or nan goes on\)$/,
    );
    expect(existsSync(at('bad-out.npy'))).toBe(false);
  });

  test.each(FORMS)('%s: skip leaves them out, and the NaN too', async (format, unreadable, nan) => {
    const report = await score(`bad.${format}`, 'skip.npy', { errors: 'skip', keep: undefined });
    expect(report).toMatchObject({
      rows: 2,
      bad: { count: 4, first: [...unreadable, nan] },
      nan: { count: 0 },
    });
    const { rows } = await contentOf('skip.npy', 'npy');
    expect(rows).toHaveLength(2);
    expect(rows[0]).toEqual(rows[1]);
  });

  test.each(FORMS)('%s: nan writes them as NaN in their places', async (format, unreadable, nan) => {
    const report = await score(`bad.${format}`, 'nan.npy', { errors: 'nan', keep: undefined });
    expect(report).toMatchObject({ rows: 6, bad: { count: 3, first: unreadable }, nan: { count: 4 } });
    const { rows } = await contentOf('nan.npy', 'npy');
    rows.forEach((row, i) => {
      expect(row.every(Number.isNaN), `row ${i}`).toBe(([...unreadable, nan] as number[]).includes(i));
    });
  });

  test.each(['arrow', 'parquet', 'ndjson', 'csv'] as const)(
    'ids stay with their scores when rows go: to %s',
    async (to) => {
      await score('bad.arrow', `kept.${to}`, { errors: 'skip', labels: at('three.txt'), topK: 1 }).catch(
        () => {},
      );
      writeFileSync(at('three.txt'), 'a\nb\nc\n');
      await score('bad.arrow', `kept.${to}`, { errors: 'skip', labels: at('three.txt'), topK: 1 });
      const { ids, labels } = await contentOf(`kept.${to}`, to);
      expect(ids).toEqual([IDS[0], IDS[4]]);
      expect(labels).toEqual([['c'], ['c']]);
    },
  );

  test('.npy: NaN is counted by default, ends a run with fail, is left out with skip', async () => {
    expect(await score('bad.npy', 'nan-out.npy')).toMatchObject({
      rows: 4,
      nan: { count: 2, first: [1, 2] },
    });
    await expect(score('bad.npy', 'fail.npy', { errors: 'fail' })).rejects.toThrow(
      /for row 1 of .*bad\.npy but received a row that comes out as NaN/,
    );
    expect(existsSync(at('fail.npy'))).toBe(false);
    expect(await score('bad.npy', 'skip2.npy', { errors: 'skip' })).toMatchObject({
      rows: 2,
      bad: { count: 2 },
    });
    const { rows } = await contentOf('skip2.npy', 'npy');
    expect(rows[1]).toEqual(Array.from(softmax(Float32Array.of(4, 5, 6))));
  });
});

describe('Parquet', () => {
  test('columns of one value per row come out as they were, bit for bit', async () => {
    const optional = (name: string, type: string, rest: object = {}) => ({
      ...{ name, type, repetition_type: 'OPTIONAL' },
      ...rest,
    });
    const logical = (type: string, rest: object = {}) => ({ logical_type: { type, ...rest } });
    const kept = [
      optional('float', 'FLOAT'),
      optional('unsigned', 'INT64', { converted_type: 'UINT_64' }),
      optional('small', 'INT32', { converted_type: 'INT_8' }),
      optional('day', 'INT32', { converted_type: 'DATE' }),
      optional('micros', 'INT64', { converted_type: 'TIMESTAMP_MICROS' }),
      optional('nanos', 'INT64', logical('TIMESTAMP', { isAdjustedToUTC: true, unit: 'NANOS' })),
      optional('price', 'INT64', { converted_type: 'DECIMAL', precision: 18, scale: 2 }),
      optional('large', 'FIXED_LEN_BYTE_ARRAY', {
        ...{ type_length: 16, converted_type: 'DECIMAL', precision: 38, scale: 10 },
      }),
      optional('bytes', 'BYTE_ARRAY'),
      optional('uuid', 'FIXED_LEN_BYTE_ARRAY', { type_length: 16, ...logical('UUID') }),
      optional('half', 'FIXED_LEN_BYTE_ARRAY', { type_length: 2, ...logical('FLOAT16') }),
      optional('span', 'FIXED_LEN_BYTE_ARRAY', { type_length: 12, converted_type: 'INTERVAL' }),
      optional('flag', 'BOOLEAN'),
    ];
    const cells: unknown[][] = [
      [Math.fround(0.1), 2n ** 64n - 1n, -128, new Date('1969-12-31'), -1n, -1n, -(10n ** 17n) - 1n],
      [-(10n ** 37n) - 1n, Uint8Array.of(255, 0, 1), '00010203-0405-4607-8809-0a0b0c0d0e0f', 1.5],
      [new Uint8Array(12).fill(7), true],
    ];
    const columns = cells.flat().map((cell) => [cell, null, cell]);
    const list = [
      { name: 'logits', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'OPTIONAL' },
    ];
    const columnData = [
      ...kept.map(({ name }, i) => ({ name, data: columns[i] })),
      { name: 'logits', data: [[1, 2, 3], null, [4, 5, 6]] },
    ];
    const schema = [{ name: 'root', num_children: kept.length + 1 }, ...kept, ...list];
    writeFileSync(at('kept.parquet'), Buffer.from(parquetWriteBuffer({ schema, columnData } as never)));

    /** The columns as they lie in the file, and what they are said to be. */
    async function stored(name: string) {
      const file = Uint8Array.from(readFileSync(at(name))).buffer;
      const metadata = await parquetMetadataAsync(file);
      const said = metadata.schema.slice(1, 1 + kept.length);
      metadata.schema = metadata.schema.map(({ converted_type, logical_type, ...element }) =>
        converted_type === 'LIST' ? { ...element, converted_type } : element,
      );
      const rows = await parquetReadObjects({ file, metadata, utf8: false });
      return { said, rows: rows.map((row) => kept.map(({ name }) => row[name])) };
    }
    const before = await stored('kept.parquet');
    await score('kept.parquet', 'kept-out.parquet', { errors: 'nan' });
    expect(await stored('kept-out.parquet')).toEqual(before);
    await score('kept.parquet', 'kept-less.parquet', { errors: 'skip', topK: 1 });
    expect(await stored('kept-less.parquet')).toEqual({
      said: before.said,
      rows: [before.rows[0], before.rows[2]],
    });

    await score('kept.parquet', 'kept.ndjson', { errors: 'skip', topK: 1 });
    const [line] = readFileSync(at('kept.ndjson'), 'utf8').split('\n');
    expect(line).toContain(
      '{"float":0.10000000149011612,"unsigned":18446744073709551615,"small":-128,"day":"1969-12-31",' +
        '"micros":"1970-01-01T00:00:00.000Z","nanos":"1970-01-01T00:00:00.000Z","price":-1000000000000000,' +
        '"large":-1e+27,"bytes":[255,0,1],"uuid":"00010203-0405-4607-8809-0a0b0c0d0e0f","half":1.5,' +
        '"span":[7,7,7,7,7,7,7,7,7,7,7,7],"flag":true,',
    );
    await score('kept.parquet', 'kept-types.arrow', { errors: 'skip', topK: 1 });
    const table = arrow.tableFromIPC(readFileSync(at('kept-types.arrow')));
    expect(table.schema.fields.slice(0, kept.length).map(({ type }) => `${type}`)).toEqual([
      ...['Float32', 'Uint64', 'Int32', 'Date32<DAY>', 'Timestamp<MILLISECOND>', 'Timestamp<MILLISECOND>'],
      ...['Float64', 'Float64', 'Utf8', 'Utf8', 'Float32', 'Utf8', 'Bool'],
    ]);
    expect(table.getChild('unsigned')!.get(0)).toBe(2n ** 64n - 1n);
  });

  test('what the library cannot write as it was keeps its value: JSON, timestamps of 96 bits, integers', () => {
    const json = cellsOf({ name: 'j', type: 'BYTE_ARRAY', converted_type: 'JSON' });
    expect(json.stored('{"id": 12345678901234567890}')).toBe('{"id": 12345678901234567890}');
    expect(json.value('{"id": 1}')).toEqual({ id: 1 });
    const byte = { type: 'INTEGER', bitWidth: 8, isSigned: false } as const;
    const small = cellsOf({ name: 'u', type: 'INT32', logical_type: byte });
    expect(small.written).toEqual({ name: 'u', type: 'INT32', converted_type: 'UINT_8' });
    const legacy = cellsOf({ name: 't', type: 'INT96' });
    const cell = parsers.timestampFromNanoseconds!(1_600_000_000_123_456_000n);
    expect(legacy.value(cell)).toEqual(new Date(1_600_000_000_123));
    expect(legacy.stored(cell)).toBe(1_600_000_000_123_456n);
    expect(legacy.written).toMatchObject({ type: 'INT64', converted_type: 'TIMESTAMP_MICROS' });
  });
});

describe('Arrow', () => {
  test.each(['float16', 'float32', 'float64'] as const)('lists of %s', async (type) => {
    const x = {
      float16: Uint16Array.of(0x3c00, 0x4000, 0, 0x3c00),
      float32: Float32Array.of(1, 2, 0, 1),
      float64: Float64Array.of(1, 2, 0, 1),
    }[type];
    const float = {
      float16: new arrow.Float16(),
      float32: new arrow.Float32(),
      float64: new arrow.Float64(),
    }[type];
    writeFileSync(
      at(`${type}.arrow`),
      arrow.tableToIPC(new arrow.Table({ x: fixedList(x, float, 2) }), 'file'),
    );
    await score(`${type}.arrow`, `${type}-out.npy`);
    const Data = type === 'float64' ? Float64Array : Float32Array;
    const { rows } = await contentOf(`${type}-out.npy`, 'npy');
    expect(rows.flat()).toEqual(Array.from(softmax(Data.of(1, 2, 0, 1), { shape: [2, 2] })));
  });

  const ragged = [[1, 2, 3], [], [4], [5, 6]];
  test.each(['arrow', 'ndjson', 'parquet'] as const)('ragged rows stay ragged in %s', async (to) => {
    const list = new arrow.List(new arrow.Field('item', new arrow.Float64(), false));
    const table = new arrow.Table({ x: arrow.vectorFromArray(ragged, list) });
    writeFileSync(at('ragged.arrow'), arrow.tableToIPC(table, 'file'));
    expect((await score('ragged.arrow', `ragged-out.${to}`)).classes).toBe(undefined);
    const { rows } = await contentOf(`ragged-out.${to}`, to);
    expect(rows).toEqual(ragged.map((row) => softmax(row)));
  });

  test('other columns keep their types: integers of 64 bits, dates, categories, nulls, structs', async () => {
    const table = new arrow.Table({
      big: arrow.vectorFromArray([2n ** 60n + 1n, null], new arrow.Int64()),
      day: arrow.vectorFromArray([new Date('2024-02-29'), null], new arrow.DateDay()),
      time: arrow.vectorFromArray([new Date('2024-02-29'), new Date(0)], new arrow.DateMillisecond()),
      kind: arrow.vectorFromArray(['x', 'y'], new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32())),
      pair: arrow.vectorFromArray([{ a: 1 }, { a: 2 }]),
      x: fixedList(Float32Array.of(1, 2, 3, 4), new arrow.Float32(), 2),
    });
    writeFileSync(at('types.arrow'), arrow.tableToIPC(table, 'file'));
    await score('types.arrow', 'types-out.arrow', { topK: 1 });
    const out = arrow.tableFromIPC(readFileSync(at('types-out.arrow')));
    expect(out.schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      ...['big: Int64', 'day: Date32<DAY>', 'time: Date64<MILLISECOND>', 'kind: Dictionary<Int32, Utf8>'],
      `pair: ${table.getChild('pair')!.type}`,
      ...['class: FixedSizeList[1]<Uint32>', 'score: FixedSizeList[1]<Float32>'],
    ]);
    expect(out.getChild('big')!.toJSON()).toEqual([2n ** 60n + 1n, null]);
    expect(out.getChild('kind')!.toJSON()).toEqual(['x', 'y']);
    await score('types.arrow', 'types.ndjson', { topK: 1 });
    const [line] = readFileSync(at('types.ndjson'), 'utf8').split('\n');
    expect(line).toMatch(
      /^\{"big":1152921504606846977,"day":"2024-02-29","time":"2024-02-29T00:00:00.000Z","kind":"x","pair":\{"a":1\},"class":\[1\],"score":/,
    );
    await score('types.arrow', 'types.parquet', { topK: 1 });
    const file = Uint8Array.from(readFileSync(at('types.parquet'))).buffer;
    expect((await parquetReadObjects({ file }))[0]).toMatchObject({
      big: 2n ** 60n + 1n,
      day: new Date('2024-02-29'),
    });
    const types = (schema: readonly { name: string; type?: string; converted_type?: string }[]) =>
      schema.filter(({ name }) => name === 'day').map((one) => `${one.type} ${one.converted_type}`);
    expect(types((await parquetMetadataAsync(file)).schema)).toEqual(['INT32 DATE']);
    for (const to of ['arrow', 'csv'] as const) await score('types.parquet', `again.${to}`, { topK: 1 });
    const again = arrow.tableFromIPC(readFileSync(at('again.arrow')));
    expect(`${again.getChild('day')!.type}`).toBe('Date32<DAY>');
    expect(again.getChild('day')!.toJSON()).toEqual([new Date('2024-02-29'), null].map((day) => day && +day));
    expect(readFileSync(at('again.csv'), 'utf8')).toContain(
      '1152921504606846977,2024-02-29,2024-02-29T00:00',
    );
  });

  test('as Polars writes them: lists with 64-bit offsets beside text in views, at any depth', async () => {
    const texts = ['short', 'longer than the twelve bytes of a view', null, 'another one that is longer'];
    const rows = Array.from({ length: 100 }, (_, row) => texts[row % 4]);
    const item = (type: arrow.DataType) => new arrow.Field('item', type, true);
    const bytes = Buffer.from(rows.map((text) => text ?? '').join(''));
    const views = Buffer.alloc(16 * rows.length);
    let start = 0;
    rows.forEach((text, row) => {
      const size = text?.length ?? 0;
      views.writeInt32LE(size, 16 * row);
      if (size <= 12) bytes.copy(views, 16 * row + 4, start, start + size);
      else {
        bytes.copy(views, 16 * row + 4, start, start + 4);
        views.writeInt32LE(start, 16 * row + 12);
      }
      start += size;
    });
    const text = arrow.makeData({
      ...{
        type: new arrow.Utf8View(),
        length: 100,
        nullCount: 25,
        nullBitmap: new Uint8Array(13).fill(0xbb),
      },
      ...{ views: new Uint8Array(views), variadicBuffers: [new Uint8Array(bytes)] },
    });
    const list = arrow.makeData({
      ...{ type: new arrow.List(item(text.type)), length: 50, nullCount: 0, child: text },
      valueOffsets: Int32Array.from({ length: 51 }, (_, i) => 2 * i),
    });
    const pair = new arrow.Struct([
      new arrow.Field('name', text.type, true),
      new arrow.Field('names', list.type),
    ]);
    const ids = text.slice(0, 50);
    const x = Float32Array.from({ length: 150 }, (_, i) => (7 * i) % 11);
    const logits = arrow.makeData({
      ...{ type: new arrow.LargeList(item(new arrow.Float32())), length: 50, nullCount: 0 },
      valueOffsets: BigInt64Array.from({ length: 51 }, (_, i) => BigInt(3 * i)),
      child: arrow.makeData({ type: new arrow.Float32(), length: 150, nullCount: 0, data: x }),
    });
    const kind = new arrow.Dictionary(new arrow.Utf8View(), new arrow.Int32(), 1);
    const table = new arrow.Table({
      id: new arrow.Vector([ids]),
      pair: new arrow.Vector([
        arrow.makeData({ type: pair, length: 50, nullCount: 0, children: [ids, list] as never }),
      ]),
      kind: new arrow.Vector([
        arrow.makeData({
          ...{ type: kind, length: 50, nullCount: 0, dictionary: new arrow.Vector([text]) },
          data: Int32Array.from({ length: 50 }, (_, i) => (3 * i) % 4),
        }),
      ]),
      x: new arrow.Vector([logits]),
    });
    for (const format of ['file', 'stream'] as const) {
      const name = `views.${format === 'file' ? 'arrow' : 'arrows'}`;
      writeFileSync(at(name), arrow.tableToIPC(table, format));
      // Several blocks of one record batch.
      await score(name, 'views-out.arrow', { blockBytes: 8 * 12 });
      const out = arrow.tableFromIPC(readFileSync(at('views-out.arrow')));
      expect(out.batches.length).toBeGreaterThan(5);
      expect(out.schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
        ...['id: Utf8View', 'pair: Struct<{name:Utf8View, names:List<Utf8View>}>'],
        'kind: Dictionary<Int32, Utf8View>',
        'probabilities: List<Float32>',
      ]);
      expect(out.getChild('id')!.toJSON()).toEqual(rows.slice(0, 50));
      expect(out.getChild('kind')!.toJSON()).toEqual(rows.slice(0, 50).map((_, i) => texts[(3 * i) % 4]));
      const pairs = rows.slice(0, 50).map((name, i) => ({ name, names: rows.slice(2 * i, 2 * i + 2) }));
      expect(JSON.parse(JSON.stringify(out.getChild('pair')))).toEqual(pairs);
      const scores = out
        .getChild('probabilities')!
        .toJSON()
        .flatMap((row) => Array.from(row as Float32Array));
      expect(scores).toEqual(Array.from(softmax(x, { shape: [50, 3] })));
    }
  });

  describe.each(['uncompressed', 'lz4', 'zstd'])('a file that Polars wrote, %s', (compression) => {
    const written = readFileSync(new URL(`polars/${compression}.arrow`, import.meta.url));

    test('has the rows that went in', async () => {
      writeFileSync(at('polars.arrow'), written);
      await score('polars.arrow', 'polars.ndjson');
      const lines = readFileSync(at('polars.ndjson'), 'utf8').trimEnd().split('\n');
      expect(lines.map((line) => JSON.parse(line))).toEqual(
        [0, 1, 2, 3, 4].map((row) => ({
          id: row === 4 ? null : `a long string with number ${row + 1}`,
          kind: `a long category ${row % 2}`,
          n: row,
          probabilities: Array.from(softmax(Float32Array.of(row, 1, -row, 0.5))),
        })),
      );
    });

    test('damaged anywhere, ends in one line or is read', async () => {
      for (let start = 8; start + 9 <= written.length; start += 29) {
        for (const value of [0, 0xff]) {
          writeFileSync(at('damaged.arrow'), Buffer.from(written).fill(value, start, start + 9));
          const failure = await score('damaged.arrow', 'damaged.ndjson').then(
            () => undefined,
            (error: unknown) => error,
          );
          if (failure) expect(failure, `${start}: ${value}`).toMatchObject({ exitCode: 1 });
        }
      }
    });
  });

  test('a column named label is not written over', async () => {
    writeFileSync(at('taken.ndjson'), '{"label":"truth","x":[1,2,3,4,5]}\n');
    await score('taken.ndjson', 'taken-out.ndjson', { topK: 1, labels: at('labels.txt') });
    expect(JSON.parse(readFileSync(at('taken-out.ndjson'), 'utf8'))).toMatchObject({
      label: 'truth',
      predicted_label: [LABELS[4]],
    });
  });
});

describe('what cannot be read, in one line, with nothing left behind', () => {
  const cut = (format: Format, bytes: number) => () => Buffer.from(inputs[format](LOGITS)).subarray(0, bytes);
  const two = () =>
    arrow.tableToIPC(
      new arrow.Table({
        a: fixedList(Float32Array.of(1, 2), new arrow.Float32(), 2),
        b: fixedList(Float32Array.of(1, 2), new arrow.Float32(), 2),
      }),
    );
  test.each<[string, () => Uint8Array | string, string, Partial<ScoreFileOptions>?]>([
    ['empty.arrow', () => '', 'an Arrow IPC file or stream for % but received nothing'],
    ['text.arrow', () => 'hello, world', 'an Arrow IPC file or stream for % but received something else'],
    [
      'cut.arrow',
      cut('arrow', 9000),
      'whole record batches for % but received a part (the file is truncated)',
    ],
    [
      'cut.arrows',
      cut('arrows', 9000),
      'whole record batches for % but received a part (the file is truncated)',
    ],
    [
      'none.arrow',
      () => arrow.tableToIPC(new arrow.Table({ n: arrow.vectorFromArray([1]) })),
      'one column of lists of floats, or --column, for % but received none (n: Float)',
    ],
    ['two.arrows', two, 'one column of lists of floats, or --column, for % but received a, b'],
    ['named.arrows', two, 'a column c for % but received a, b', { column: 'c' }],
    ['empty.parquet', () => '', 'a Parquet file for % but received a file of less than 12 bytes'],
    [
      'text.parquet',
      () => 'x'.repeat(99),
      'a Parquet file for % but received parquet file invalid (footer != PAR1)',
    ],
    [
      'cut.parquet',
      cut('parquet', 900),
      'a Parquet file for % but received parquet file invalid (footer != PAR1)',
    ],
    ['empty.csv', () => '', 'a CSV for % but received nothing', { keep: undefined }],
    [
      'quote.csv',
      () => 'a,b\n1,"2\n',
      'a CSV for % but received Quote Not Closed: the parsing is finished with an opening quote at line 2',
      { keep: undefined },
    ],
    [
      'ids.csv',
      () => 'id,a\nx,1\n',
      'numbers for row 0 of % but received "x" in column id, which --keep id would set aside (--errors skip or nan goes on)',
      { keep: undefined },
    ],
    ['keep.csv', () => 'a,b\n1,2\n', 'a column id for % but received a, b'],
    [
      'cut.ndjson',
      () => '[1,2]\n[1,',
      'an array of numbers for row 1 of % but received something that is not JSON (--errors skip or nan goes on)',
    ],
    [
      'big.ndjson',
      () => '{"id":1234567890123456789,"x":[1]}',
      'integers up to 2^53 (larger ones as strings) for row 0 of % but received 1234567890123456800 (--errors skip or nan goes on)',
    ],
    [
      'lists.ndjson',
      () => '{"a":[1],"b":[2]}',
      'one field with an array of numbers, or --column, for % but received 2',
    ],
    [
      'ragged.ndjson',
      () => '[1,2]\n[1]\n',
      '2 logits for row 1 of % but received 1 (--errors skip or nan goes on)',
      { output: 'ragged.npy' },
    ],
    ['axis.ndjson', () => '[1]', 'a .npy input for --axis but received ndjson', { axis: 0 }],
  ])('%s', async (name, content, message, options = {}) => {
    mkdirSync(at('broken'), { recursive: true });
    writeFileSync(at(name), content());
    const output = options.output ? `broken/${options.output}` : 'broken/out.ndjson';
    const run = score(name, output, { ...options, output: at(output) });
    await expect(run).rejects.toMatchObject({ message: `Expected ${message.replace('%', at(name))}` });
    expect(readdirSync(at('broken'))).toEqual([]);
  });
});

describe('the command', () => {
  const run = (args: readonly string[], input?: Uint8Array, cli = join(ROOT, 'dist', 'cli.js')) =>
    spawnSync(process.execPath, [cli, 'score', ...args], { cwd: folder, input, maxBuffer: 1 << 28 });

  test.each(FORMATS)('%s through stdin and stdout: the bytes of files', async (format) => {
    const extra = format === 'csv' ? ['--keep', 'id'] : [];
    const input = Buffer.from(inputs[format](LOGITS));
    const { stdout, stderr, status } = run(['-', '--format', format, '-o', '-', '-q', ...extra], input);
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    await score(`in.${format}`, `piped.${format}`);
    expect(stdout.equals(readFileSync(at(`piped.${format}`)))).toBe(true);
  });

  test('.npy of unknown length cannot go to a pipe', () => {
    const { stderr, status } = run(['in.ndjson', '-o', '-', '--output-format', 'npy']);
    expect(status).toBe(2);
    expect(stderr.toString()).toBe(
      'simd-softmax: Expected a file for -o of a .npy whose length is not known yet but received -\n',
    );
  });

  test('a library that is not installed is named with the command that installs it', () => {
    const alone = at('alone');
    cpSync(join(ROOT, 'dist'), join(alone, 'dist'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(alone, 'package.json'));
    const cli = join(alone, 'dist', 'cli.js');
    for (const [input, message] of [
      [
        'in.parquet',
        'Expected hyparquet and hyparquet-compressors for Parquet but received none (npm install hyparquet hyparquet-compressors)',
      ],
    ]) {
      const { stderr, status } = run([input], undefined, cli);
      expect(stderr.toString()).toBe(`simd-softmax: ${message}\n`);
      expect(status).toBe(1);
    }
    for (const input of ['in.arrow', 'in.ndjson']) expect(run([input, '-q'], undefined, cli).status).toBe(0);
    expect(run(['in.csv', '--keep', 'id', '-q'], undefined, cli).status).toBe(0);
  });

  test('the report tells of the rows', () => {
    const { stdout } = run(['bad.ndjson', '-o', 'told.npy', '--errors', 'nan']);
    expect(stdout.toString()).toMatch(/^3 rows \(numbers 1, 2, 4\) could not be scored$/m);
    expect(stdout.toString()).toMatch(/^4 rows \(numbers 1, 2, 4, 5\) came out as NaN$/m);
  });
});
