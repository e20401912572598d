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
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORMATS as ALL_FORMATS } from '../lib/cli/formats.js';
import { lock } from '../lib/cli/lock.js';
import { formatNpyHeader, parseNpyHeader } from '../lib/cli/npy-header.js';
import { scoreFile } from '../lib/cli/score-file.js';
import type { ScoreFileOptions } from '../lib/cli/score-job.js';
import { logSumExp, softmax, topK } from '../lib/index.js';
import { newDuckDB } from './duckdb-files.js';

const ROOT = join(import.meta.dirname, '..');
const ROWS = 700;
const CLASSES = 5;
const LABELS = ['dog', 'cat', 'horse', 'cheetah', 'a "quoted", name'];
const IDS = Array.from({ length: ROWS }, (_, row) => `id ${row}, "${row % 3}"`);

/** .npz has tests of its own: npz.test.ts. */
type Format = Exclude<(typeof ALL_FORMATS)[number], 'npz'>;
const FORMATS = ALL_FORMATS.filter((format) => format !== 'npz');
/** What can be written: an array of JSON cannot. */
const OUTPUTS = FORMATS.filter((format) => format !== 'json');
const duckdb = newDuckDB();

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-files-'));
  writeFileSync(at('labels.txt'), `${LABELS.join('\n')}\n`);
  writeFileSync(at('rows.ndjson'), inputs.ndjson(LOGITS));
  await duckdb.run(
    `COPY (FROM read_json('${at('rows.ndjson')}', columns = {id: 'VARCHAR', logits: 'FLOAT[]'})) TO '${at('in.parquet')}' (ROW_GROUP_SIZE 2048)`,
  );
  inputs.parquet = () => readFileSync(at('in.parquet'));
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

const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
const inputs: Record<Format, (x: Float32Array) => Uint8Array | string> = {
  npy: (x) => npy(x, [ROWS, CLASSES]),
  arrow: (x) => arrow.tableToIPC(arrowTable(x), 'file'),
  arrows: (x) => arrow.tableToIPC(arrowTable(x), 'stream'),
  parquet: () => '',
  ndjson: (x) =>
    rowsOf(x)
      .map((logits, row) => `${JSON.stringify({ id: IDS[row], logits })}\n`)
      .join(''),
  json: (x) => JSON.stringify(rowsOf(x).map((logits, row) => ({ id: IDS[row], logits }))),
  csv: (x) => cells(x, ','),
  tsv: (x) => cells(x, '\t'),
};

function cells(x: Float32Array, delimiter: string): string {
  const header = ['id', ...LABELS].map(quoted).join(delimiter);
  const rows = rowsOf(x).map((row, i) => [quoted(IDS[i]), ...row].join(delimiter));
  return [header, ...rows].join('\r\n');
}

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
    case 'parquet':
      return table(await duckdb.rows(`FROM '${at(name)}'`));
    case 'json':
    case 'ndjson': {
      const lines = bytes.toString().trimEnd().split('\n');
      const objects = lines.map((line) => JSON.parse(line));
      if (typeof objects[0] === 'number') return { ids: undefined, rows: objects.map((value) => [value]) };
      return Array.isArray(objects[0]) ? { ids: undefined, rows: objects } : table(objects);
    }
    case 'csv':
    case 'tsv': {
      const options = `header = false, delim = '${format === 'csv' ? ',' : '\\t'}', quote = '"', escape = '"', all_varchar = true`;
      const [header, ...records] = await duckdb.arrays(`FROM read_csv('${at(name)}', ${options})`);
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
    keep: /\.[ct]sv$/.test(input) ? ['id'] : undefined,
    ...options,
  });

/** Text holds float64 numbers; the others the type they were written with. */
const typed = (format: Format, x = LOGITS) =>
  ['ndjson', 'json', 'csv', 'tsv'].includes(format) ? Float64Array.from(x) : x;

/** What an output's reader gives: text has the shortest digits that read back as the number, a float32 too. */
const asRead = (to: Format, scores: Float32Array | Float64Array) =>
  Array.from(scores, (score) =>
    scores instanceof Float32Array && isText(to) ? Number(shortest(score)) : score,
  );
const isText = (format: Format) => ['ndjson', 'json', 'csv', 'tsv'].includes(format);
const shortest = (x: number) => {
  for (let digits = 1; ; digits++)
    if (Math.fround(Number(x.toPrecision(digits))) === x) return x.toPrecision(digits);
};

/** One of each kind: a stream is read as a file is, and so on. */
const isDistinct = (format: Format) => !['arrows', 'json', 'tsv'].includes(format);

describe.each(FORMATS)('from %s', (from) => {
  test.each(OUTPUTS)('to %s: the scores of the library, in order, beside their ids', async (to) => {
    const report = await score(`in.${from}`, `out-${from}.${to}`, { blockBytes: 1024 });
    expect(report).toMatchObject({
      rows: ROWS,
      classes: from.match(/arrow|npy|csv|tsv/) || to.match(/npy|csv|tsv/) ? CLASSES : undefined,
    });
    const { ids, rows } = await contentOf(`out-${from}.${to}`, to);
    const expected = softmax(typed(from), { shape: [ROWS, CLASSES] });
    expect(rows.flat()).toEqual(asRead(to, expected));
    expect(ids).toEqual(from === 'npy' || to === 'npy' ? undefined : IDS);
  });

  test.runIf(isDistinct(from)).each(OUTPUTS.filter((to) => to !== 'npy' && isDistinct(to)))(
    'to %s: --top-k with labels',
    async (to) => {
      await score(`in.${from}`, `top-${from}.${to}`, { topK: 2, labels: at('labels.txt') });
      const { ids, rows, labels } = await contentOf(`top-${from}.${to}`, to);
      const best = topK(typed(from), 2, { shape: [ROWS, CLASSES] });
      expect(rows.flat()).toEqual(asRead(to, best.probabilities));
      expect(labels?.flat()).toEqual(Array.from(best.indices, (i) => LABELS[i]));
      expect(ids).toEqual(from === 'npy' ? undefined : IDS);
    },
  );

  test.runIf(isDistinct(from)).each(OUTPUTS.filter(isDistinct))('to %s: logsumexp', async (to) => {
    await score(`in.${from}`, `lse-${from}.${to}`, { op: 'logsumexp' });
    const { rows } = await contentOf(`lse-${from}.${to}`, to);
    expect(rows.flat()).toEqual(asRead(to, logSumExp(typed(from), { shape: [ROWS, CLASSES] })));
  });

  test('a range of rows is that part of the whole', async () => {
    await score(`in.${from}`, `range-${from}.ndjson`, { rows: [290, 510], blockBytes: 512 });
    const { rows } = await contentOf(`range-${from}.ndjson`, 'ndjson');
    const expected = softmax(typed(from), { shape: [ROWS, CLASSES] });
    expect(rows.flat()).toEqual(asRead('ndjson', expected.subarray(290 * CLASSES, 510 * CLASSES)));
  });

  test.each(['npy', 'arrow', 'arrows'] as const)(
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

  test('a Parquet output begins anew, leaves nothing when it is interrupted, and is whole', async () => {
    await interrupt('anew.parquet');
    expect(readdirSync(folder).filter((name) => name.startsWith('anew'))).toEqual([]);
    expect((await score('in.npy', 'anew.parquet', { resume: true, blockBytes: 1024 })).resumed).toBe(0);
    expect((await contentOf('anew.parquet', 'parquet')).rows).toHaveLength(ROWS);
  });

  test('a second run on the same output names the first; a lock whose process is gone is taken over', async () => {
    const unlock = await lock(at('locked.npy.resume.lock'), at('locked.npy'));
    await expect(score('in.npy', 'locked.npy', { resume: true })).rejects.toThrow(
      new RegExp(`no other run with --resume of .*locked.npy but received process ${process.pid} `),
    );
    await unlock();
    expect(existsSync(at('locked.npy.resume.lock'))).toBe(false);
    // No system has a process of this number.
    writeFileSync(
      at('locked.npy.resume.lock'),
      JSON.stringify({ pid: 2 ** 31 - 2, host: hostname(), since: '' }),
    );
    await score('in.npy', 'locked.npy', { resume: true });
    writeFileSync(at('locked.npy.resume.lock'), 'half a lo');
    await score('in.npy', 'locked.npy', { resume: true });
    writeFileSync(
      at('locked.npy.resume.lock'),
      JSON.stringify({ pid: 1, host: 'elsewhere', since: 'yesterday' }),
    );
    await expect(score('in.npy', 'locked.npy', { resume: true })).rejects.toThrow(
      'process 1 on elsewhere (since yesterday)',
    );
    rmSync(at('locked.npy.resume.lock'));
    expect(readdirSync(folder).filter((name) => name.startsWith('locked.npy.'))).toEqual([]);
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
  beforeAll(async () => {
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
    writeFileSync(
      at('rows.ndjson'),
      rows
        .map((logits, i) =>
          line({ id: IDS[i], logits: logits?.map((x) => (Number.isNaN(x) ? 'NaN' : x)) ?? null }),
        )
        .join(''),
    );
    await duckdb.run(
      `COPY (FROM read_json('${at('rows.ndjson')}', columns = {id: 'VARCHAR', logits: 'FLOAT[]'})) TO '${at('bad.parquet')}'`,
    );
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
  const COLUMNS = [
    ...['0.1::FLOAT AS float', '18446744073709551615::UBIGINT AS unsigned', '(-128)::TINYINT AS small'],
    ...["DATE '1969-12-31' AS day", "TIMESTAMP '1969-12-31 23:59:59.999999' AS micros"],
    ...[
      "TIMESTAMP_NS '1969-12-31 23:59:59.999999999' AS nanos",
      "TIMESTAMPTZ '2024-02-29 00:00:00Z' AS zoned",
    ],
    ...['(-1000000000000000.01)::DECIMAL(18, 2) AS price', '98765432109876543210::DECIMAL(38, 0) AS large'],
    ...[
      "'\\xff\\x00'::BLOB AS bytes",
      "'00010203-0405-4607-8809-0a0b0c0d0e0f'::UUID AS uuid",
      'true AS flag',
    ],
    ...['INTERVAL 3 DAY AS span', "TIME '12:34:56.789' AS time", "{'a': 1, 'b': [1.5, NULL]} AS pair"],
    ...["MAP {'x': 1} AS map", "'[1, 2]'::JSON AS json", "'text'::VARCHAR AS text", "[['a'], []] AS nested"],
  ];
  const names = COLUMNS.map((column) => column.split(' AS ')[1]);
  const stored = async (name: string) => ({
    types: (await duckdb.arrays(`SELECT column_name, column_type FROM (DESCRIBE FROM '${at(name)}')`)).slice(
      0,
      COLUMNS.length,
    ),
    rows: await duckdb.arrays(`SELECT ${names.map((name) => `"${name}"::VARCHAR`)} FROM '${at(name)}'`),
  });
  beforeAll(async () => {
    const row = `SELECT ${COLUMNS.join(', ')}`;
    const empty = `SELECT ${names.map((name) => `CASE WHEN false THEN "${name}" END`)}`;
    await duckdb.run(
      `COPY (WITH one AS (${row}) SELECT *, [1, 2, 3]::FLOAT[] AS logits FROM one ` +
        `UNION ALL (${empty}, NULL FROM one) UNION ALL (SELECT *, [4, 5, 6]::FLOAT[] FROM one)) TO '${at('kept.parquet')}'`,
    );
  });

  test('columns beside the logits keep their type and value', async () => {
    const before = await stored('kept.parquet');
    expect(before.types.map(([, type]) => type)).toContain('DECIMAL(38,0)');
    await score('kept.parquet', 'kept-out.parquet', { errors: 'nan' });
    expect(await stored('kept-out.parquet')).toEqual(before);
    await score('kept.parquet', 'kept-less.parquet', { errors: 'skip', topK: 1 });
    expect(await stored('kept-less.parquet')).toEqual({
      types: before.types,
      rows: [before.rows[0], before.rows[2]],
    });
  });

  test('in text they have their digits', async () => {
    await score('kept.parquet', 'kept.ndjson', { errors: 'skip', topK: 1 });
    const [line] = readFileSync(at('kept.ndjson'), 'utf8').split('\n');
    expect(line).toContain(
      '{"float":0.1,"unsigned":18446744073709551615,"small":-128,"day":"1969-12-31",' +
        '"micros":"1969-12-31 23:59:59.999999","nanos":"1969-12-31 23:59:59.999999999","zoned":"2024-02-29 00:00:00+00",' +
        '"price":-1000000000000000.01,"large":98765432109876543210,"bytes":"\\\\xFF\\\\x00",' +
        '"uuid":"00010203-0405-4607-8809-0a0b0c0d0e0f","flag":true,"span":"3 days","time":"12:34:56.789",' +
        '"pair":{"a":1,"b":[1.5,null]},"map":{"x":1},"json":[1,2],"text":"text","nested":[["a"],[]],"class":[2],',
    );
    await score('kept.parquet', 'kept.csv', { errors: 'skip', topK: 1 });
    const [, cells] = readFileSync(at('kept.csv'), 'utf8').split('\n');
    expect(cells).toContain('0.1,18446744073709551615,-128,1969-12-31,1969-12-31 23:59:59.999999,');
    expect(cells).toContain('-1000000000000000.01,98765432109876543210,');
  });

  test('in Arrow, which we write, they have its types, and in Parquet theirs again', async () => {
    await score('kept.parquet', 'kept-types.arrow', { errors: 'skip', topK: 1 });
    const table = arrow.tableFromIPC(readFileSync(at('kept-types.arrow')));
    const types = table.schema.fields.slice(0, 6).map(({ type }) => `${type}`);
    expect(types).toEqual([
      ...['Float32', 'Uint64', 'Int8', 'Date32<DAY>', 'Timestamp<MICROSECOND>', 'Timestamp<NANOSECOND>'],
    ]);
    expect(table.getChild('unsigned')!.get(0)).toBe(2n ** 64n - 1n);
    // Back in Parquet they are what they were.
    await score('kept.parquet', 'kept-whole.arrow', { op: 'log-softmax', errors: 'skip' });
    await score('kept-whole.arrow', 'kept-back.parquet');
    const select = `SELECT ${names.map((name) => `"${name}"::VARCHAR, typeof("${name}")`)}`;
    expect(await duckdb.arrays(`${select} FROM '${at('kept-back.parquet')}'`)).toEqual(
      await duckdb.arrays(`${select} FROM '${at('kept.parquet')}' WHERE logits IS NOT NULL`),
    );
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
      /^\{"big":1152921504606846977,"day":"2024-02-29","time":"2024-02-29 00:00:00","kind":"x","pair":\{"a":1.0\},"class":\[1\],"score":/,
    );
    await score('types.arrow', 'types.parquet', { topK: 1 });
    expect((await duckdb.rows(`FROM '${at('types.parquet')}'`))[0]).toMatchObject({
      big: 2n ** 60n + 1n,
      day: new Date('2024-02-29'),
    });
    const types = await duckdb.arrays(`SELECT column_type FROM (DESCRIBE FROM '${at('types.parquet')}')`);
    expect(types.slice(0, 3).flat()).toEqual(['BIGINT', 'DATE', 'TIMESTAMP']);
    for (const to of ['arrow', 'csv'] as const) await score('types.parquet', `again.${to}`, { topK: 1 });
    const again = arrow.tableFromIPC(readFileSync(at('again.arrow')));
    expect(`${again.getChild('day')!.type}`).toBe('Date32<DAY>');
    expect(again.getChild('day')!.toJSON()).toEqual([new Date('2024-02-29'), null].map((day) => day && +day));
    expect(readFileSync(at('again.csv'), 'utf8')).toContain(
      '1152921504606846977,2024-02-29,2024-02-29 00:00:00',
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
          probabilities: asRead('ndjson', softmax(Float32Array.of(row, 1, -row, 0.5))),
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

  test.each(['arrow', 'ndjson'])('a column named probabilities is not written over, in %s', async (to) => {
    writeFileSync(at('taken.ndjson'), '{"probabilities":7,"x":[0,0]}\n');
    await score('taken.ndjson', 'taken-out.arrow');
    await score('taken-out.arrow', `taken-again.${to}`, { column: 'predicted_probabilities' });
    const bytes = readFileSync(at(`taken-again.${to}`));
    const [row] = to === 'arrow' ? arrow.tableFromIPC(bytes) : [JSON.parse(bytes.toString())];
    expect({ ...row, predicted_probabilities: [...row.predicted_probabilities] }).toEqual({
      probabilities: to === 'arrow' ? 7n : 7,
      predicted_probabilities: [0.5, 0.5],
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
      'one column of lists of floats, or --column, for % but received none (n: float64)',
    ],
    ['two.arrows', two, 'one column of lists of floats, or --column, for % but received a, b'],
    ['named.arrows', two, 'a column c for % but received a, b', { column: 'c' }],
    ['empty.parquet', () => '', "a Parquet file for % but received File '%' too small to be a Parquet file"],
    [
      'text.parquet',
      () => 'x'.repeat(99),
      "a Parquet file for % but received No magic bytes found at end of file '%'",
    ],
    [
      'cut.parquet',
      cut('parquet', 900),
      "a Parquet file for % but received No magic bytes found at end of file '%'",
    ],
    ['empty.csv', () => '', 'a CSV for % but received nothing', { keep: undefined }],
    [
      'quote.csv',
      () => 'a,b\n1,"2\n',
      'a CSV for % but received a quote that is not closed, in record 1',
      { keep: undefined },
    ],
    [
      'ids.csv',
      () => 'id,a\n1,1\nx,1\n',
      'numbers for row 1 of % but received "x" in column id, which --keep id would set aside (--errors skip or nan goes on)',
      { keep: undefined },
    ],
    ['keep.csv', () => 'a,b\n1,2\n', 'a column id for % but received a, b'],
    [
      'cut.ndjson',
      () => '[1,2]\n[1,',
      'an array of numbers for row 1 of % but received something that is not JSON (--errors skip or nan goes on)',
    ],
    [
      'lists.ndjson',
      () => '{"a":[1],"b":[2]}',
      'one field with an array of numbers, or --column, for % but received a, b',
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
    await expect(run).rejects.toMatchObject({ message: `Expected ${message.replaceAll('%', at(name))}` });
    expect(readdirSync(at('broken'))).toEqual([]);
  });
});

describe('the command', () => {
  const run = (args: readonly string[], input?: Uint8Array, cli = join(ROOT, 'dist', 'cli.js')) =>
    spawnSync(process.execPath, [cli, 'score', ...args], { cwd: folder, input, maxBuffer: 1 << 28 });

  test.each(FORMATS)('%s through stdin and stdout: the bytes of files', async (format) => {
    const extra = /[ct]sv/.test(format) ? ['--keep', 'id'] : [];
    const input = Buffer.from(inputs[format](LOGITS));
    const { stdout, stderr, status } = run(['-', '--format', format, '-o', '-', '-q', ...extra], input);
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    const to = format === 'json' ? 'ndjson' : format;
    await score(`in.${format}`, `piped.${to}`);
    expect(stdout.equals(readFileSync(at(`piped.${to}`)))).toBe(true);
  });

  test('.npy of unknown length cannot go to a pipe', () => {
    const { stderr, status } = run(['in.ndjson', '--column', 'logits', '-o', '-', '--output-format', 'npy']);
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
      ...['in.parquet', 'in.csv', 'in.ndjson'].map((input) => [
        input,
        'Expected @duckdb/node-api for CSV, JSON and Parquet but received none (npm install @duckdb/node-api)',
      ]),
    ]) {
      const { stderr, status } = run([input], undefined, cli);
      expect(stderr.toString()).toBe(`simd-softmax: ${message}\n`);
      expect(status).toBe(1);
    }
    for (const input of ['in.npy', 'in.arrow']) expect(run([input, '-q'], undefined, cli).status).toBe(0);
  });

  test('the report tells of the rows', () => {
    const { stdout } = run(['bad.ndjson', '-o', 'told.npy', '--errors', 'nan']);
    expect(stdout.toString()).toMatch(/^3 rows \(numbers 1, 2, 4\) could not be scored$/m);
    expect(stdout.toString()).toMatch(/^4 rows \(numbers 1, 2, 4, 5\) came out as NaN$/m);
  });
});
