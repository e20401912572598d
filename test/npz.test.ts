/** .npz as an output: the scores and the columns beside them, as NumPy and our own reader have them. */
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openArray } from '../lib/cli/arrays.js';
import { openInput } from '../lib/cli/input.js';
import { scoreFile } from '../lib/cli/score-file.js';
import type { ScoreFileOptions } from '../lib/cli/score-job.js';
import { openZipMember } from '../lib/cli/zip.js';
import { directoryOf, localHeader } from '../lib/cli/zip-records.js';
import { logSumExp, softmax, topK } from '../lib/index.js';
import { newDuckDB } from './duckdb-files.js';

const ROWS = 5000;
const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-npz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const logits = (row: number) => Float32Array.of(row % 11, 1, (row * 7) % 5);
const rows = Array.from({ length: ROWS }, (_, row) => row);

const notices: string[] = [];
const write = (output: string, options: Partial<ScoreFileOptions> = {}) =>
  scoreFile({
    input: at('in.parquet'),
    output: at(output),
    onNotice: (text) => notices.push(text),
    ...options,
  });

beforeAll(async () => {
  await newDuckDB().run(`COPY (SELECT 9007199254740993 + i AS id, 'n' || i AS name, (i % 200)::UTINYINT AS small,
    DATE '1969-12-30' + i::INTEGER AS day, CASE WHEN i = 2 THEN NULL ELSE make_timestamp(i - 1) END AS moment,
    i % 3 = 0 AS flag, CASE WHEN i = 4001 THEN NULL ELSE i END AS hole, CASE WHEN i = 1 THEN NULL ELSE i / 7 END AS x,
    0.5::DOUBLE AS probabilities, [i % 11, 1, (i * 7) % 5]::FLOAT[] AS logits
    FROM range(${ROWS}) t(i) ORDER BY i) TO '${at('in.parquet')}'`);
  await write('all.npz');
  await write('best.npz', { topK: 2 });
  await write('one.npz', { op: 'logsumexp' });
  // Of rows whose number is not known before the end.
  await write('skipped.npz', { errors: 'skip' });
});

const COLUMNS = ['id', 'small', 'day', 'moment', 'flag', 'x', 'probabilities'];

describe('.npz of a Parquet', () => {
  test('what it does not hold is told, with why', () => {
    expect(notices).toContain(
      'not in the .npz, which holds numbers and times: name (string), hole (null in rows)',
    );
  });

  test.each([
    ['all', ['predicted_probabilities', ...COLUMNS], rows.map((row) => [...softmax(logits(row))])],
    ['skipped', ['predicted_probabilities', ...COLUMNS], rows.map((row) => [...softmax(logits(row))])],
    ['best', ['class', 'score', ...COLUMNS], rows.map((row) => [...topK(logits(row), 2).probabilities])],
    ['one', ['logsumexp', ...COLUMNS], rows.map((row) => logSumExp(logits(row))[0])],
  ])('%s: our own reader has every array', async (name, members, scores) => {
    const path = at(`${name}.npz`);
    for (const member of members) {
      const { source, shape } = await openArray(await openInput(`${path}#${member}`));
      expect(shape[0]).toBe(ROWS);
      if (member !== (name === 'best' ? 'score' : members[0])) continue;
      const values = new Float32Array(scores.flat().length);
      await source.fill(new Uint8Array(values.buffer));
      expect(Array.from(values)).toEqual(scores.flat());
    }
    await expect(openInput(`${path}#none`).then(openArray)).rejects.toThrow(members.join(', '));
  });

  const python = process.env.SIMD_SOFTMAX_PYTHON ?? 'python3';
  const hasNumPy = spawnSync(python, ['-c', 'import numpy'], { stdio: 'ignore' }).status === 0;
  if (!hasNumPy) console.warn('\n*** SKIPPED NumPy: apt-get install python3-numpy ***\n');

  test.skipIf(!hasNumPy)('numpy.load has their values and types, and every checksum is right', () => {
    const script = `
import json, sys, zipfile, numpy as np
result = {}
for name in ['all', 'best', 'one', 'skipped']:
    path = sys.argv[1] + '/' + name + '.npz'
    arrays = np.load(path)
    picked = {key: [str(arrays[key].dtype), list(arrays[key].shape), arrays[key][:3].astype(str).tolist()] for key in arrays}
    result[name] = {'damaged': zipfile.ZipFile(path).testzip(), **picked}
print(json.dumps(result))`;
    const { stdout, stderr } = spawnSync(python, ['-c', script, folder], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const read = JSON.parse(stdout);
    const columns = {
      damaged: null,
      id: ['int64', [ROWS], ['9007199254740993', '9007199254740994', '9007199254740995']],
      small: ['uint8', [ROWS], ['0', '1', '2']],
      day: ['datetime64[D]', [ROWS], ['1969-12-30', '1969-12-31', '1970-01-01']],
      moment: ['datetime64[us]', [ROWS], ['1969-12-31T23:59:59.999999', '1970-01-01T00:00:00.000000', 'NaT']],
      flag: ['bool', [ROWS], ['True', 'False', 'False']],
      x: ['float64', [ROWS], ['0.0', 'nan', String(2 / 7)]],
      probabilities: ['float64', [ROWS], ['0.5', '0.5', '0.5']],
    };
    const all = ['float32', [ROWS, 3], expect.any(Array)];
    expect(read).toEqual({
      all: { ...columns, predicted_probabilities: all },
      skipped: { ...columns, predicted_probabilities: all },
      best: {
        ...columns,
        class: [
          'uint32',
          [ROWS, 2],
          rows.slice(0, 3).map((row) => [...topK(logits(row), 2).indices].map(String)),
        ],
        score: ['float32', [ROWS, 2], expect.any(Array)],
      },
      one: { ...columns, logsumexp: ['float32', [ROWS], expect.any(Array)] },
    });
  });

  test('nothing stays in the temporary folder, and nothing under another name', () => {
    expect(readdirSync(folder).sort()).toEqual([
      'all.npz',
      'best.npz',
      'in.parquet',
      'one.npz',
      'skipped.npz',
    ]);
  });
});

test('an array of several dimensions keeps them', async () => {
  await write('two.npz', { topK: 2 });
  const input = `${at('two.npz')}#score`;
  await scoreFile({ input, output: at('scored.npz'), axis: 0 });
  const { shape } = await openArray(await openInput(`${at('scored.npz')}#probabilities`));
  expect(shape).toEqual([ROWS, 2]);
  await scoreFile({ input, output: at('scored.npz'), axis: 0, topK: 3 });
  expect((await openArray(await openInput(`${at('scored.npz')}#class`))).shape).toEqual([2, 3]);
});

test('a .npz on stdout, and rows that differ, are refused', async () => {
  await expect(write('-', { output: '-', outputFormat: 'npz' })).rejects.toThrow(/^Expected a file/);
  await newDuckDB().run(
    `COPY (SELECT range(1 + i % 2)::FLOAT[] AS logits FROM range(4) t(i)) TO '${at('ragged.parquet')}'`,
  );
  await expect(write('ragged.npz', { input: at('ragged.parquet') })).rejects.toThrow(/^Expected 1 logits/);
});

test('members of more than 4 GB, and behind 4 GB', async () => {
  const [size, start] = [5e9, 11e9];
  const members = [
    { name: 'a.npy', crc: 1, size, at: 0 },
    { name: 'b.npy', crc: 2, size, at: 5.5e9 },
  ];
  const file = openSync(at('large.npz'), 'w');
  // What is between takes no room on the disk.
  ftruncateSync(file, start);
  for (const member of members) writeSync(file, localHeader(member), 0, undefined, member.at);
  writeSync(file, directoryOf(members, start), 0, undefined, start);
  closeSync(file);
  const { bytes, names } = await openZipMember(await openInput(at('large.npz')), 'b');
  expect({ size: bytes.size, names }).toEqual({ size, names: ['a', 'b'] });
  await bytes.close();
  rmSync(at('large.npz'));
});
