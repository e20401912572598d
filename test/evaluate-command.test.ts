/** `simd-softmax evaluate`: every format, bad rows, a temperature fitted over several passes, and what it says where it cannot. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as arrow from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pairsOf } from '../lib/cli/evaluation/details.js';
import { type EvaluateFileOptions, evaluateFile } from '../lib/cli/evaluation/evaluate-file.js';
import { formatNpyHeader } from '../lib/cli/npy-header.js';
import { type EvaluationResult, evaluate, fitTemperature, softmax } from '../lib/index.js';
import { newDuckDB } from './duckdb-files.js';

const CLI = join(import.meta.dirname, '..', 'dist', 'cli.js');
const DIGITS = join(import.meta.dirname, 'digits');
const ROWS = 700;
const CLASSES = 5;
const LABELS = ['dog', 'cat', 'horse', 'cheetah', 'a "quoted" <name>'];

/** Exact in float32 and in decimals, so that every format holds the same numbers. */
const LOGITS = Float32Array.from({ length: ROWS * CLASSES }, (_, i) => Math.round(40 * Math.sin(i * i)) / 8);
const DOUBLES = Float64Array.from(LOGITS);
/** Mostly the likeliest class. */
const TRUTH = Int32Array.from({ length: ROWS }, (_, row) => {
  const logits = LOGITS.subarray(row * CLASSES, (row + 1) * CLASSES);
  return row % 3 === 0 ? (row * 7) % CLASSES : logits.indexOf(Math.max(...logits));
});
const SHAPE = { shape: [ROWS, CLASSES] };

const duckdb = newDuckDB();
let folder: string;
const at = (name: string) => join(folder, name);

type Data = Float32Array | Float64Array | Uint16Array | Uint8Array | Int32Array | BigInt64Array;
const DTYPES = new Map<unknown, string>([
  ...([
    [Float32Array, '<f4'],
    [Float64Array, '<f8'],
    [Uint16Array, '<f2'],
    [Uint8Array, '|u1'],
    [Int32Array, '<i4'],
    [BigInt64Array, '<i8'],
  ] as const),
]);

function npy(data: Data, shape: readonly number[]): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([formatNpyHeader(`'${DTYPES.get(data.constructor)}'`, shape), bytes]);
}

function safetensors(name: string, data: Float32Array, shape: readonly number[]): Buffer {
  const header = JSON.stringify({ [name]: { dtype: 'F32', shape, data_offsets: [0, data.byteLength] } });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.from(data.buffer)]);
}

function put(name: string, content: Uint8Array | string): string {
  writeFileSync(at(name), content);
  return name;
}

const rowsOf = (x: ArrayLike<number>) =>
  Array.from({ length: x.length / CLASSES }, (_, row) =>
    Array.from({ length: CLASSES }, (_, i) => x[row * CLASSES + i]),
  );

function arrowTable(): arrow.Table {
  const child = arrow.makeData({ type: new arrow.Float32(), data: LOGITS, length: LOGITS.length });
  const list = new arrow.FixedSizeList(CLASSES, new arrow.Field('item', new arrow.Float32(), false));
  const logits = new arrow.Vector([arrow.makeData({ type: list, length: ROWS, nullCount: 0, child })]);
  return new arrow.Table({ logits, y: arrow.vectorFromArray(Array.from(TRUTH), new arrow.Int32()) });
}

const quoted = (cell: unknown) => `"${String(cell).replaceAll('"', '""')}"`;
const cells = (delimiter: string) =>
  [
    ['y', ...LABELS].map(quoted).join(delimiter),
    ...rowsOf(LOGITS).map((row, i) => [TRUTH[i], ...row].join(delimiter)),
  ].join('\n');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-evaluate-'));
  put('labels.txt', `${LABELS.join('\n')}\n`);
  put('truth.npy', npy(TRUTH, [ROWS]));
  put('in.npy', npy(LOGITS, [ROWS, CLASSES]));
  put('in.safetensors', safetensors('logits', LOGITS, [ROWS, CLASSES]));
  put('in.arrow', arrow.tableToIPC(arrowTable(), 'file'));
  put('in.arrows', arrow.tableToIPC(arrowTable(), 'stream'));
  put('in.csv', cells(','));
  put('in.tsv', cells('\t'));
  const objects = rowsOf(LOGITS).map((logits, i) => JSON.stringify({ y: TRUTH[i], logits, more: 'text' }));
  put('in.ndjson', objects.join('\n'));
  put('in.json', `[${objects.join(',\n')}]`);
  await duckdb.run(
    `COPY (FROM read_json('${at('in.ndjson')}', columns = {y: 'INTEGER', logits: 'FLOAT[]', more: 'VARCHAR'})) TO '${at('in.parquet')}'`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[], input?: Uint8Array) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'evaluate', ...args], {
    cwd: folder,
    encoding: 'utf8',
    input: input ?? '',
  });
  return { code: status, stdout, stderr };
};

const judge = (input: string, options: Partial<EvaluateFileOptions> = {}) =>
  evaluateFile({ truth: at('truth.npy'), ...options, input: at(input) });

/** As the promise of `newEvaluation` has it: cutting rows changes a result by rounding alone. */
function expectSame(received: EvaluationResult, wanted: EvaluationResult): void {
  const { bins, confusion, ...numbers } = wanted;
  for (const [name, value] of Object.entries(numbers)) {
    const other = received[name as keyof typeof numbers];
    if (Number.isNaN(value)) expect(other, name).toBeNaN();
    else
      expect(Math.abs(other / value - 1) <= 1e-13 || other === value, `${name}: ${other}, not ${value}`).toBe(
        true,
      );
  }
  expect(received.confusion).toEqual(confusion);
  expect(received.bins.map(({ count, lower, upper, accuracy }) => [count, lower, upper, accuracy])).toEqual(
    bins.map(({ count, lower, upper, accuracy }) => [count, lower, upper, accuracy]),
  );
  bins.forEach(({ confidence }, i) => {
    if (Number.isNaN(confidence)) expect(received.bins[i].confidence).toBeNaN();
    else expect(received.bins[i].confidence).toBeCloseTo(confidence, 13);
  });
}

const FORMATS = ['npy', 'safetensors', 'arrow', 'arrows', 'parquet', 'ndjson', 'json', 'csv', 'tsv'];
const isText = (format: string) => /json|sv/.test(format);
const hasColumns = (format: string) => format !== 'npy' && format !== 'safetensors';

describe('every format', () => {
  test.each(FORMATS)('%s: the result of evaluate over the arrays', async (format) => {
    const wanted = evaluate(isText(format) ? DOUBLES : LOGITS, TRUTH, SHAPE);
    const columns = /sv$/.test(format) ? { keep: ['y'] } : {};
    const { result, rows, classes, bad } = await judge(`in.${format}`, columns);
    expectSame(result, wanted);
    expect([rows, classes, bad.count]).toEqual([ROWS, CLASSES, 0]);
    if (!hasColumns(format)) return;
    expectSame((await judge(`in.${format}`, { truth: 'column:y' })).result, wanted);
  });

  test('a stream: in blocks of a few rows the result is the same', async () => {
    const options = { k: 2, bins: 4, temperature: 0.7 };
    const wanted = evaluate(LOGITS, TRUTH, { ...SHAPE, ...options });
    for (const input of ['in.npy', 'in.arrow']) {
      let blocks = 0;
      const { result } = await judge(input, { ...options, blockBytes: 60, onProgress: () => blocks++ });
      expectSame(result, wanted);
      expect(blocks, input).toBeGreaterThan(100);
    }
  });

  test('many chunks of the engine, in any order: each row has its own truth', async () => {
    await duckdb.run(
      `COPY (SELECT (i * 7 % 5)::TINYINT AS y, [sin(i), cos(i), sin(2 * i), cos(3 * i), 0.5]::FLOAT[] AS l FROM range(50000) t(i)) TO '${at('chunks.parquet')}' (ROW_GROUP_SIZE 2048)`,
    );
    const rows = Array.from({ length: 50_000 }, (_, i) => i);
    const x = Float32Array.from(
      rows.flatMap((i) => [Math.sin(i), Math.cos(i), Math.sin(2 * i), Math.cos(3 * i), 0.5]),
    );
    const y = Int32Array.from(rows, (i) => (i * 7) % 5);
    put('chunks.npy', npy(y, [y.length]));
    const wanted = evaluate(x, y, { shape: [-1, 5] });
    for (const truth of ['column:y', at('chunks.npy')]) {
      const { result, mistakes } = await judge('chunks.parquet', { truth, details: true });
      expect([result.rows, result.accuracy, result.topKAccuracy]).toEqual([50_000, wanted.accuracy, 1]);
      // The engine's sine and ours may differ in the last digit.
      expect(result.logLoss).toBeCloseTo(wanted.logLoss, 9);
      expect(mistakes.every(({ row, truth }) => y[row] === truth)).toBe(true);
      expectSame((await judge('chunks.parquet', { truth })).result, result);
    }
  });

  test('a class out of range far into a Parquet, of one row of its own length too', async () => {
    const list = (at: string) =>
      `(CASE WHEN i = 30000 THEN ${at} WHEN i = 29999 THEN [1, 2] ELSE [sin(i), cos(i), 0.5] END)::FLOAT[]`;
    for (const [name, truth, lists, received] of [
      ['past', 'CASE WHEN i = 30000 THEN 3 WHEN i % 7 = 0 THEN -100 ELSE i % 2 END', '[1, 2, 3]', '3'],
      ['negative', 'CASE WHEN i = 30000 THEN -1 ELSE i % 2 END', '[1, 2, 3]', '-1'],
      ['none', 'CASE WHEN i <> 30000 THEN i % 2 END', '[1, 2, 3]', 'none'],
      ['short', 'CASE WHEN i = 30000 THEN 2 ELSE i % 2 END', '[1, 2]', '2'],
      ['huge', 'CASE WHEN i = 30000 THEN 4294967296 ELSE i % 2 END', '[1, 2, 3]', '4294967296'],
    ]) {
      await duckdb.run(
        `COPY (SELECT (${truth})::BIGINT AS y, ${list(lists)} AS l FROM range(40000) t(i)) TO '${at(`${name}.parquet`)}'`,
      );
      await expect(judge(`${name}.parquet`, { truth: 'column:y' }), name).rejects.toThrow(
        `Expected class numbers for column y of ${at(`${name}.parquet`)} but received ${received} at row 30000`,
      );
    }
  });

  test('a Parquet of large pages, of which several do not fit into memory at a time', async () => {
    const [rows, classes] = [8192, 8192];
    await duckdb.run(
      `COPY (SELECT 0 AS y, l FROM (SELECT list((8191 - k)::FLOAT ORDER BY k) AS l FROM range(${classes}) r(k)), range(${rows})) TO '${at('pages.parquet')}' (ROW_GROUP_SIZE 2048, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 1)`,
    );
    const { result } = await judge('pages.parquet', { truth: 'column:y' });
    expect([result.rows, result.accuracy]).toEqual([rows, 1]);
  });

  test('a Parquet whose rows are alike until one is not', async () => {
    const rows = Array.from({ length: 5000 }, (_, i) => i);
    const lists: Record<string, string> = {
      shorter: '[1.5, 2.5]',
      longer: '[1.5, 2.5, 0.5, 9]',
      null: 'NULL',
      hole: '[1.5, NULL, 2.5]',
    };
    for (const [name, list] of Object.entries(lists)) {
      await duckdb.run(
        `COPY (SELECT 1::BIGINT AS y, (CASE WHEN i = 4500 THEN ${list} ELSE [sin(i), cos(i), 0.5] END)::FLOAT[] AS l FROM range(5000) t(i)) TO '${at(`${name}.parquet`)}'`,
      );
    }
    for (const [name, length] of [
      ['shorter', 2],
      ['longer', 4],
    ] as const) {
      const x = rows.map((i) =>
        i === 4500 ? [1.5, 2.5, 0.5, 9].slice(0, length) : [Math.sin(i), Math.cos(i), 0.5],
      );
      const offsets = new Int32Array(5001);
      for (const i of rows) offsets[i + 1] = offsets[i] + x[i].length;
      const wanted = evaluate(Float32Array.from(x.flat()), new Int32Array(5000).fill(1), { offsets });
      const { result, classes } = await judge(`${name}.parquet`, { truth: 'column:y' });
      expect(classes).toBe(undefined);
      expect([result.rows, result.accuracy]).toEqual([5000, wanted.accuracy]);
      expect(result.logLoss).toBeCloseTo(wanted.logLoss, 9);
    }
    for (const name of ['null', 'hole']) {
      await expect(judge(`${name}.parquet`, { truth: 'column:y' }), name).rejects.toThrow(/row 4500 of .*/);
      const { result, bad } = await judge(`${name}.parquet`, { truth: 'column:y', errors: 'skip' });
      expect([result.rows, bad]).toEqual([4999, { count: 1, first: [4500] }]);
    }
  });

  test('through pipes', () => {
    for (const format of ['npy', 'arrow', 'csv', 'ndjson', 'parquet']) {
      const piped = spawnSync(
        'sh',
        [
          '-c',
          `cat in.${format} | "${process.execPath}" "${CLI}" evaluate - --format ${format} --truth truth.npy --json ${format === 'csv' ? '--keep y' : ''}`,
        ],
        { cwd: folder, encoding: 'utf8' },
      );
      expect(piped.status, piped.stderr).toBe(0);
      expect(JSON.parse(piped.stdout).rows).toBe(ROWS);
    }
  });

  test('float16, the classes along the first axis, an axis of rows more', async () => {
    const half = new Uint16Array(ROWS * CLASSES).map((_, i) => 0x3c00 + ((i * 37) % 1000));
    put('half.npy', npy(half, [ROWS, CLASSES]));
    expectSame((await judge('half.npy')).result, evaluate(half, TRUTH, { ...SHAPE, dtype: 'float16' }));
    put('columns.npy', npy(LOGITS, [CLASSES, ROWS]));
    const { result } = await judge('columns.npy', { axis: 0, details: true, fitTemperature: true });
    expectSame(result, evaluate(LOGITS, TRUTH, { shape: [CLASSES, ROWS], axis: 0 }));
    put('deep.npy', npy(LOGITS, [7, ROWS / 7, CLASSES]));
    put('deep-truth.npy', npy(TRUTH, [7, ROWS / 7]));
    expectSame(
      (await judge('deep.npy', { truth: at('deep-truth.npy') })).result,
      evaluate(LOGITS, TRUTH, SHAPE),
    );
  });

  test('rows of different length', async () => {
    put('ragged.ndjson', '{"y":1,"l":[1,2]}\n{"y":2,"l":[1,2,4]}\n{"y":0,"l":[3]}\n');
    const { result, classes } = await judge('ragged.ndjson', { truth: 'column:y', details: true });
    expect(classes).toBeUndefined();
    const offsets = Int32Array.of(0, 2, 5, 6);
    expectSame(result, evaluate(Float64Array.of(1, 2, 1, 2, 4, 3), [1, 2, 0], { offsets }));
    put('ragged.ndjson', '{"y":1,"l":[1,2]}\n{"y":2,"l":[1,2]}\n{"y":0,"l":[3]}\n');
    await expect(judge('ragged.ndjson', { truth: 'column:y' })).rejects.toThrow(
      /^Expected class numbers for column y of .*ragged\.ndjson but received 2 at row 1$/,
    );
  });

  test('names of classes as the truth; rows that are ignored', async () => {
    put('named.csv', 'is,cat,dog\ncat,1.5,0.5\ncat,0.2,2.2\n-1,0.1,0.3\n1,0.1,0.3\n');
    const { result, labels } = await judge('named.csv', { truth: 'column:is', ignoreIndex: -1 });
    expect([result.rows, result.ignored, result.accuracy]).toEqual([3, 1, 2 / 3]);
    expect(labels).toEqual(['cat', 'dog']);
    put(
      'some.npy',
      npy(
        TRUTH.map((target, row) => (row % 2 === 0 ? target : -100)),
        [ROWS],
      ),
    );
    const { result: half } = await judge('in.parquet', { truth: at('some.npy') });
    expect([half.rows, half.ignored]).toEqual([ROWS / 2, ROWS / 2]);
  });

  test('no rows, and none that is judged', async () => {
    put('empty.npy', npy(new Float32Array(0), [0, 3]));
    put('none.npy', npy(new Int32Array(0), [0]));
    const { result } = await judge('empty.npy', { truth: at('none.npy'), details: true });
    expect([result.rows, result.accuracy]).toEqual([0, Number.NaN]);
    expect(run(['empty.npy', '--truth', 'none.npy']).stdout).toMatch(/^rows +0\naccuracy +NaN\n/);
  });
});

describe('bad rows', () => {
  const lines = ['1,2.5,0.5', '0,0.5,nan', '1,x,2.5', '0,3.5,1.5', '1,0.5,1.5'];
  beforeAll(() => put('bad.csv', `y,cat,dog\n${lines.join('\n')}\n`));

  test('skip leaves them out, and the truth of no other row moves', async () => {
    const { result, bad, rows, mistakes } = await judge('bad.csv', {
      ...{ truth: 'column:y', errors: 'skip', details: true },
    });
    expectSame(
      { ...result, ignored: 0 },
      evaluate(Float64Array.of(2.5, 0.5, 3.5, 1.5, 0.5, 1.5), [1, 0, 1], { shape: [3, 2] }),
    );
    expect(result.ignored).toBe(2);
    expect(rows).toBe(5);
    expect(bad.count).toBe(2);
    expect([...bad.first].sort()).toEqual([1, 2]);
    expect(mistakes.map(({ row }) => row)).toEqual([0]);
    put('bad-truth.npy', npy(Uint8Array.of(1, 0, 1, 0, 1), [5]));
    const options = { truth: at('bad-truth.npy'), errors: 'skip', keep: ['y'] } as const;
    expectSame((await judge('bad.csv', options)).result, result);
  });

  test('nan counts them as wrong', async () => {
    const { result, bad } = await judge('bad.csv', { truth: 'column:y', errors: 'nan' });
    expect([result.rows, result.ignored, result.accuracy]).toEqual([5, 0, 2 / 5]);
    expect(result.logLoss).toBeNaN();
    expect(result.bins.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(bad).toEqual({ count: 1, first: [2] });
    put('ragged.ndjson', '{"y":1,"l":[1,2]}\n{"y":2,"l":null}\n{"y":0,"l":[3]}\n');
    const { result: ragged } = await judge('ragged.ndjson', { truth: 'column:y', errors: 'nan' });
    expect([ragged.rows, ragged.accuracy]).toEqual([3, 2 / 3]);
  });

  test('fail ends at the first; without a word NaN counts as wrong', async () => {
    put('nan.npy', npy(Float32Array.of(1, 2, Number.NaN, 1, 3, 1), [3, 2]));
    put('nan-truth.npy', npy(Uint8Array.of(1, 0, 1), [3]));
    const { result, bad } = await judge('nan.npy', { truth: at('nan-truth.npy') });
    expect([result.rows, result.accuracy, result.brier, bad.count]).toEqual([3, 1 / 3, Number.NaN, 0]);
    const refused = run(['nan.npy', '--truth', 'nan-truth.npy', '--errors', 'fail']);
    expect(refused).toEqual({
      ...{ code: 1, stdout: '' },
      stderr:
        'simd-softmax: Expected finite logits for row 1 of nan.npy but received a row that comes out as NaN (--errors skip or nan goes on)\n',
    });
  });
});

describe('a temperature', () => {
  const wanted = () => fitTemperature(LOGITS, TRUTH, SHAPE);

  test('rows that fit in memory are read once', async () => {
    const { fit, passes, result } = await judge('in.parquet', { fitTemperature: true });
    const { temperature, logLoss, logLossBefore } = wanted();
    expect(passes).toBe(1);
    expect(fit?.temperature).toBeCloseTo(temperature, 6);
    expect(fit?.after.logLoss).toBeCloseTo(logLoss, 8);
    expect(result.logLoss).toBeCloseTo(logLossBefore, 8);
    expectSame(fit!.after, evaluate(LOGITS, TRUTH, { ...SHAPE, temperature: fit!.temperature }));
  });

  test.each([40, 400, 4000])(
    'of more, a sample of %i bytes and a few passes find the same',
    async (sampleBytes) => {
      for (const input of ['in.npy', 'in.csv']) {
        const { fit, passes } = await judge(input, {
          ...{ fitTemperature: true, sampleBytes, blockBytes: 1000 },
          ...(input === 'in.csv' ? { keep: ['y'] } : {}),
        });
        expect(Math.abs(fit!.temperature / wanted().temperature - 1)).toBeLessThan(1e-6);
        expect(fit?.converged).toBe(true);
        expect(passes).toBeGreaterThan(2);
        expect(passes).toBeLessThanOrEqual(13);
      }
    },
  );

  test.each([1 << 26, 64])(
    'separable rows, and rows that are always wrong: the end of the range (%i)',
    async (sampleBytes) => {
      const x = Float32Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 0.5 : 0));
      put('right.npy', npy(x, [100, 2]));
      put('zeros.npy', npy(new Uint8Array(100), [100]));
      put('ones.npy', npy(new Uint8Array(100).fill(1), [100]));
      const right = await judge('right.npy', { truth: at('zeros.npy'), fitTemperature: true, sampleBytes });
      expect([right.fit?.temperature, right.fit?.converged]).toEqual([0.01, false]);
      const wrong = await judge('right.npy', { truth: at('ones.npy'), fitTemperature: true, sampleBytes });
      expect([wrong.fit?.temperature, wrong.fit?.converged]).toEqual([100, false]);
      const { stdout } = run(['right.npy', '--truth', 'zeros.npy', '--fit-temperature']);
      expect(stdout).toContain('no temperature from 0.01 to 100 is best');
    },
  );

  test('where there is none', async () => {
    const fitted = (input: string, truth: string) => judge(input, { truth: at(truth), fitTemperature: true });
    put('ignored.npy', npy(Int32Array.of(-100, -100), [2]));
    put('two.npy', npy(Float32Array.of(1, 2, 2, 1), [2, 2]));
    await expect(fitted('two.npy', 'ignored.npy')).rejects.toMatchObject({
      message: 'Expected rows with a true class for --fit-temperature but received none',
      exitCode: 1,
    });
    put('impossible.npy', npy(Float32Array.of(1, -Infinity, 2, 1), [2, 2]));
    put('both.npy', npy(Uint8Array.of(1, 0), [2]));
    await expect(fitted('impossible.npy', 'both.npy')).rejects.toMatchObject({
      message: /^Expected rows of finite log loss for --fit-temperature/,
      exitCode: 1,
    });
    put('nan.npy', npy(Float32Array.of(1, Number.NaN, 2, 1), [2, 2]));
    await expect(fitted('nan.npy', 'both.npy')).rejects.toThrow('--errors skip leaves them out');
  });

  test('a pipe cannot be read again', () => {
    const { code, stdout, stderr } = run(
      ['-', '--truth', 'truth.npy', '--fit-temperature'],
      npy(LOGITS, [ROWS, CLASSES]),
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      'simd-softmax: Expected a file, which is read more than once, for --fit-temperature but received stdin\n',
    );
  });
});

describe('what is printed', () => {
  test('--json is the object of evaluate', () => {
    const { stdout, code, stderr } = run([
      'in.npy',
      '--truth',
      'truth.npy',
      '--json',
      '--k',
      '2',
      '--bins',
      '7',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    const json = JSON.parse(stdout, (_, value) => (value === 'NaN' ? Number.NaN : value));
    const wanted = evaluate(LOGITS, TRUTH, { ...SHAPE, k: 2, bins: 7 });
    expect(Object.keys(json)).toEqual(Object.keys(wanted));
    expectSame({ ...json, confusion: Uint32Array.from(json.confusion) }, wanted);
  });

  test('--json with --fit-temperature adds fit, at --temperature T the rest is of T', () => {
    const { stdout } = run([
      'in.npy',
      '--truth',
      'truth.npy',
      '--json',
      '--fit-temperature',
      '--temperature',
      '2',
    ]);
    const { fit, ...json } = JSON.parse(stdout);
    expect(Object.keys(fit)).toEqual(['temperature', 'logLoss', 'logLossBefore', 'calibrationError']);
    const best = fitTemperature(LOGITS, TRUTH, SHAPE);
    expect(fit.temperature).toBeCloseTo(best.temperature, 6);
    expect(fit.logLoss).toBeCloseTo(best.logLoss, 8);
    expect(fit.logLossBefore).toBe(json.logLoss);
    expect(json.logLoss).toBeCloseTo(evaluate(LOGITS, TRUTH, { ...SHAPE, temperature: 2 }).logLoss, 12);
  });

  test('NaN and the infinities are strings', () => {
    put('infinite.npy', npy(Float32Array.of(1, -Infinity), [1, 2]));
    put('one.npy', npy(Uint8Array.of(1), [1]));
    const json = JSON.parse(run(['infinite.npy', '--truth', 'one.npy', '--json']).stdout);
    expect([json.logLoss, json.perplexity, json.brier]).toEqual(['Infinity', 'Infinity', 2]);
    expect(json.bins[0].confidence).toBe('NaN');
  });

  test('a table, a reliability diagram, names instead of numbers', () => {
    const args = ['in.npy', '--truth', 'truth.npy', '--labels', 'labels.txt'];
    const { stdout, stderr, code } = run(args);
    expect([code, stderr]).toEqual([0, '']);
    const { accuracy, bins } = evaluate(LOGITS, TRUTH, SHAPE);
    expect(stdout).toMatch(/^rows +700\n/);
    expect(stdout).toContain(`${(100 * accuracy).toFixed(2)} %`);
    for (const name of ['top-5', 'log loss', 'perplexity', 'Brier', 'calibration error']) {
      expect(stdout).toMatch(new RegExp(`^${name} +\\d`, 'm'));
    }
    const drawn = stdout.match(/^\d\.\d\d–\d\.\d\d .*$/gm) ?? [];
    expect(drawn.map((line) => Number(line.split(' ').at(-1)))).toEqual(bins.map(({ count }) => count));
    expect(drawn.filter((line) => line.includes('│'))).toHaveLength(
      bins.filter(({ count }) => count > 0).length,
    );
    expect(drawn.every((line) => line.length <= 80)).toBe(true);
    expect(stdout).toMatch(/^most often\n {2}.*(dog|cat|horse|cheetah|name).* taken for .*: \d+ rows?$/m);
    expect(run(args.slice(0, 3)).stdout).toMatch(/^most often\n {2}\d taken for \d: \d+ rows?$/m);
  });

  test('with --fit-temperature before and after, and what to pass to score', () => {
    const { stdout } = run(['in.npy', '--truth', 'truth.npy', '--fit-temperature']);
    const { temperature } = fitTemperature(LOGITS, TRUTH, SHAPE);
    expect(stdout).toMatch(/^ +before +after$/m);
    expect(stdout).toContain(`\nbest with --temperature ${temperature.toPrecision(6)}\n`);
    expect(stdout.match(/^0\.93–1\.00/gm)).toHaveLength(2);
  });

  test('names of files and classes do not command the terminal', () => {
    put('\x1b[31mred.npy', npy(LOGITS, [ROWS, CLASSES]));
    put('evil.txt', `\x1b[2Jdog\ncat\u202e\nhorse\ncheetah\nbird\n`);
    const { stdout } = run(['\x1b[31mred.npy', '--truth', 'truth.npy', '--labels', 'evil.txt']);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).not.toContain('\u202e');
  });
});

describe('--report', () => {
  const report = (name: string) => readFileSync(at(name), 'utf8');

  test('one page that stands alone, with every name escaped', () => {
    put('markup.txt', '<script>alert(1)</script>\n"quoted" & \'co\'\nhorse\ncheetah\n</title>\n');
    const args = ['in.npy', '--truth', 'truth.npy', '--labels', 'markup.txt', '--report', 'page.html'];
    const { code, stdout, stderr } = run(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\nwritten to page\.html\n$/);
    const page = report('page.html');
    expect(page).not.toMatch(/<script|<img|<link rel="stylesheet"|@import|url\(|https?:/);
    expect(page.match(/<\/title>\n<style>/g)).toHaveLength(1);
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('&quot;quoted&quot; &amp; &#39;co&#39;');
    expect(page).toContain('prefers-color-scheme: dark');
    const drawings = page.match(/<svg [^>]*>\n<title /g) ?? [];
    expect(drawings).toHaveLength(3);
    expect(page.match(/<svg [^>]*role="img" aria-labelledby/g)).toHaveLength(3);
  });

  test('the most confident mistakes with their rows, and the commonest pairs', async () => {
    const { mistakes, pairs } = await judge('in.parquet', { details: true, temperature: 2 });
    const p = softmax(DOUBLES, { ...SHAPE, temperature: 2 });
    const rows = Array.from(TRUTH, (truth, row) => {
      const own = Array.from(p.subarray(row * CLASSES, (row + 1) * CLASSES));
      const confidence = Math.max(...own);
      return { row, truth, taken: own.indexOf(confidence), confidence, probability: own[truth] };
    }).filter(({ truth, taken }) => truth !== taken);
    const wanted = rows.sort((a, b) => b.confidence - a.confidence || a.row - b.row).slice(0, 25);
    expect(mistakes.map(({ confidence }) => confidence.toFixed(5))).toEqual(
      wanted.map(({ confidence }) => confidence.toFixed(5)),
    );
    for (const mistake of mistakes) {
      const same = rows.find(({ row }) => row === mistake.row);
      expect([mistake.truth, mistake.taken]).toEqual([same?.truth, same?.taken]);
      expect(mistake.probability).toBeCloseTo(same?.probability as number, 5);
    }
    const all = rows.filter((one) => one.truth === pairs[0].truth && one.taken === pairs[0].taken);
    expect(pairs[0].rows).toBe(all.length);
    expect(pairs).toHaveLength(20);
    expect([...pairs].sort((a, b) => b.rows - a.rows)).toEqual(pairs);
  });

  test('of more than 50 classes the pairs alone, the same as a matrix would give', async () => {
    const wide = Float32Array.from({ length: 400 * 300 }, (_, i) => Math.sin(i * i));
    put('wide.npy', npy(wide, [400, 300]));
    put(
      'wide-truth.npy',
      npy(
        Int32Array.from({ length: 400 }, (_, row) => (row * 3) % 300),
        [400],
      ),
    );
    const { pairs, result } = await judge('wide.npy', { truth: at('wide-truth.npy'), details: true });
    expect(result.confusion).toBeUndefined();
    const truth = Array.from({ length: 400 }, (_, row) => (row * 3) % 300);
    const { confusion } = evaluate(wide, truth, { shape: [400, 300], confusion: true });
    expect(pairs).toEqual(pairsOf(confusion as Uint32Array, 20));
    expect(run(['wide.npy', '--truth', 'wide-truth.npy', '--report', 'wide.html', '-q']).stdout).toBe('');
    expect(report('wide.html')).not.toContain('class="matrix"');
    expect(report('wide.html')).toContain('taken for');
  });

  test('before and after a temperature', () => {
    run(['in.npy', '--truth', 'truth.npy', '--fit-temperature', '--report', 'fit.html', '-q']);
    expect(report('fit.html').match(/<svg /g)).toHaveLength(5);
    const { temperature } = fitTemperature(LOGITS, TRUTH, SHAPE);
    expect(report('fit.html')).toContain(`--temperature ${temperature.toPrecision(6)}`);
  });

  test('whole or not at all: nothing is left of a run that fails', () => {
    put('old.html', 'as it was');
    put('bad-truth.npy', npy(Uint8Array.of(9), [1]));
    expect(run(['in.npy', '--truth', 'bad-truth.npy', '--report', 'old.html']).code).toBe(1);
    expect(report('old.html')).toBe('as it was');
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('SIGINT leaves nothing of it', async () => {
    const args = ['evaluate', '-', '--truth', 'truth.npy', '--report', 'late.html'];
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder });
    const closed = once(child, 'close');
    child.stdin.write(npy(LOGITS, [ROWS, CLASSES]).subarray(0, 5000));
    const parts = () => readdirSync(folder).filter((name) => name.startsWith('late.html'));
    while (parts().length === 0 && child.exitCode === null) await sleep(20);
    expect(parts()).toHaveLength(1);
    child.kill('SIGINT');
    expect(await closed).toEqual([null, 'SIGINT']);
    expect(parts()).toEqual([]);
  });

  test.each<[string, number, string, RegExp]>([
    [
      'in no folder',
      1,
      'no/such/report.html',
      /^Expected a writable file for no\/such\/report\.html but received ENOENT/,
    ],
    ['a folder', 1, '.', /^Expected a file for \. but received a directory$/],
    [
      'the truth',
      2,
      'truth.npy',
      /^Expected another file than is read for --report but received truth\.npy$/,
    ],
    ['the input', 2, 'in.npy', /^Expected another file than is read for --report but received in\.npy$/],
    ['stdout', 2, '-', /^Expected the path of a file for --report but received '-'$/],
  ])('a report that cannot be written is named before the work is done: %s', (_, code, path, message) => {
    // Of what is wrong in the input nothing is known yet.
    const input = path === 'in.npy' ? path : 'gone.npy';
    const { stdout, stderr, ...ended } = run([input, '--truth', 'truth.npy', '--report', path]);
    expect([ended.code, stdout]).toEqual([code, '']);
    expect(stderr.match(/^simd-softmax: (.*)\n$/)?.[1] ?? stderr).toMatch(message);
  });
});

describe('one line and an exit code', () => {
  const digits = ['logits.npy', 'labels.npy', 'classes.txt'].map((name) => join(DIGITS, name));
  test.each<[string, number, string[], RegExp | string]>([
    [
      'no --truth',
      2,
      ['in.npy'],
      'Expected the path of a .npy or column:NAME for --truth but received nothing',
    ],
    [
      'a misspelled option',
      2,
      ['in.npy', '--thruth', 'x'],
      /^Expected a known option but received --thruth \(did you mean --truth\?\)$/,
    ],
    ['no file', 2, ['--truth', 'truth.npy'], /^Expected a value for <file> but received nothing$/],
    [
      'two files',
      2,
      ['in.npy', 'in.npy', '--truth', 'truth.npy'],
      /^Expected 1 argument for .*evaluate.* but received 2$/,
    ],
    [
      'k of 0',
      2,
      ['in.npy', '--truth', 'truth.npy', '--k', '0'],
      "Expected a positive integer for --k but received '0'",
    ],
    [
      'bins',
      2,
      ['in.npy', '--truth', 'truth.npy', '--bins', '70000'],
      "Expected an integer from 1 to 65536 for --bins but received '70000'",
    ],
    [
      'an ignored index',
      2,
      ['in.npy', '--truth', 'truth.npy', '--ignore-index', '1.5'],
      "Expected an integer of 32 bits for --ignore-index but received '1.5'",
    ],
    [
      'a temperature of 0',
      2,
      ['in.npy', '--truth', 'truth.npy', '--temperature', '0'],
      "Expected a finite number greater than 0 for --temperature but received '0'",
    ],
    [
      'a column of an array',
      2,
      ['in.npy', '--truth', 'column:y'],
      'Expected an input with columns for --truth but received column:y',
    ],
    [
      'an unknown extension',
      2,
      ['in.xyz', '--truth', 'truth.npy', '--format', 'xyz'],
      /^Expected one of npy, .* for --format but received 'xyz'$/,
    ],
    [
      'no such file',
      1,
      ['gone.npy', '--truth', 'truth.npy'],
      /^Expected a readable file for gone\.npy but received ENOENT/,
    ],
    [
      'no such truth',
      1,
      ['in.npy', '--truth', 'gone.npy'],
      /^Expected a readable file for gone\.npy but received ENOENT/,
    ],
    [
      'no such column',
      1,
      ['in.parquet', '--truth', 'column:z'],
      'Expected a column z for --truth but received y, more',
    ],
    [
      'no such labels',
      1,
      ['in.npy', '--truth', 'truth.npy', '--labels', 'gone.txt'],
      /^Expected a readable file for gone\.txt/,
    ],
    [
      'labels of another count',
      1,
      ['in.npy', '--truth', 'truth.npy', '--labels', digits[2]],
      /^Expected 5 class names, one per line, for .*classes\.txt but received 10$/,
    ],
    [
      'a target out of range',
      1,
      ['in.npy', '--truth', 'wrong.npy'],
      'Expected class numbers from 0 to 4 for wrong.npy but received 5 at row 3',
    ],
    [
      'the same in a column',
      1,
      ['wrong.ndjson', '--truth', 'column:y'],
      'Expected class numbers for column y of wrong.ndjson but received -7 at row 1',
    ],
    [
      'fewer targets',
      1,
      ['in.npy', '--truth', 'few.npy'],
      'Expected 700 class numbers, one per row, for few.npy but received 3',
    ],
    [
      'more targets',
      1,
      ['few.npy.in.npy', '--truth', 'truth.npy'],
      'Expected 2 class numbers, one per row, for truth.npy but received 700',
    ],
    [
      'fewer in text',
      1,
      ['in.csv', '--keep', 'y', '--truth', 'few.npy'],
      'Expected 700 class numbers, one per row, for few.npy but received 3',
    ],
    [
      'more in text',
      1,
      ['two.ndjson', '--truth', 'truth.npy'],
      'Expected 2 class numbers, one per row, for truth.npy but received 700',
    ],
    [
      'fractions as the truth',
      1,
      ['in.npy', '--truth', 'in.npy'],
      'Expected integers for the dtype of in.npy but received <f4',
    ],
  ])('%s', (_, code, args, message) => {
    put('wrong.npy', npy(BigInt64Array.of(0n, 1n, 2n, 5n, ...new Array<bigint>(696).fill(0n)), [ROWS]));
    put('wrong.ndjson', '{"y":1,"l":[1,2]}\n{"y":-7,"l":[1,2]}\n');
    put('two.ndjson', '{"l":[1,2,3,4,5]}\n{"l":[1,2,3,4,5]}\n');
    put('few.npy', npy(Uint8Array.of(0, 1, 2), [3]));
    put('few.npy.in.npy', npy(LOGITS.slice(0, 10), [2, 5]));
    for (const more of [[], ['--json']]) {
      const run_ = run([...args, ...more]);
      expect(run_.stdout).toBe('');
      const [, line] = run_.stderr.match(/^simd-softmax: (.*)\n$/) ?? [];
      if (typeof message === 'string') expect(line ?? run_.stderr).toBe(message);
      else expect(line ?? run_.stderr).toMatch(message);
      expect(run_.code).toBe(code);
    }
  });
});
