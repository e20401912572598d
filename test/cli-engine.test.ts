/** Text and Parquet: what other tools write comes out right, or is refused by name. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { tableFromIPC } from '@uwdata/flechette';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rawFields } from '../lib/cli/duckdb/raw-fields.js';
import { formatNpyHeader } from '../lib/cli/npy-header.js';
import { scoreFile } from '../lib/cli/score-file.js';
import type { ScoreFileOptions } from '../lib/cli/score-job.js';
import { logSoftmax, softmax, topK } from '../lib/index.js';
import { newDuckDB } from './duckdb-files.js';

const CLI = join(import.meta.dirname, '..', 'dist', 'cli.js');
const CASES = join(import.meta.dirname, 'cases');
const duckdb = newDuckDB();

let folder: string;
const at = (name: string) => join(folder, name);
const put = (name: string, content: string | Uint8Array) => {
  writeFileSync(at(name), content);
  return name;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-engine-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const notices: string[] = [];
const score = (input: string, output: string | undefined, options: Partial<ScoreFileOptions> = {}) => {
  notices.length = 0;
  return scoreFile({
    input: at(input),
    output: output === undefined ? undefined : at(output),
    onNotice: (text) => notices.push(text),
    ...options,
  });
};
const text = (name: string) => readFileSync(at(name), 'utf8');
const lines = (name: string) => text(name).trimEnd().split('\n');
const objects = (name: string) => lines(name).map((line) => JSON.parse(line));

/** The rows of every case. */
const A = [1.5, 0.5, 2];
const B = [0.2, 2.2, 1];
const P = (row: number[]) => softmax(Float64Array.from(row));
const p = (row: number[]) => Array.from(P(row));
const p32 = (row: number[]) => Array.from(softmax(Float32Array.from(row)));

describe('CSV', () => {
  /** Scores a text to a text. */
  async function scored(csv: string, options: Partial<ScoreFileOptions> = {}): Promise<string[][]> {
    put('in.csv', csv);
    await score('in.csv', 'out.csv', options);
    return lines('out.csv').map((line) => line.split(','));
  }
  const numbers = (row: string[]) => row.map(Number);

  test('an id among the numbers is kept, and said', async () => {
    const [header, first] = await scored('id,cat,dog\n101,1.5,0.5\n102,0.2,2.2\n');
    expect(header).toEqual(['id', 'cat', 'dog']);
    expect(numbers(first)).toEqual([101, ...p([1.5, 0.5])]);
    expect(notices).toEqual(['logits: columns cat, dog; kept: id']);
  });

  test('the unnamed index of pandas is kept, and its header of numbers is one', async () => {
    const rows = await scored(',0,1,2\n0,1.5,0.5,2\n7,0.2,2.2,1\n');
    expect(rows[0]).toEqual(['', '0', '1', '2']);
    expect(rows.slice(1).map(numbers)).toEqual([
      [0, ...p(A)],
      [7, ...p(B)],
    ]);
  });

  test('a header of numbers from 0 is no row', async () => {
    const rows = await scored('0,1,2\n1.5,0.5,2\n0.2,2.2,1\n');
    expect(rows).toHaveLength(3);
    expect(rows.slice(1).map(numbers)).toEqual([p(A), p(B)]);
    expect(notices[0]).toContain('header: 0,1,2');
  });

  test('an unnamed column is no class, whatever it holds; nor are ids that pandas wrote as 1.0', async () => {
    const [header, first] = await scored(',a,b\n0.5,1.5,.5\n1.5,1,2\n');
    expect(header).toEqual(['', 'a', 'b']);
    expect(numbers(first)).toEqual([0.5, ...p([1.5, 0.5])]);
    const [, one, none] = await scored('id,a,b\n1.0,1.5,.5\n,1,2\n3.0,1,2\n');
    expect(one).toEqual(['1.0', ...p([1.5, 0.5]).map(String)]);
    expect(none).toEqual(['', ...p([1, 2]).map(String)]);
    expect(notices).toEqual(['logits: columns a, b; kept: id']);
  });

  test('a first line of numbers is a row, which is said', async () => {
    await scored('1.5,0.5\n0.2,2.2\n');
    expect(notices).toEqual(['no header; logits: columns 0, 1; kept: none']);
  });

  test('another encoding is refused, in the header too', async () => {
    put('latin.csv', Buffer.from('caf\xe9,b\n1.5,0.5\n', 'latin1'));
    put('latin.ndjson', Buffer.from('{"caf\xe9":1,"logits":[1,2]}\n', 'latin1'));
    put('utf16.csv', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'));
    for (const name of ['latin.csv', 'latin.ndjson', 'utf16.csv']) {
      await expect(score(name, 'out.csv')).rejects.toThrow(/^Expected UTF-8 for .* but received another/);
    }
  });

  test('--header settles what is doubtful', async () => {
    await expect(scored('2019,2020\n1.5,0.5\n0.2,2.2\n')).rejects.toThrow(
      /^Expected --header yes or no for .*in.csv but received a first line of whole numbers/,
    );
    expect(await scored('2019,2020\n1.5,0.5\n', { header: true })).toHaveLength(2);
    expect(await scored('2019,2020\n1.5,0.5\n', { header: false })).toHaveLength(3);
    expect((await scored('0,1\n1.5,0.5\n', { header: false }))[0]).toEqual(['class_0', 'class_1']);
  });

  test('whole numbers beside fractions are logits only when it is said', async () => {
    const csv = 'a,b,c\n1,1.5,0.5\n2,0.2,2.2\n3,0.1,0.7\n';
    await expect(scored(csv)).rejects.toThrow('Expected --keep a or --column for');
    const customers = 'customer,b,c\n17,1.5,0.5\n5,0.2,2.2\n9,0.1,0.7\n';
    await expect(scored(customers)).rejects.toThrow('Expected --keep customer or --column for');
    expect(await scored('zero,b,c\n0,1.5,0.5\n0,0.2,2.2\n0,0.1,0.7\n')).toHaveLength(4);
    expect(numbers((await scored(csv, { keep: ['a'] }))[1])).toEqual([1, ...p([1.5, 0.5])]);
    expect(numbers((await scored(csv, { column: 'a,b,c' }))[1])).toEqual(p([1, 1.5, 0.5]));
  });

  test('an id without rows is kept', async () => {
    expect(await scored('id,a,b\n')).toEqual([['id', 'a', 'b']]);
    expect(notices).toEqual(['logits: columns a, b; kept: id']);
  });

  test('one class, or none, is chosen only when it is said', async () => {
    const few = 'Expected two columns of numbers or more, or --column, for';
    await expect(scored('a,b\n1.5,two\n')).rejects.toThrow(few);
    await expect(scored('a,b\none,two\n')).rejects.toThrow(few);
    await expect(scored('a,b\n1.5,0.5\n', { keep: ['a', 'b'] })).rejects.toThrow(few);
    expect(await scored('a,b\n1.5,two\n', { column: 'a' })).toEqual([
      ['b', 'a'],
      ['two', '1.0'],
    ]);
  });

  test('text that may be numbers is not kept in silence', async () => {
    for (const csv of ['a;b;c\n1.500,5;2;1\n', 'a,b,c\n"1,5",2,1\n', 'a;b;c\n1,5;0.5;1.5\n']) {
      await expect(scored(csv), csv).rejects.toThrow('or --keep a for');
    }
    expect(await scored('a,b,c\n"1,5",2,1\n', { keep: ['a'] })).toHaveLength(2);
    expect(await scored('ip,b,c\n10.0.0.1,2,1\n')).toHaveLength(2);
  });

  test('semicolons, decimal commas, tabs, quotes, a byte order mark, CRLF', async () => {
    expect(numbers((await scored('cat;dog\n1,5;0,5\n'))[1])).toEqual(p([1.5, 0.5]));
    expect(notices[0]).toBe('delimiter: ";"; decimal commas; logits: columns cat, dog; kept: none');
    expect(numbers((await scored('cat\tdog\n1.5\t0.5\n'))[1])).toEqual(p([1.5, 0.5]));
    expect(numbers((await scored('\ufeffcat,dog\r\n1.5,0.5\r\n'))[1])).toEqual(p([1.5, 0.5]));
    expect(numbers((await scored('cat|dog\n1.5|0.5\n', { delimiter: '|' }))[1])).toEqual(p([1.5, 0.5]));
    put('in.csv', 'name,cat,dog\n"a, ""b""\nc",1.5,0.5\n');
    await score('in.csv', 'out.csv');
    expect(text('out.csv')).toContain('"a, ""b""\nc",0.731058578630004');
  });

  test('fractions after twenty thousand rows of whole numbers are not rounded', async () => {
    const rows = 25_000;
    put('late.csv', `a,b\n${'1,2\n'.repeat(rows)}1.5,2.25\n-inf,0.5\n`);
    await score('late.csv', 'late-out.csv', { column: 'a,b' });
    const out = lines('late-out.csv');
    expect(out).toHaveLength(rows + 3);
    expect(numbers(out[rows + 1].split(','))).toEqual(p([1.5, 2.25]));
    expect(numbers(out[rows + 2].split(','))).toEqual([0, 1]);
  });

  test('a header without rows is one line, compressed and of a batch that is left out whole too', async () => {
    put('none.csv', 'a,b\n');
    await score('none.csv', 'none.csv.gz');
    expect(gunzipSync(readFileSync(at('none.csv.gz'))).toString()).toBe('a,b\n');
    await score('none.csv', 'none.npy');
    await score('none.npy', 'none-npy.csv');
    expect(text('none-npy.csv')).toBe('class_0,class_1\n');
    put('late.ndjson', `${'{"logits":["NaN",1]}\n'.repeat(40_000)}{"logits":[1,1]}\n`);
    await score('late.ndjson', 'late.arrow');
    await score('late.arrow', 'late-out.csv', { errors: 'skip' });
    expect(text('late-out.csv')).toBe('class_0,class_1\n0.5,0.5\n');
  });

  test('no rows', async () => {
    expect(await scored('a,b\n')).toEqual([['a', 'b']]);
    expect(text('out.csv')).toBe('a,b\n');
  });

  test('what is wrong late ends a run that the engine does not write, too', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `${i},${i === 50_000 ? 'x' : '1.5'},0.5`);
    put('wrong-late.csv', `id,a,b\n${rows.join('\n')}\n`);
    for (const to of ['never.npy', 'never.arrow', 'never.ndjson']) {
      await expect(score('wrong-late.csv', to), to).rejects.toThrow(
        /^Expected numbers for row 50000 of .* but received "x" in column a/,
      );
      expect(existsSync(at(to))).toBe(false);
    }
    await expect(score('wrong-late.csv', undefined)).rejects.toThrow('row 50000');
    expect((await score('wrong-late.csv', 'late.npy', { errors: 'skip' })).rows).toBe(59_999);
  });

  test('what travels keeps its digits', async () => {
    put('digits.csv', 'id,code,cat,dog\n12345678901234567890123,007,1.5,0.5\n2,1.50,0.2,2.2\n');
    await score('digits.csv', 'digits-out.csv', { keep: ['id', 'code'] });
    expect(lines('digits-out.csv')[1]).toMatch(/^12345678901234567890123,007,/);
    expect(lines('digits-out.csv')[2]).toMatch(/^2,1\.50,/);
  });

  test('it has types of its own where the output has', async () => {
    put(
      'typed.csv',
      'id,code,day,price,cat,dog\n1,007,2024-01-01,1.50,1.5,0.5\n2,8,2024-02-01,2.25,0.2,2.2\n',
    );
    await score('typed.csv', 'typed.parquet', { keep: ['id', 'code', 'day', 'price'] });
    const types = await duckdb.arrays(`SELECT column_type FROM (DESCRIBE FROM '${at('typed.parquet')}')`);
    expect(types.flat()).toEqual(['BIGINT', 'VARCHAR', 'DATE', 'DOUBLE', 'DOUBLE[]']);
    // Over the whole file: the last row decides.
    put('typed.csv', `id,cat,dog\n${'1,1.5,0.5\n'.repeat(30_000)}x,1.5,0.5\n`);
    await score('typed.csv', 'typed.parquet', { keep: ['id'] });
    const [[type]] = await duckdb.arrays(`SELECT column_type FROM (DESCRIBE FROM '${at('typed.parquet')}')`);
    expect(type).toBe('VARCHAR');
  });

  test.each([
    [
      'a,b\n1,2\n1,x\n',
      /numbers for row 1 of .* but received "x" in column b, which --keep b would set aside/,
    ],
    ['a,b\n1,2\n1,\n', /numbers for row 1 of .* but received none in column b/],
    ['a,b\n1,2\n1\n', /numbers for row 1 of .* but received none in column b/],
    ['a,b\n1,2\n1,2,3\n', /2 columns for row 1 of .* but received more/],
    ['a;b\n1,5;2\n1.5;2\n', /numbers for row 0 of .*"1,5" in column a/],
    [`a,b\n${'1,2\n'.repeat(30_000)}1,x\n`, /numbers for row 30000 of .*"x" in column b/],
    ['a,b\n1,2\n\xe9\xff,2\n', /Expected a CSV for .* but received CSV Error on Line: 3 /],
  ])('the row and the column of what is wrong: %j', async (csv, message) => {
    put('in.csv', Buffer.from(csv, 'latin1'));
    await expect(score('in.csv', 'out-wrong.csv', { column: 'a,b' })).rejects.toThrow(
      message.source.includes('keep') ? /numbers for row 1 of .* but received "x" in column b/ : message,
    );
    expect(existsSync(at('out-wrong.csv'))).toBe(false);
  });

  test('--errors nan and skip keep every other row beside its id', async () => {
    const csv = 'id,a,b\n0,1,2\n1,1\n2,x,2\n3,1,2,3\n4,,2\n5,"nan",2\n6,3,4\n';
    put('bad.csv', csv);
    const nan = await score('bad.csv', 'nan.csv', { keep: ['id'], errors: 'nan' });
    expect(nan).toMatchObject({ rows: 7, bad: { count: 4, first: [1, 2, 3, 4] }, nan: { count: 5 } });
    expect(lines('nan.csv').map((line) => line.split(',')[0])).toEqual(['id', ...'0123456']);
    expect(lines('nan.csv')[2]).toBe('1,NaN,NaN');
    const skip = await score('bad.csv', 'skip.csv', { keep: ['id'], errors: 'skip' });
    expect(skip).toMatchObject({ rows: 2, bad: { count: 5, first: [1, 2, 3, 4, 5] }, nan: { count: 0 } });
    expect(lines('skip.csv').map((line) => line.split(',')[0])).toEqual(['id', '0', '6']);
  });
});

test('a row of a CSV without classes is read back, and one without any cell is refused', async () => {
  const rows = '{"id":null,"logits":[]}\n{"id":3,"logits":[]}\n{"id":"","logits":[]}\n';
  put('no-classes.ndjson', rows);
  await score('no-classes.ndjson', 'no-classes.arrow');
  await score('no-classes.ndjson', 'no-classes.parquet');
  for (const input of ['no-classes.ndjson', 'no-classes.arrow', 'no-classes.parquet']) {
    await score(input, 'no-classes.csv');
    expect(lines('no-classes.csv')).toEqual(['id', '""', '3', '""']);
    expect(await duckdb.arrays(`FROM '${at('no-classes.csv')}'`)).toHaveLength(3);
    expect((await import('nodejs-polars')).default.readCSV(at('no-classes.csv')).height).toBe(3);
  }
  put('more-classes.ndjson', '{"id":1,"logits":[]}\n{"id":2,"logits":[1,2]}\n');
  await expect(score('more-classes.ndjson', 'more-classes.csv')).rejects.toThrow(
    /^Expected 0 logits for row 1 of .* but received 2 in column logits/,
  );
  put('no-cells.ndjson', '{"logits":[]}\n');
  await score('no-cells.ndjson', 'no-cells.npy');
  for (const input of ['no-cells.ndjson', 'no-cells.npy']) {
    await expect(score(input, 'no-cells.csv')).rejects.toThrow(
      /^Expected a class, or a column to keep, for the rows of a CSV but received neither$/,
    );
  }
});

describe('NDJSON and JSON', () => {
  test('a field that first appears in the last row is there, whatever is written', async () => {
    const rows = `${'{"id":1,"logits":[1,2]}\n'.repeat(25_000)}{"extra":"late","logits":[1,2],"id":2}\n`;
    put('late.ndjson', rows);
    await score('late.ndjson', 'late-out.csv', { topK: 1 });
    expect(lines('late-out.csv')[0]).toBe('id,extra,class_1,score_1');
    expect(lines('late-out.csv')[1]).toMatch(/^1,,1,/);
    expect(lines('late-out.csv').at(-1)).toMatch(/^2,late,1,/);
    await score('late.ndjson', 'late-out.parquet');
    expect(
      await duckdb.arrays(`SELECT extra, count(*) FROM '${at('late-out.parquet')}' GROUP BY 1 ORDER BY 2`),
    ).toEqual([
      ['late', '1'],
      ['', '25000'],
    ]);
    await score('late.ndjson', 'late-out.arrow');
    await score('late.ndjson', 'late-out.ndjson');
    expect(objects('late-out.ndjson').at(-1)).toMatchObject({ extra: 'late', id: 2 });
  });

  test('digits, text and nesting stay as they are', async () => {
    put(
      'digits.ndjson',
      '{"meta":{"id":12345678901234567},"n":98765432109876543210,"s":"\\u00e9\\n\\"","list":[1,[2]],"logits":[2,1.5]}\n',
    );
    await score('digits.ndjson', 'digits-out.ndjson');
    expect(text('digits-out.ndjson')).toMatch(
      /^\{"meta":\{"id":12345678901234567\},"n":98765432109876543210,"s":"é\\n\\"","list":\[1,\[2\]\],"probabilities":/,
    );
    await score('digits.ndjson', 'digits.parquet');
    expect(await duckdb.arrays(`SELECT n::VARCHAR, meta::VARCHAR, s FROM '${at('digits.parquet')}'`)).toEqual(
      [['98765432109876543210', '{"id":12345678901234567}', 'é\n"']],
    );
  });

  test('exponents and zeros at the end stay, however they are written', async () => {
    const others = '"a":1e5,"b":1.50,"c":{"x":[1.0,2.5E-3,-0]},"d":100000.0,"s":"1e5 1.50"';
    put('forms.ndjson', `{${others},"logits":[1.5,0.5,2]}\n{"a":2,"b":2.5,"logits":[0.2,2.2,1e0]}\n`);
    put('forms.json', `[{${others},"logits":[1.5,0.5,2]}]`);
    for (const name of ['forms.ndjson', 'forms.json']) {
      await score(name, 'forms-out.ndjson', { column: 'logits' });
      expect(lines('forms-out.ndjson')[0], name).toBe(`{${others},"probabilities":${JSON.stringify(p(A))}}`);
    }
    await score('forms.ndjson', 'forms.csv', { column: 'logits' });
    expect(lines('forms.csv')[1]).toMatch(/^1e5,1\.50,"\{""x"":\[1\.0,2\.5E-3,-0\]\}",100000\.0,/);
    await score('forms.ndjson', 'forms.parquet', { column: 'logits' });
    expect(await duckdb.arrays(`SELECT typeof(a), a, typeof(b), b FROM '${at('forms.parquet')}'`)).toEqual([
      ['DOUBLE', '100000', 'DOUBLE', '1.5'],
      ['DOUBLE', '2', 'DOUBLE', '2.5'],
    ]);
  });

  test('fractions of more than 17 digits keep them, nested and beside a key like the logits too', async () => {
    const long = '0.123456789012345678901234567890';
    const others = `"x":${long},"big":1e400,"z":1.10,"o":{"logits":[12345678901234567.25],"s":"a, }\\" b"},"k\\"\\u00e9":[${long}]`;
    const line = `{${others},"logits":[1.5,0.5,2],"none":null}`;
    put('long.ndjson', `${line}\n{"logits":[0.2,2.2,1],"x":1}\n`);
    await score('long.ndjson', 'long-out.ndjson', { column: 'logits' });
    const [first, second] = lines('long-out.ndjson');
    expect(first).toBe(
      `{${others.replace('\\u00e9', 'é')},"none":null,"probabilities":${JSON.stringify(p(A))}}`,
    );
    expect(JSON.parse(second)).toEqual({
      ...{ x: 1, big: null, z: null, o: null, 'k"é': null, none: null, probabilities: p(B) },
    });
    await score('long.ndjson', 'long-best.ndjson', { column: 'logits', topK: 1 });
    expect(lines('long-best.ndjson')[0]).toContain(`"x":${long},`);
    await score('long.ndjson', 'long-out.csv', { column: 'logits' });
    expect(lines('long-out.csv')[1]).toMatch(new RegExp(`^${long},1e400,1.10,`));
    // A type of Parquet's would lose them: text does not.
    await score('long.ndjson', 'long-out.parquet', { column: 'logits' });
    expect(await duckdb.arrays(`SELECT x::VARCHAR FROM '${at('long-out.parquet')}'`)).toEqual([
      [long],
      ['1'],
    ]);

    // Over several lines, in an array.
    put(
      'long.json',
      JSON.stringify([JSON.parse('{"a":0}')]).replace(
        '"a":0',
        `"a" : {\n "b" : ${long},\n "c": "x  y" },\n "l": [1.5, 0.5, 2]`,
      ),
    );
    await score('long.json', 'long-array.ndjson', { column: 'l' });
    expect(lines('long-array.ndjson')).toEqual([
      `{"a":{"b":${long},"c":"x  y"},"probabilities":${JSON.stringify(p(A))}}`,
    ]);

    // Rows that cannot be scored, rows of words, and a pipe.
    put(
      'long-bad.ndjson',
      `${line}\n{"x":1,"logits":[1,"one",2]}\n{"x":2,"logits":["NaN",NaN,Infinity]}\n{"x":3,"logits":[0.2,2.2,1]}\n`,
    );
    await expect(score('long-bad.ndjson', 'long-bad-out.ndjson', { column: 'logits' })).rejects.toThrow(
      /^Expected an array of numbers for row 1 of .*long-bad.ndjson but received/,
    );
    await score('long-bad.ndjson', 'long-bad-out.ndjson', { column: 'logits', errors: 'skip' });
    expect(lines('long-bad-out.ndjson').map((row) => row.match(/"x":([^,]*)/)?.[1])).toEqual([long, '3']);
    const input = `${line}\n`.repeat(50_000);
    const piped = spawnSync(
      process.execPath,
      [CLI, ...'score - --format ndjson --column logits -o - -q'.split(' ')],
      { input, maxBuffer: 2 ** 28, encoding: 'utf8' },
    );
    expect(piped.stderr).toBe('');
    expect(piped.stdout === `${first}\n`.repeat(50_000)).toBe(true);
  });

  test('fields of a text that is no JSON, or is cut anywhere, are read without an error', () => {
    const whole = '{"a\\q":1,"b" : {"c":[1,"]}"]}, "x":0.1234567890123456789}';
    for (let end = 0; end <= whole.length; end++) {
      expect(rawFields(whole.slice(0, end), new Map([['x', 0]]))).toHaveLength(1);
    }
    expect(
      rawFields(
        whole,
        new Map([
          ['x', 1],
          ['b', 0],
        ]),
      ),
    ).toEqual(['{"c":[1,"]}"]}', '0.1234567890123456789']);
    for (const text of ['', '[', '{{', '{"a"', '{"a":}', '{"a":1,,"x":2}', 'null']) {
      expect(rawFields(text, new Map([['x', 0]])), text).toEqual(['null']);
    }
  });

  test('whole numbers called as an index are no logits; a byte order mark is refused', async () => {
    put('split.json', '{"columns":["a"],"index":[0,1],"data":[[1],[2]]}');
    await expect(score('split.json', 'out.csv')).rejects.toThrow(/--column.*index: an array of numbers/);
    put('mark.ndjson', '\ufeff{"logits":[1,2]}\n');
    await expect(score('mark.ndjson', 'out.csv')).rejects.toThrow(/^Expected no byte order mark for /);
  });

  test('NaN and the infinities, bare or as strings', async () => {
    put(
      'names.ndjson',
      '{"l":[NaN,1]}\n{"l":["-Infinity",1.5]}\n{"l":[-Infinity,1.5]}\n{"l":[Infinity,1]}\n{"l":["NaN",1]}\n',
    );
    const report = await score('names.ndjson', 'names-out.ndjson');
    expect(report.nan).toEqual({ count: 3, first: [0, 3, 4] });
    expect(objects('names-out.ndjson').map(({ probabilities }) => probabilities)).toEqual([
      ['NaN', 'NaN'],
      [0, 1],
      [0, 1],
      ['NaN', 'NaN'],
      ['NaN', 'NaN'],
    ]);
    await score('names.ndjson', 'names-log.ndjson', { op: 'log-softmax' });
    expect(objects('names-log.ndjson')[1].log_probabilities).toEqual(['-Infinity', 0]);
  });

  test('fractions after whole numbers, a thousand fields, names in other letters', async () => {
    put('whole.ndjson', `${'[1,2]\n'.repeat(25_000)}[0.5,2.5]\n`);
    await score('whole.ndjson', 'whole-out.ndjson');
    expect(objects('whole-out.ndjson').at(-1)).toEqual(p([0.5, 2.5]));
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i % 2 ? `t${i}` : i]));
    put('wide.ndjson', `${JSON.stringify({ ...wide, logits: A })}\n`);
    await score('wide.ndjson', 'wide-out.ndjson');
    expect(objects('wide-out.ndjson')).toEqual([{ ...wide, probabilities: p(A) }]);
    put('case.ndjson', '{"Id":1,"id":2,"logits":[1,2]}\n');
    await expect(score('case.ndjson', 'case-out.ndjson')).rejects.toThrow(
      'fields that differ in more than case',
    );
  });

  test('fractions after more than 256 kB of whole numbers', async () => {
    const whole = Array.from({ length: 12_000 }, (_, id) => `{"id":${id},"v":1,"logits":[1,2]}\n`).join('');
    expect(whole.length).toBeGreaterThan(1 << 18);
    put('late.ndjson', `${whole}{"id":0.25,"v":0.5,"logits":[0.5,2.5]}\n`);
    await score('late.ndjson', 'late-out.ndjson', { column: 'logits' });
    const written = objects('late-out.ndjson');
    expect(written).toHaveLength(12_001);
    expect(written.at(0)).toEqual({ id: 0, v: 1, probabilities: p([1, 2]) });
    expect(written.at(-1)).toEqual({ id: 0.25, v: 0.5, probabilities: p([0.5, 2.5]) });
    await score('late.ndjson', 'late.parquet', { column: 'logits' });
    expect(
      await duckdb.arrays(`SELECT id::DOUBLE, v::DOUBLE FROM '${at('late.parquet')}' ORDER BY ALL LIMIT 2`),
    ).toEqual([
      ['0', '1'],
      ['0.25', '0.5'],
    ]);
  });

  test('an array of objects, or of arrays, in lines or not', async () => {
    for (const content of [
      JSON.stringify([
        { id: 1, logits: A },
        { id: 2, logits: B },
      ]),
      JSON.stringify(
        [
          { id: 1, logits: A },
          { id: 2, logits: B },
        ],
        null,
        2,
      ),
    ]) {
      put('array.json', content);
      await score('array.json', 'array.ndjson');
      expect(objects('array.ndjson')).toEqual([
        { id: 1, probabilities: p(A) },
        { id: 2, probabilities: p(B) },
      ]);
    }
    put('array.json', JSON.stringify([A, B]));
    await score('array.json', 'array.ndjson');
    expect(objects('array.ndjson')).toEqual([p(A), p(B)]);
    await expect(score('array.json', 'out.json')).rejects.toThrow('Expected .ndjson for a JSON output');
  });

  test.each([
    ['{"l":[1,2]}\n{"l":[1,"x"]}\n', 'an array of numbers for row 1 of % but received [1,"x"] in column l'],
    [
      '{"l":[1,2]}\n{"l":null}\n',
      'an array of numbers for row 1 of % but received nothing in field l, or no JSON',
    ],
    [
      '{"l":[1,2]}\n{"m":1}\n',
      'an array of numbers for row 1 of % but received nothing in field l, or no JSON',
    ],
    [
      '{"l":[1,2]}\nnonsense\n',
      'an array of numbers for row 1 of % but received nothing in field l, or no JSON',
    ],
    ['{"l":[1,2]}\n{"l":[1,null]}\n', 'an array of numbers for row 1 of % but received [1,null] in column l'],
    ['[1,2]\n[1,"x"]\n', 'an array of numbers for row 1 of % but received [1,"x"]'],
  ])('the row of what is wrong: %j', async (content, message) => {
    put('wrong.ndjson', content);
    await expect(score('wrong.ndjson', 'wrong-out.ndjson')).rejects.toMatchObject({
      message: `Expected ${message.replace('%', at('wrong.ndjson'))} (--errors skip or nan goes on)`,
      exitCode: 1,
    });
  });

  test.each([
    ['[1,2]\n[1,true]\n', {}, 'row 1 of % but received [1,true]'],
    ['{"l":[1,2]}\n{"l":[false,1]}\n', {}, 'row 1 of % but received [false,1] in column l'],
    ['{"l":[false,1]}\n', { column: 'l' }, 'row 0 of % but received [false,1] in column l'],
    [`${'{"l":[1,2]}\n'.repeat(300)}{"l":[true,1]}\n`, {}, 'row 300 of % but received [true,1] in column l'],
    [`{"l":[1,2],"d":1e5}\n{"l":[true,1],"d":true}\n`, {}, 'row 1 of % but received [true,1] in column l'],
  ])('booleans are no logits: %j', async (content, options, message) => {
    put('booleans.ndjson', content);
    const expected = `Expected an array of numbers for ${message.replace('%', at('booleans.ndjson'))}`;
    await expect(score('booleans.ndjson', 'out.ndjson', options)).rejects.toThrow(expected);
    const rows = content.trim().split('\n').length;
    const { bad } = await score('booleans.ndjson', 'out.ndjson', { ...options, errors: 'skip' });
    expect(bad).toMatchObject({ count: 1, first: [rows - 1] });
  });

  test.each([
    [
      '{"id":1,"l":"x"}\n',
      'one field with an array of numbers, or --column, for % but received none in row 0 (id: number, l: string)',
    ],
    [
      'nonsense\n{"l":[1,"x"]}\n',
      'one field with an array of numbers, or --column, for % but received none in row 1 (l: an array of strings)',
    ],
    [
      '{"l":[[1]],"m":true}\n',
      'one field with an array of numbers, or --column, for % but received none in row 0 (l: an array of arrays, m: boolean)',
    ],
  ])('no field with logits: %j', async (content, message) => {
    put('wrong.ndjson', content);
    await expect(score('wrong.ndjson', 'wrong-out.ndjson')).rejects.toMatchObject({
      message: `Expected ${message.replace('%', at('wrong.ndjson'))}`,
      exitCode: 1,
    });
  });
});

describe('Parquet', () => {
  const useCase = (name: string) => copyFileSync(join(CASES, name), at(name));

  test('lists of FLOAT16', async () => {
    useCase('float16.parquet');
    await score('float16.parquet', 'float16.ndjson');
    expect(
      objects('float16.ndjson').map((row) => row.probabilities.map((x: number) => x.toFixed(5))),
    ).toEqual([
      ['0.33150', '0.12195', '0.54655'],
      ['0.09426', '0.69596', '0.20978'],
    ]);
  });

  test('decimals of 38 digits, exactly', async () => {
    useCase('decimal-ids.parquet');
    for (const to of ['ndjson', 'csv']) {
      await score('decimal-ids.parquet', `decimals.${to}`, { topK: 1 });
      expect(text(`decimals.${to}`)).toMatch(/12345678901234567\b[\s\S]*98765432109876543210\b/);
    }
    await score('decimal-ids.parquet', 'decimals.parquet');
    expect(await duckdb.arrays(`SELECT typeof(id), id::VARCHAR FROM '${at('decimals.parquet')}'`)).toEqual([
      ['DECIMAL(38,0)', '12345678901234567'],
      ['DECIMAL(38,0)', '98765432109876543210'],
    ]);
  });

  test('floats in nested columns go to text by their shortest digits, or by a name', async () => {
    await duckdb.run(
      `COPY (SELECT {'a b': 0.1::FLOAT, 'L': ['nan'::DOUBLE, 1], 'n': {'x': [[0.1::FLOAT, '-inf'::FLOAT]], 's': 'a,(b'}} AS st,
        NULL::STRUCT(a FLOAT) AS z, MAP {'k, (': 0.1::FLOAT} AS m, [0.1::FLOAT, NULL] AS l, ['inf'::FLOAT] AS i, []::FLOAT[] AS e,
        [1.5, 0.5, 2]::FLOAT[] AS logits) TO '${at('nested.parquet')}'`,
    );
    await score('nested.parquet', 'nested.ndjson', { column: 'logits' });
    const { probabilities, ...others } = objects('nested.ndjson')[0] as Record<string, unknown>;
    expect(others).toEqual({
      st: { 'a b': 0.1, L: ['NaN', 1], n: { x: [[0.1, '-Infinity']], s: 'a,(b' } },
      ...{ z: null, m: { 'k, (': 0.1 }, l: [0.1, null], i: ['Infinity'], e: [] },
    });
    await score('nested.parquet', 'nested.csv', { column: 'logits' });
    expect(lines('nested.csv')[1]).toContain('"{""k, ("":0.1}","[0.1,null]","[""Infinity""]",[],');
  });

  test('NaN and the infinities beside the scores of a CSV have the names that scores have', async () => {
    await duckdb.run(
      `COPY (SELECT unnest(['nan', '-inf', '0.1', NULL]::FLOAT[]) AS f, unnest(['inf', 'nan', '0.1', '1']::DOUBLE[]) AS d,
        [1, 1]::FLOAT[] AS logits) TO '${at('beside.parquet')}'`,
    );
    await score('beside.parquet', 'beside.csv', { column: 'logits' });
    expect(lines('beside.csv').map((line) => line.split(',').slice(0, 2).join())).toEqual([
      ...['f,d', 'NaN,Infinity', '-Infinity,NaN', '0.1,0.1', ',1.0'],
    ]);
  });

  test('lists of lists are refused by name', async () => {
    useCase('lists-of-lists.parquet');
    await expect(score('lists-of-lists.parquet', 'lists.ndjson')).rejects.toThrow(
      /lists of floats for column logits of .* but received lists of lists \(FLOAT\[\]\[\]\)/,
    );
  });

  test('times in nanoseconds with a zone are cut, and that is told', async () => {
    useCase('nanoseconds-zone.parquet');
    await score('nanoseconds-zone.parquet', 'cut.parquet');
    expect(notices.join(' ')).toContain('column moment: nanoseconds of times with a zone are cut');
    expect(
      await duckdb.arrays(`SELECT typeof(moment), epoch_us(moment)::VARCHAR FROM '${at('cut.parquet')}'`),
    ).toEqual([['TIMESTAMP WITH TIME ZONE', '1714566601123456']]);
  });

  test("the index of pandas survives; Hugging Face's features follow the columns", async () => {
    useCase('pandas-index.parquet');
    await score('pandas-index.parquet', 'pandas-out.parquet');
    const pairs = await duckdb.arrays(
      `SELECT decode(key), decode(value) FROM parquet_kv_metadata('${at('pandas-out.parquet')}')`,
    );
    const metadata = new Map(pairs.map(([key, value]) => [key, value] as const));
    expect([...metadata.keys()].sort()).toEqual(['ARROW:schema', 'pandas']);
    const pandas = JSON.parse(metadata.get('pandas') ?? '');
    expect(pandas.index_columns).toEqual([{ kind: 'range', name: null, start: 4, stop: 8, step: 1 }]);
    expect(pandas.columns).toEqual([]);

    const value = { dtype: 'float32', _type: 'Value' };
    const features = { id: { dtype: 'int64', _type: 'Value' }, logits: { feature: value, _type: 'List' } };
    const info = JSON.stringify({ info: { features } });
    await duckdb.run(
      `COPY (SELECT 1::BIGINT AS id, [1, 2]::FLOAT[] AS logits) TO '${at('hf.parquet')}' (KV_METADATA {huggingface: '${info}', other: 'it''s'})`,
    );
    await score('hf.parquet', 'hf-out.parquet');
    const kept = new Map(
      (
        await duckdb.arrays(
          `SELECT decode(key), decode(value) FROM parquet_kv_metadata('${at('hf-out.parquet')}')`,
        )
      ).map(([key, value]) => [key, value] as const),
    );
    expect(kept.get('other')).toBe("it's");
    expect(JSON.parse(kept.get('huggingface') ?? '').info.features).toEqual({
      id: features.id,
      probabilities: features.logits,
    });
  });

  test('the Arrow schema follows the columns: dictionaries, time zones, durations, what fields say', async () => {
    const { default: polars } = await import('nodejs-polars');
    useCase('arrow-schema.parquet');
    const text = at('arrow-schema-labels.txt');
    writeFileSync(text, 'cat\ndog\nhorse\n');
    for (const [options, added] of [
      [{}, { probabilities: 'List' }],
      [{ topK: 2 }, { class: 'List', score: 'List' }],
      [
        { topK: 2, labels: text },
        { label: 'List', score: 'List' },
      ],
      [{ op: 'logsumexp' }, { logsumexp: 'Float32' }],
    ] as const) {
      await score('arrow-schema.parquet', 'arrow-schema-out.parquet', options);
      const frame = polars.readParquet(readFileSync(at('arrow-schema-out.parquet')));
      // Of binary columns it cannot say the type.
      const names = frame.columns.filter((name) => name !== 'raw');
      expect(Object.fromEntries(names.map((name) => [name, frame.getColumn(name).dtype.variant]))).toEqual({
        ...{ id: 'Int64', kind: 'Categorical', name: 'String', at: 'Datetime', took: 'Duration' },
        ...{ cost: 'Decimal', ...added },
      });
      expect(frame.getColumn('kind').cast(polars.Utf8).toArray()).toEqual(['a', 'b', 'a']);
      const [[encoded]] = await duckdb.arrays(
        `SELECT decode(value) FROM parquet_kv_metadata('${at('arrow-schema-out.parquet')}') WHERE decode(key) = 'ARROW:schema'`,
      );
      const { schema } = tableFromIPC(Uint8Array.from(Buffer.from(encoded, 'base64')));
      expect(schema.fields.map(({ name }) => name)).toEqual(frame.columns);
      expect(schema.fields[0].metadata).toEqual(new Map([['unit', 'of id']]));
      expect(schema.fields[3].type).toMatchObject({ timezone: 'Europe/Paris' });
      expect(schema.metadata?.get('source')).toBe('sensor 7');
      const { features } = JSON.parse(schema.metadata?.get('huggingface') ?? '').info;
      expect(Object.keys(features)).toEqual(['id', ...Object.keys(added)]);
    }
  });

  test('an Arrow schema follows what is written where it is another type, and goes where it is damaged', async () => {
    const encoded = (name: string) =>
      `SELECT decode(value) FROM parquet_kv_metadata('${at(name)}') WHERE decode(key) = 'ARROW:schema'`;
    const [[said]] = await duckdb.arrays(encoded('arrow-schema.parquet'));
    const write = (value: string) =>
      duckdb.run(
        `COPY (SELECT 7::TINYINT AS id, [1, 2]::FLOAT[] AS logits) TO '${at('misfit.parquet')}' (KV_METADATA {'ARROW:schema': '${value}'})`,
      );
    await write(said);
    await score('misfit.parquet', 'misfit-out.parquet');
    const [[text]] = await duckdb.arrays(encoded('misfit-out.parquet'));
    const { schema } = tableFromIPC(Uint8Array.from(Buffer.from(text, 'base64')));
    expect(schema.fields.map(({ name }) => name)).toEqual(['id', 'probabilities']);
    expect(schema.fields[0].type).toMatchObject({ bitWidth: 8 });
    expect(schema.fields[0].metadata).toEqual(new Map([['unit', 'of id']]));
    await write('bm90aGluZw==');
    await score('misfit.parquet', 'misfit-out.parquet');
    expect(await duckdb.arrays(encoded('misfit-out.parquet'))).toEqual([]);
  });

  test('other rows than the file tells of are damage, whatever is written', async () => {
    await duckdb.run(
      `COPY (SELECT i AS id, [1.5, 0.5]::FLOAT[] AS logits FROM range(300) t(i)) TO '${at('count.parquet')}'`,
    );
    const bytes = readFileSync(at('count.parquet'));
    // The footer's first number of 64 bits is that of all rows: 300, and 302 as Thrift has it.
    const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    const place = bytes.indexOf(Uint8Array.of(0x16, 0xd8, 0x04), footer);
    expect(place).toBeGreaterThan(0);
    bytes[place + 1] = 0xdc;
    writeFileSync(at('count.parquet'), bytes);
    for (const format of ['parquet', 'csv', 'npy', 'arrow']) {
      await expect(score('count.parquet', `count-out.${format}`)).rejects.toThrow(
        /^Expected 302 rows, of which its metadata tells, for .* but received 300$/,
      );
      expect(existsSync(at(`count-out.${format}`))).toBe(false);
    }
  });

  test('a column per class, which has to be said', async () => {
    await duckdb.run(
      `COPY (SELECT 7 AS id, 1.5::FLOAT AS cat, 0.5::FLOAT AS dog, 2::FLOAT AS horse) TO '${at('columns.parquet')}'`,
    );
    await expect(score('columns.parquet', 'columns.ndjson')).rejects.toThrow(
      /--column or --keep for a column per class, for .* but received id INTEGER, cat FLOAT/,
    );
    for (const options of [{ keep: ['id'] }, { column: 'cat,dog,horse' }]) {
      await score('columns.parquet', 'columns.csv', options);
      expect(lines('columns.csv')[0]).toBe('id,cat,dog,horse');
      expect(
        lines('columns.csv')[1]
          .split(',')
          .map((x) => Math.fround(Number(x))),
      ).toEqual([7, ...p32(A)]);
    }
  });

  test('NULL rows, NULL elements, rows that share their list, slices and gaps: each row its own', async () => {
    await duckdb.run(
      `COPY (SELECT i AS id, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN [1.5, 0.5, 2] WHEN 2 THEN [0.2, 2.2, 1] WHEN 3 THEN [1, NULL, 3] ELSE [i, 1, 0] END::FLOAT[] AS logits FROM range(10000) t(i)) TO '${at('nulls.parquet')}'`,
    );
    const report = await score('nulls.parquet', 'nulls-out.parquet', { errors: 'skip' });
    expect(report).toMatchObject({
      rows: 6000,
      bad: { count: 4000, first: [0, 3, 5, 8, 10] },
      nan: { count: 0 },
    });
    const rows = await duckdb.rows(`FROM '${at('nulls-out.parquet')}'`);
    for (const { id, probabilities } of rows) {
      const i = Number(id);
      expect(probabilities, `row ${i}`).toEqual(p32(i % 5 === 1 ? A : i % 5 === 2 ? B : [i, 1, 0]));
    }
    const kept = await score('nulls.parquet', 'nulls-nan.parquet', {
      errors: 'nan',
      labels: at(put('abc.txt', 'a\nb\nc')),
    });
    expect(kept).toMatchObject({ rows: 10_000, bad: { count: 4000 }, nan: { count: 4000 } });
    await expect(score('nulls.parquet', 'nulls-fail.parquet')).rejects.toThrow(
      /^Expected logits for row 0 of .* but received none in column logits/,
    );
  });

  test('a fixed size and a NULL row, --errors skip: the other rows with their own ids', async () => {
    await duckdb.run(
      `COPY (SELECT i AS id, [i, 0.5]::FLOAT[2] AS logits FROM range(4) t(i) WHERE i <> 1 UNION ALL SELECT 1, NULL ORDER BY 1) TO '${at('fixed.parquet')}'`,
    );
    await score('fixed.parquet', 'fixed.ndjson', { errors: 'skip' });
    expect(
      objects('fixed.ndjson').map(({ id, probabilities }) => [id, probabilities.map(Math.fround)]),
    ).toEqual([0, 2, 3].map((i) => [i, p32([i, 0.5])]));
  });

  test('a dictionary: every row is counted, and once', async () => {
    await duckdb.run(
      `COPY (SELECT i AS id, (i % 2) AS truth, [i % 2, 0.5]::DOUBLE[] AS logits FROM range(100000) t(i)) TO '${at('dictionary.parquet')}'`,
    );
    const report = await score('dictionary.parquet', 'dictionary-out.parquet', { truth: 'column:truth' });
    expect(report).toMatchObject({ rows: 100_000, shape: [100_000], nan: { count: 0 } });
    expect(report.accuracy).toEqual({ correct: 0, rows: 100_000 });
  });

  test('a file that was replaced a moment ago is read as it is', async () => {
    for (const value of [1, 2]) {
      await duckdb.run(`COPY (SELECT [${value}, 0]::FLOAT[] AS logits) TO '${at('replaced.parquet')}'`);
      await score('replaced.parquet', 'replaced.ndjson');
      expect(objects('replaced.ndjson')[0].probabilities.map(Math.fround)).toEqual(p32([value, 0]));
    }
  });

  test('row groups are sized by the width of rows', async () => {
    await duckdb.run(
      `COPY (SELECT i AS id, list_transform(range(1000), lambda k: (i + k) % 7)::FLOAT[] AS logits FROM range(20000) t(i)) TO '${at('wide.parquet')}'`,
    );
    await score('wide.parquet', 'wide-out.parquet');
    const [[groups]] = await duckdb.arrays(
      `SELECT count(DISTINCT row_group_id) FROM parquet_metadata('${at('wide-out.parquet')}')`,
    );
    expect(Number(groups)).toBe(3);
  });

  test('names that look like patterns, a column called as the scores are', async () => {
    await duckdb.run(
      `COPY (SELECT 1 AS probabilities, [1, 2]::FLOAT[] AS logits) TO '${at('plain.parquet')}'`,
    );
    copyFileSync(at('plain.parquet'), at("a[1]*'b.parquet"));
    await score("a[1]*'b.parquet", "c[1]*'d.ndjson");
    expect(objects("c[1]*'d.ndjson")[0]).toEqual({
      probabilities: 1,
      predicted_probabilities: expect.any(Array),
    });
  });

  test('a folder of folders called name=value is one table', async () => {
    for (const [day, i] of [
      ['2024-01-01', 1],
      ['2024-01-02', 2],
    ] as const) {
      mkdirSync(at(`hive/day=${day}`), { recursive: true });
      await duckdb.run(
        `COPY (SELECT ${i} AS id, [${i}, 0]::FLOAT[] AS logits) TO '${at(`hive/day=${day}/part.parquet`)}'`,
      );
    }
    await score('hive', 'hive.ndjson');
    expect(objects('hive.ndjson').map(({ id, day }) => [id, day])).toEqual([
      [1, '2024-01-01'],
      [2, '2024-01-02'],
    ]);
    const part = readFileSync(at('hive/day=2024-01-01/part.parquet'));
    linkSync(at('hive/day=2024-01-01/part.parquet'), at('linked.parquet'));
    for (const to of ['hive/day=2024-01-01/part.parquet', 'hive/new.parquet', 'linked.parquet']) {
      await expect(score('hive', to), to).rejects.toThrow(
        'Expected a file outside the folder that is read for -o',
      );
    }
    expect(readFileSync(at('hive/day=2024-01-01/part.parquet'))).toEqual(part);
    expect(existsSync(at('hive/new.parquet'))).toBe(false);
    // A file in such a folder by itself has its own columns alone.
    await score('hive/day=2024-01-01/part.parquet', 'part.ndjson');
    expect(Object.keys(objects('part.ndjson')[0])).toEqual(['id', 'probabilities']);
  });
});

describe('what a name says', () => {
  test('.json, .pq, .tsv, .csv.gz, .ndjson.zst are read by what they are', async () => {
    put('in.tsv', 'cat\tdog\n1.5\t0.5\n');
    put('in.csv.gz', gzipSync('cat,dog\n1.5,0.5\n'));
    await duckdb.run(
      `COPY (SELECT [1.5, 0.5]::DOUBLE[] AS logits) TO '${at('in.ndjson.zst')}' (FORMAT json, COMPRESSION zstd)`,
    );
    await duckdb.run(`COPY (SELECT [1.5, 0.5]::DOUBLE[] AS logits) TO '${at('in.pq')}' (FORMAT parquet)`);
    await duckdb.run(
      `COPY (SELECT 1.5 AS cat, 0.5 AS dog) TO '${at('in.csv.zst')}' (FORMAT csv, COMPRESSION zstd)`,
    );
    for (const name of ['in.tsv', 'in.csv.gz', 'in.ndjson.zst', 'in.pq', 'in.csv.zst']) {
      await score(name, 'named.parquet', { op: 'logsumexp' });
      expect(await duckdb.rows(`FROM '${at('named.parquet')}'`), name).toEqual([
        { logsumexp: Math.log(Math.exp(1.5) + Math.exp(0.5)) },
      ]);
    }
  });

  test('and compressed text is written', async () => {
    put('in.csv', 'cat,dog\n1.5,0.5\n');
    for (const name of ['packed.csv.gz', 'packed.csv.zst']) {
      await score('in.csv', name);
      expect(await duckdb.rows(`FROM read_csv('${at(name)}')`)).toEqual([
        { cat: p([1.5, 0.5])[0], dog: p([1.5, 0.5])[1] },
      ]);
    }
  });

  test('also what the engine has not read, and what comes in a pipe, as one file of gzip', async () => {
    const logits = Buffer.from(Float64Array.from([...A, ...B]).buffer);
    put('in.npy', Buffer.concat([formatNpyHeader("'<f8'", [2, 3]), logits]));
    await duckdb.run(`COPY (SELECT [1.5, 0.5]::FLOAT[] AS logits) TO '${at('in.parquet')}' (FORMAT parquet)`);
    await score('in.parquet', 'in.arrow');
    for (const ending of ['gz', 'zst']) {
      for (const [input, format] of [
        ['in.npy', 'csv'],
        ['in.arrow', 'ndjson'],
      ]) {
        const name = `packed-${input}.${format}.${ending}`;
        await score(input, name);
        expect([...readFileSync(at(name)).subarray(0, 2)], name).toEqual(
          ending === 'gz' ? [0x1f, 0x8b] : [0x28, 0xb5],
        );
        const read = format === 'csv' ? 'read_csv' : 'read_json';
        expect(await duckdb.arrays(`SELECT count(*)::VARCHAR FROM ${read}('${at(name)}')`)).toEqual([
          [input === 'in.npy' ? '2' : '1'],
        ]);
      }
      const name = `piped.csv.${ending}`;
      const rows = 240_000; // more than a piece
      const { status } = spawnSync('node', [CLI, 'score', '-', '--format', 'csv', '-q', '-o', at(name)], {
        input: `cat,dog\n${'1.5000000000000000,0.5000000000000000\n'.repeat(rows)}`,
      });
      expect(status).toBe(0);
      expect(await duckdb.arrays(`SELECT count(*)::VARCHAR FROM read_csv('${at(name)}')`)).toEqual([
        [String(rows)],
      ]);
      if (ending === 'gz') expect(gunzipSync(readFileSync(at(name))).length).toBe(rows * 38 + 8);
    }
    await expect(score('in.csv', 'packed.parquet.gz')).rejects.toThrow('unknown extension .gz');
  });

  test('half a compressed text, or one with another checksum, is refused', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => `${i},${Math.sin(i)},${Math.cos(i)}`);
    const gzip = gzipSync(`id,cat,dog\n${rows.join('\n')}\n`);
    put('plain.csv', `id,cat,dog\n${rows.join('\n')}\n`);
    await duckdb.run(
      `COPY (FROM read_csv('${at('plain.csv')}')) TO '${at('whole.csv.zst')}' (FORMAT csv, COMPRESSION zstd)`,
    );
    const zstd = readFileSync(at('whole.csv.zst'));
    put('half.csv.gz', gzip.subarray(0, gzip.length / 2));
    put('cut.csv.gz', gzip.subarray(0, -6));
    put('sum.csv.gz', Buffer.concat([gzip.subarray(0, -8), Buffer.alloc(4), gzip.subarray(-4)]));
    put('half.csv.zst', zstd.subarray(0, zstd.length / 2));
    for (const name of ['half.csv.gz', 'cut.csv.gz', 'sum.csv.gz', 'half.csv.zst']) {
      for (const to of ['never.ndjson', 'never.npy']) {
        await expect(score(name, to, { errors: 'skip' }), `${name} to ${to}`).rejects.toThrow(
          /^Expected a whole (gzip|zstd) file for /,
        );
        expect(existsSync(at(to))).toBe(false);
      }
    }
    expect((await score('whole.csv.zst', 'whole.npy')).rows).toBe(30_000);
  });

  test('a file without a known name is told by its first bytes, or --format is asked for', async () => {
    await duckdb.run(`COPY (SELECT [1.5, 0.5]::DOUBLE[] AS logits) TO '${at('unnamed')}' (FORMAT parquet)`);
    expect((await score('unnamed', undefined)).rows).toBe(1);
    put('in.xyz', 'cat,dog\n1.5,0.5\n');
    await expect(score('in.xyz', undefined)).rejects.toThrow(
      /^Expected --format for .*in\.xyz but received the unknown extension \.xyz$/,
    );
    expect((await score('in.xyz', undefined, { format: 'csv' })).rows).toBe(1);
    await expect(score('in.csv', 'out.xlsx')).rejects.toThrow('the unknown extension .xlsx');
  });
});

describe('--truth column:NAME', () => {
  test('numbers, or names of the classes', async () => {
    put('truth.csv', 'label,cat,dog\n0,1.5,0.5\n0,0.2,2.2\n1,0.1,0.3\n');
    expect((await score('truth.csv', 'truth-out.csv', { truth: 'column:label' })).accuracy).toEqual({
      correct: 2,
      rows: 3,
    });
    put('truth.csv', 'is,cat,dog\ncat,1.5,0.5\ncat,0.2,2.2\ndog,0.1,0.3\n');
    for (const output of ['truth-out.csv', undefined, 'truth-out.npy']) {
      const { accuracy } = await score('truth.csv', output, { truth: 'column:is' });
      expect(accuracy).toEqual({ correct: 2, rows: 3 });
    }
    put('truth.ndjson', '{"y":1,"l":[1,2]}\n{"y":0,"l":[1,2]}\n');
    expect((await score('truth.ndjson', 'truth-out.ndjson', { truth: 'column:y' })).accuracy?.correct).toBe(
      1,
    );
  });

  test('a text is a name before it is a number, whatever is written', async () => {
    put('named.csv', 'is,1,0\n1,1.5,0.5\n0,0.2,2.2\n0,0.1,0.3\n');
    put('named.ndjson', '{"is":"b","l":[2,1]}\n{"is":"a","l":[1,2]}\n{"is":0,"l":[2,1]}\n');
    put('ba.txt', 'b\na\n');
    for (const output of ['named-out.csv', undefined, 'named-out.npy']) {
      const ofCsv = await score('named.csv', output, { truth: 'column:is' });
      expect(ofCsv.accuracy, output).toEqual({ correct: 3, rows: 3 });
      const options = { truth: 'column:is', labels: at('ba.txt') };
      const ofNdjson = await score('named.ndjson', output, options);
      expect(ofNdjson.accuracy, output).toEqual({ correct: 3, rows: 3 });
    }
  });

  test('a .npy beside a text, and rows that do not fit', async () => {
    const npy = (values: number[]) =>
      Buffer.concat([formatNpyHeader("'|u1'", [values.length]), Uint8Array.from(values)]);
    put('truth.csv', 'cat,dog\n1.5,0.5\n0.2,2.2\n0.1,0.3\n');
    put('truth.npy', npy([0, 0, 1]));
    const { accuracy } = await score('truth.csv', 'truth-out.csv', { truth: at('truth.npy') });
    expect(accuracy).toEqual({ correct: 2, rows: 3 });
    put('truth.npy', npy([0, 0]));
    await expect(score('truth.csv', 'truth-out2.csv', { truth: at('truth.npy') })).rejects.toThrow(
      'Expected 3 class numbers',
    );
    expect(existsSync(at('truth-out2.csv'))).toBe(false);
  });

  test('what is no class is named with its row', async () => {
    put('truth.ndjson', '{"y":1,"l":[1,2]}\n{"y":2,"l":[1,2]}\n');
    for (const output of ['truth-out.ndjson', undefined]) {
      await expect(
        score('truth.ndjson', output, { truth: 'column:y', labels: at(put('ab.txt', 'a\nb')) }),
      ).rejects.toThrow(/^Expected class numbers for column y of .*truth\.ndjson but received 2 at row 1/);
    }
    put('truth.csv', 'y,cat,dog\ncat,1,2\nbird,1,2\n');
    for (const output of ['truth-out.csv', undefined]) {
      await expect(score('truth.csv', output, { truth: 'column:y' })).rejects.toThrow(
        /^Expected class numbers for column y of .*truth\.csv but received bird at row 1$/,
      );
    }
    await expect(score('truth.ndjson', 'truth-out.ndjson', { truth: 'column:z' })).rejects.toThrow(
      'Expected a column z for --truth but received y',
    );
  });
});

describe('printing beside writing', () => {
  test('--rows with -o shows the first rows, of a pipe too', async () => {
    put('shown.csv', 'cat,dog\n1.5,0.5\n0.2,2.2\n0.1,0.3\n');
    const report = await score('shown.csv', 'shown-out.csv', { shown: 2 });
    expect(report.ranked?.map(({ row, best }) => [row, best[0].label])).toEqual([
      [0, 'cat'],
      [1, 'dog'],
    ]);
    const { stdout } = spawnSync(
      process.execPath,
      [CLI, 'score', '-', '--format', 'csv', '-o', at('x.csv'), '--rows', '2', '--json'],
      {
        input: text('shown.csv'),
      },
    );
    expect(JSON.parse(stdout.toString()).results.map(({ row }: { row: number }) => row)).toEqual([0, 1]);
  });
});

describe.runIf(process.platform !== 'win32')('pipes and signals', () => {
  function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, [CLI, 'score', ...args], { cwd: folder, env: { ...process.env, ...env } });
  }
  const peakOf = ({ pid }: ChildProcess) =>
    Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s*(\d+)/)?.[1]) / 1024;

  test.each(['csv', 'ndjson'] as const)(
    'a pipe of %s goes on as it comes, with the rows of a file',
    async (format) => {
      const row = (i: number) =>
        format === 'csv' ? `"a\n${i}",${i % 7}.5,0.25\n` : `{"id":${i},"logits":[${i % 7}.5,0.25]}\n`;
      const rows = 500_000;
      const content =
        (format === 'csv' ? 'id,cat,dog\n' : '') + Array.from({ length: rows }, (_, i) => row(i)).join('');
      put(`piped.${format}`, content);
      const keep = format === 'csv' ? { keep: ['id'] } : {};
      await score(`piped.${format}`, `whole.${format}`, keep);
      const child = start([
        '-',
        '--format',
        format,
        '-o',
        '-',
        '-q',
        ...(format === 'csv' ? ['--keep', 'id'] : []),
      ]);
      const chunks: Buffer[] = [];
      child.stdout!.on('data', (chunk) => chunks.push(chunk));
      // Half of it, and then a wait: what could be scored is there.
      child.stdin!.write(content.slice(0, content.length * 0.9));
      while (chunks.length === 0) await sleep(20);
      child.stdin!.end(content.slice(content.length * 0.9));
      await once(child, 'close');
      expect(Buffer.concat(chunks).equals(readFileSync(at(`whole.${format}`)))).toBe(true);
    },
  );

  test('the row of what is wrong in a pipe is that of the whole', async () => {
    const child = start(['-', '--format', 'csv', '-o', '-', '-q']);
    let stderr = '';
    child.stderr!.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout!.resume();
    child.stdin!.on('error', () => {});
    child.stdin!.end(`cat,dog\n${'1.5,0.25\n'.repeat(1_200_000)}1.5,x\n`);
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^simd-softmax: Expected numbers for row 1200000 of stdin but received "x" in column dog/,
    );
  });

  test('a field that comes late in a pipe is an error where the header is written', async () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [CLI, 'score', '-', '--format', 'ndjson', '-o', '-', '--output-format', 'csv', '-q', '--top-k', '1'],
      {
        input: `${'{"logits":[1.5,0.25],"id":1}\n'.repeat(400_000)}{"logits":[1,2],"late":1}\n`,
        maxBuffer: 1 << 28,
      },
    );
    expect(status).toBe(1);
    expect(stderr.toString()).toBe(
      'simd-softmax: Expected a file instead of a pipe for stdin but received a field late that first comes late\n',
    );
  });

  test('SIGINT ends a statement at once, leaves nothing, and says how to go on', async () => {
    mkdirSync(at('interrupted'));
    mkdirSync(at('spills'));
    await duckdb.run(
      `COPY (SELECT i AS id, list_transform(range(200), lambda k: (i + k) % 7)::FLOAT[] AS logits FROM range(300000) t(i)) TO '${at('long.parquet')}' (ROW_GROUP_SIZE 8192)`,
    );
    const child = start(['long.parquet', '-o', at('interrupted/out.ndjson'), '-q'], { TMPDIR: at('spills') });
    while (readdirSync(at('interrupted')).length === 0) await sleep(10);
    await sleep(500);
    expect(peakOf(child)).toBeLessThan(1000);
    child.kill('SIGINT');
    const [code, signal] = await once(child, 'close');
    expect([code, signal]).toEqual([null, 'SIGINT']);
    expect(readdirSync(at('interrupted'))).toEqual([]);
    expect(readdirSync(at('spills'))).toEqual([]);
  });
});

describe('Polars reads what is written, with the same values and types', () => {
  const kept =
    "SELECT i::BIGINT AS id, 'text ' || i AS name, DATE '2024-02-29' + i::INTEGER AS day, i % 2 = 0 AS flag, i / 8 AS x, [i, 0.5, 2]::FLOAT[] AS logits FROM range(300) t(i)";
  const expected = Array.from({ length: 300 }, (_, i) => p32([i, 0.5, 2]));

  test.each(['parquet', 'ndjson', 'arrow'] as const)('%s', async (format) => {
    const { default: polars } = await import('nodejs-polars');
    await duckdb.run(`COPY (${kept}) TO '${at('polars-in.parquet')}'`);
    await score('polars-in.parquet', `polars.${format}`);
    const bytes = readFileSync(at(`polars.${format}`));
    const frame =
      format === 'parquet'
        ? polars.readParquet(bytes)
        : format === 'arrow'
          ? polars.readIPC(bytes)
          : polars.readJSON(bytes, { format: 'lines' });
    expect(frame.columns).toEqual(['id', 'name', 'day', 'flag', 'x', 'probabilities']);
    const rows = frame.toRecords();
    expect(rows.map(({ id }) => Number(id))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(rows.map(({ probabilities }) => (probabilities as unknown as number[]).map(Math.fround))).toEqual(
      expected,
    );
    expect(rows[7]).toMatchObject({ name: 'text 7', flag: false, x: 7 / 8 });
  });

  test('csv', async () => {
    const { default: polars } = await import('nodejs-polars');
    put('polars-in.csv', 'id,"a, b",dog\n1,1.5,0.5\n2,0.2,2.2\n');
    await score('polars-in.csv', 'polars.csv', { keep: ['id'] });
    const frame = polars.readCSV(at('polars.csv'));
    expect(frame.columns).toEqual(['id', 'a, b', 'dog']);
    expect(frame.rows()).toEqual([
      [1, ...p([1.5, 0.5])],
      [2, ...p([0.2, 2.2])],
    ]);
  });
});

test('an output that the engine writes begins anew with --resume, and says so', async () => {
  put('anew.csv', 'cat,dog\n1.5,0.5\n');
  expect((await score('anew.csv', 'anew.parquet', { resume: true })).rows).toBe(1);
  expect(notices).toContain('parquet begins anew: only .npy and Arrow go on where a run stopped');
});

test('logarithms, and the best of them', async () => {
  put('log.ndjson', `${JSON.stringify({ l: A })}\n`);
  await score('log.ndjson', 'log-out.ndjson', { op: 'log-softmax' });
  expect(objects('log-out.ndjson')[0].log_probabilities).toEqual(
    Array.from(logSoftmax(Float64Array.from(A))),
  );
  await score('log.ndjson', 'log-out.ndjson', { op: 'log-softmax', topK: 2, temperature: 2 });
  const best = topK(Float64Array.from(A), 2, { temperature: 2 });
  expect(objects('log-out.ndjson')[0].class).toEqual(Array.from(best.indices));
  expect(objects('log-out.ndjson')[0].score[0]).toBe(logSoftmax(Float64Array.from(A), { temperature: 2 })[2]);
});
