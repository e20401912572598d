/** Files that say what cannot be: one line, and no output that others could not read. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  columnFromArray,
  type DataType,
  decimal,
  dictionary,
  float32,
  int8,
  list,
  tableFromColumns,
  tableToIPC,
  utf8,
} from '@uwdata/flechette';
import { afterAll, describe, expect, test } from 'vitest';
import { refuseDamagedFooter } from '../lib/cli/duckdb/parquet-footer.js';
import { scoreFile } from '../lib/cli/score-file.js';
import { newDuckDB } from './duckdb-files.js';

const CLI = join(import.meta.dirname, '..', 'dist', 'cli.js');
const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-damaged-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

describe('Metadata of Parquet', () => {
  const STRUCT = 12;
  const I32 = 5;
  const BINARY = 8;
  const list = 9;
  /** A field, so far behind the one before it. */
  const field = (step: number, type: number, ...value: number[]) => [(step << 4) | type, ...value];
  const items = (count: number, type: number, ...values: number[]) => [(count << 4) | type, ...values];
  const many = [0xff, 0xff, 0xff, 0x7f];

  function footer(name: string, metadata: readonly number[]): string {
    const path = at(name);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(metadata.length);
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('PAR1'), Buffer.from(metadata), size, Buffer.from('PAR1')]),
    );
    return path;
  }

  test.each([
    ['of no fields', [0]],
    ['of an empty list of anything', [...field(2, list, 0x00), 0]],
    [
      'of what is not known yet',
      [...field(15, 11, 1, 0x8c, 1, 65, 0), ...field(0, 7, 40, 1, 2, 3, 4, 5, 6, 7, 8), 0],
    ],
  ])('%s is whole', (_, metadata) => {
    expect(() => refuseDamagedFooter(footer('whole.parquet', metadata), 'x')).not.toThrow();
  });

  const columns = (...metadata: number[]) => [
    ...field(
      4,
      list,
      ...items(1, STRUCT, ...field(1, list, ...items(1, STRUCT, ...field(3, STRUCT, ...metadata, 0), 0)), 0),
    ),
    0,
  ];
  test.each([
    ['of no end', [...field(1, I32, 2)]],
    ['of more items than bytes', [...field(2, list, 0xf0 | STRUCT, ...many), 0]],
    ['of more encodings than bytes', columns(...field(2, list, 0xf0 | I32, ...many))],
    ['of a text longer than the rest', [...field(6, BINARY, ...many, 65), 0]],
    ['of numbers in the place of structs', [...field(2, list, ...items(2, I32, 2, 2)), 0]],
    ['of structs in the place of names', columns(...field(3, list, ...items(1, STRUCT, 0)))],
    ['of a type that does not exist', [...field(1, 14, 0), 0]],
    ['of structs in structs without an end', Array.from({ length: 1000 }, () => 0x1c)],
  ])('%s is damage', (_, metadata) => {
    expect(() => refuseDamagedFooter(footer('damaged.parquet', metadata), 'x')).toThrow(
      'Expected a Parquet file for x but received one whose metadata is damaged',
    );
  });

  test('is looked at before the engine takes memory for it', async () => {
    const input = footer('many.parquet', [...field(2, list, 0xf0 | STRUCT, ...many), 0]);
    await expect(scoreFile({ input, output: at('out.csv') })).rejects.toMatchObject({
      message: `Expected a Parquet file for ${input} but received one whose metadata is damaged`,
      exitCode: 1,
    });
  });
});

describe('Columns of Arrow that travel', () => {
  /** A file of logits and another column, with bytes of it replaced. */
  function damaged(
    values: readonly unknown[],
    type: DataType,
    from: readonly number[] = [],
    to = from,
  ): string {
    const logits = columnFromArray(
      values.map((_, i) => [i, 1]),
      list(float32()),
    );
    const other = columnFromArray([...values], type);
    const bytes = Buffer.from(
      tableToIPC(tableFromColumns({ logits, other }), { format: 'file' }) as Uint8Array,
    );
    const place = bytes.indexOf(Buffer.from(from));
    expect(place).toBeGreaterThanOrEqual(0);
    bytes.set(to, place);
    writeFileSync(at('damaged.arrow'), bytes);
    return at('damaged.arrow');
  }
  const grüße = [...Buffer.from('Grüße')];

  test.each(['out.arrow', 'out.ndjson', 'out.parquet'])('are checked on their way to %s', async (output) => {
    const refused = async (input: string, why: string) =>
      await expect(scoreFile({ input, output: at(output) })).rejects.toMatchObject({
        message: `Expected an Arrow file for ${input} but received something else (${why})`,
        exitCode: 1,
      });
    const cut = grüße.with(2, 0x41);
    await refused(damaged(['Grüße', 'x'], utf8(), grüße, cut), 'a text that is not UTF-8');
    // Both halves of a character are UTF-8 together.
    const offsets = [0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0];
    const inside = offsets.with(4, 2);
    await refused(damaged(['Aé', 'bcde'], utf8(), offsets, inside), 'a text that is not UTF-8');
    const indices = [0, 1, 2, 0, 2, 1, 1];
    const words = indices.map((i) => ['a', 'b', 'c'][i]);
    await refused(
      damaged(words, dictionary(utf8(), int8()), indices, indices.with(3, 3)),
      'an index of 3 into 3 values',
    );
    await refused(damaged([1, 2], decimal(10, 300)), 'a column of type 7 that cannot be');
  });

  test('have texts of any language', async () => {
    await scoreFile({ input: damaged(['Grüße', '日本', ''], utf8()), output: at('out.ndjson') });
    const lines = readFileSync(at('out.ndjson'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).other)).toEqual(['Grüße', '日本', '']);
  });
});

describe('A CSV that ends inside quotes', () => {
  const rows = (name: string, count = 3) => `id,a,b\n1,1.5,2\n${name},3,4\n${'7,1,2\n'.repeat(count)}`;

  test.each([
    ['open.csv', rows('"x')],
    ['open.csv.gz', gzipSync(rows('"x ""y"""" z'))],
    ['open.tsv', rows('"x').replaceAll(',', '\t')],
    // What the engine loses without a word.
    ['long.csv.gz', gzipSync(rows('"x', 6_000_000), { level: 1 })],
  ])('%s is refused, whatever is to become of rows that cannot be read', async (name, bytes) => {
    writeFileSync(at(name), bytes);
    for (const output of ['out.csv', 'out.npy']) {
      const job = { input: at(name), output: at(output), keep: ['id'], errors: 'skip' } as const;
      await expect(scoreFile(job)).rejects.toThrow(
        /^Expected a CSV for .* but received a quote that is not closed, (in record 2|at "\\"x)/,
      );
    }
  });

  test.each([
    ['quotes.csv', rows('"x, ""y"""')],
    ['lines.csv', rows('"x\n""\n,y"')],
    ['inches.csv', rows('5" pipe')],
    ['quotes.csv.gz', gzipSync(rows('"x, ""y"""'))],
  ])('%s has an end of every quote', async (name, bytes) => {
    writeFileSync(at(name), bytes);
    const job = { input: at(name), output: at('out.csv'), keep: ['id'], errors: 'skip' } as const;
    expect((await scoreFile(job)).rows).toBe(5);
  });
});

describe('A line of CSV that is longer than DuckDB takes', () => {
  const rows = (count: number) => 'a,1.5,0.5\n'.repeat(count);
  const long = `${'x'.repeat(33e6)},0.2,2.2\n`;
  const refused = (input: string, where: string) => ({
    message: `Expected lines of at most 16000000 bytes for ${input} but received ${where}`,
    exitCode: 1,
  });

  test('is read where it has up to 16 MB', async () => {
    writeFileSync(at('wide.csv'), `id,cat,dog\n${rows(2)}${'x'.repeat(15e6)},0.2,2.2\n`);
    const { rows: read } = await scoreFile({ input: at('wide.csv'), output: at('wide.npy') });
    expect(read).toBe(3);
  });

  test('is refused as the last row, which DuckDB would leave out, compressed or not', async () => {
    const text = Buffer.from(`id,cat,dog\n${rows(2000)}${long}`);
    const duckdb = newDuckDB();
    for (const [name, bytes] of [
      ['last.csv', text],
      ['last.csv.gz', gzipSync(text, { level: 1 })],
    ] as const) {
      writeFileSync(at(name), bytes);
      for (const output of ['long.csv', 'long.npy'])
        await expect(scoreFile({ input: at(name), output: at(output) })).rejects.toMatchObject(
          refused(at(name), 'a longer one as row 2000'),
        );
    }
    await duckdb.run(
      `COPY (SELECT 'a' AS id, 1.5 AS cat, 0.5 AS dog FROM range(2000) UNION ALL SELECT repeat('x', 33000000), 0.2, 2.2) TO '${at('last.csv.zst')}' (COMPRESSION zstd)`,
    );
    await expect(scoreFile({ input: at('last.csv.zst'), output: at('long.csv') })).rejects.toMatchObject(
      refused(at('last.csv.zst'), 'a longer one as row 2000'),
    );
  });

  test('is refused among other rows, and where rows are passed over', async () => {
    const input = at('between.csv');
    writeFileSync(input, `id,cat,dog\n${rows(2000)}${long}${rows(1)}`);
    await expect(scoreFile({ input, output: at('long.csv') })).rejects.toMatchObject({
      message: `Expected a CSV for ${input} but received a line that is too long`,
    });
    await expect(scoreFile({ input, output: at('long.csv'), errors: 'skip' })).rejects.toMatchObject(
      refused(input, 'a longer one from byte 20011 on'),
    );
    writeFileSync(input, `id,cat,dog\n${rows(2000)}"${'x\n'.repeat(17e6)}",0.2,2.2\n`);
    await expect(scoreFile({ input, output: at('long.csv'), errors: 'nan' })).rejects.toMatchObject({
      message: `Expected a CSV for ${input} but received a quote that is not closed, at "\\"x"`,
    });
  });

  test('is refused as it comes in a pipe', () => {
    for (const to of ['csv', 'npy']) {
      const { status, stderr } = spawnSync(
        process.execPath,
        [CLI, 'score', '-', '-q', '--format', 'csv', '-o', at(`pipe.${to}`)],
        { input: Buffer.concat([Buffer.from('id,cat,dog\n'), Buffer.alloc(40e6, 'x')]) },
      );
      expect(String(stderr)).toMatch(/^simd-softmax: Expected lines of at most 16000000 bytes for stdin/);
      expect(status).toBe(1);
    }
  });
});

test('a CSV of more columns than DuckDB has room for is refused', async () => {
  const columns = Array.from({ length: 10_001 }, (_, i) => `c${i}`);
  writeFileSync(at('columns.csv'), `${columns.join()}\n${columns.map((_, i) => i / 4).join()}\n`);
  await expect(scoreFile({ input: at('columns.csv'), output: at('out.csv') })).rejects.toMatchObject({
    message: `Expected at most 10000 columns, or lists instead, for ${at('columns.csv')} but received 10001`,
  });
});
