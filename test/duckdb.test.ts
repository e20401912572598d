/** Softmax and its family in SQL, in a real DuckDB. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { register, vectors } from '../lib/duckdb.js';
import { entropy, logSigmoid, logSoftmax, logSumExp, sample, sigmoid, softmax, topK } from '../lib/index.js';
import { Random } from './random.js';

let connection: DuckDBConnection;
let folder: string;

beforeAll(async () => {
  connection = await connect();
  await register(connection);
  folder = await mkdtemp(join(tmpdir(), 'simd-softmax-duckdb-'));
});
afterAll(async () => {
  connection.closeSync();
  await rm(folder, { recursive: true, force: true });
});

async function connect(): Promise<DuckDBConnection> {
  return (await DuckDBInstance.create()).connect();
}

async function rows(sql: string): Promise<unknown[][]> {
  return (await connection.runAndReadAll(sql)).getRowsJS();
}

async function value(expression: string): Promise<unknown> {
  return (await rows(`SELECT ${expression}`))[0][0];
}

async function typeOf(expression: string): Promise<unknown> {
  return value(`typeof(${expression})`);
}

const ANIMALS = [3.2, 1.3, 0.2, 0.8];
const DOUBLES = `[${ANIMALS}]::DOUBLE[]`;
const FLOATS = `[${ANIMALS}]::FLOAT[]`;

describe('every function gives what the library gives', () => {
  const doubles = Float64Array.from(ANIMALS);
  const floats = Float32Array.from(ANIMALS);

  test('over DOUBLE[] and FLOAT[]', async () => {
    expect(await value(`softmax(${DOUBLES})`)).toEqual([...softmax(doubles)]);
    expect(await value(`softmax(${FLOATS})`)).toEqual([...softmax(floats)]);
    expect(await value(`log_softmax(${DOUBLES})`)).toEqual([...logSoftmax(doubles)]);
    expect(await value(`log_softmax(${FLOATS})`)).toEqual([...logSoftmax(floats)]);
    expect(await value(`log_sum_exp(${DOUBLES})`)).toBe(logSumExp(doubles)[0]);
    expect(await value(`log_sum_exp(${FLOATS})`)).toBe(logSumExp(floats)[0]);
    expect(await value(`softmax_entropy(${DOUBLES})`)).toBe(entropy(doubles)[0]);
    expect(await value(`softmax_entropy(${FLOATS})`)).toBe(entropy(floats)[0]);
    expect(await value(`sigmoid(${DOUBLES})`)).toEqual([...sigmoid(doubles)]);
    expect(await value(`sigmoid(${FLOATS})`)).toEqual([...sigmoid(floats)]);
    expect(await value(`log_sigmoid(${FLOATS})`)).toEqual([...logSigmoid(floats)]);
    expect(await value(`log_prob(${DOUBLES}, 2)`)).toBe(logSoftmax(doubles)[2]);
    expect(await value(`log_prob(${FLOATS}, 2)`)).toBe(logSoftmax(floats)[2]);
    expect(await value(`sample(${FLOATS}, 1, 7)`)).toBe(sample(floats, { seed: 7 })[0]);
  });

  test('with a temperature', async () => {
    const temperature = 2.5;
    expect(await value(`softmax(${DOUBLES}, 2.5)`)).toEqual([...softmax(doubles, { temperature })]);
    expect(await value(`log_softmax(${FLOATS}, 2.5)`)).toEqual([...logSoftmax(floats, { temperature })]);
    expect(await value(`log_sum_exp(${DOUBLES}, 2.5)`)).toBe(logSumExp(doubles, { temperature })[0]);
    expect(await value(`softmax_entropy(${DOUBLES}, 2.5)`)).toBe(entropy(doubles, { temperature })[0]);
    expect(await value(`sigmoid(${DOUBLES}, 2.5)`)).toEqual([...sigmoid(doubles, { temperature })]);
    expect(await value(`log_prob(${DOUBLES}, 0, 2.5)`)).toBe(logSoftmax(doubles, { temperature })[0]);
    expect(await value(`sample(${DOUBLES}, 0)`)).toBe(0);
    const [first] = topK(doubles, 1, { temperature }).probabilities;
    expect(await value(`top_k(${DOUBLES}, 1, 2.5)[1].probability`)).toBe(first);
  });

  test('and keeps the type', async () => {
    expect(await typeOf(`softmax(${FLOATS})`)).toBe('FLOAT[]');
    expect(await typeOf(`softmax(${DOUBLES})`)).toBe('DOUBLE[]');
    expect(await typeOf(`softmax(${FLOATS}::FLOAT[4])`)).toBe('FLOAT[]');
    expect(await typeOf(`log_sum_exp(${FLOATS})`)).toBe('FLOAT');
    expect(await typeOf(`top_k(${FLOATS}, 2)`)).toBe('STRUCT("class" UINTEGER, probability FLOAT)[]');
    expect(await typeOf(`sample(${FLOATS})`)).toBe('UINTEGER');
  });

  test('over FLOAT[n], with rows that are NULL too', async () => {
    const sql = `SELECT softmax(x) FROM (VALUES ([1, 2]::FLOAT[2]), (NULL), ([0, 0]::FLOAT[2])) t(x)`;
    const [a, b] = softmax(Float32Array.of(1, 2));
    expect(await rows(sql)).toEqual([[[a, b]], [null], [[0.5, 0.5]]]);
  });

  test('over lists of integers and decimals, as DOUBLE[]', async () => {
    expect(await value('softmax([1, 2])')).toEqual([...softmax(Float64Array.of(1, 2))]);
    expect(await value('softmax([1.50, 2.50])')).toEqual([...softmax(Float64Array.of(1.5, 2.5))]);
    expect(await typeOf('softmax([1, 1]::BIGINT[])')).toBe('DOUBLE[]');
  });

  test('top_k gives classes with probabilities, likeliest first, and no more than there are', async () => {
    const { probabilities, indices } = topK(doubles, 3);
    const expected = Array.from(indices, (c, i) => ({ class: c, probability: probabilities[i] }));
    const structs = async (k: number) =>
      (await value(`top_k(${DOUBLES}, ${k})`)) as { class: number; probability: number }[];
    expect(await structs(3)).toEqual(expected);
    expect(await structs(9)).toHaveLength(4);
    expect(await structs(0)).toEqual([]);
  });
});

describe('odd rows', () => {
  test('NULL gives NULL, whichever argument is', async () => {
    for (const call of [
      'softmax(NULL::FLOAT[])',
      `softmax(${FLOATS}, NULL)`,
      'log_softmax(NULL::DOUBLE[])',
      'log_sum_exp(NULL::DOUBLE[])',
      `log_prob(${FLOATS}, NULL)`,
      `top_k(${FLOATS}, NULL)`,
      'sample(NULL::FLOAT[])',
      `sample(${FLOATS}, 1, NULL)`,
    ]) {
      expect(await value(call), call).toBeNull();
    }
  });

  test('an empty list', async () => {
    expect(await value('softmax([]::FLOAT[])')).toEqual([]);
    expect(await value('log_softmax([]::DOUBLE[])')).toEqual([]);
    expect(await value('log_sum_exp([]::FLOAT[])')).toBe(-Infinity);
    expect(await value('top_k([]::FLOAT[], 3)')).toEqual([]);
    expect(await value('sample([]::FLOAT[])')).toBeNull();
  });

  test('NaN makes its row NaN, and there is nothing to draw', async () => {
    expect(await value("softmax([1, 'NaN'::FLOAT, 2])")).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(await value("sample([1, 'NaN'::FLOAT, 2])")).toBeNull();
  });

  test('errors are errors of the query, and the connection goes on', async () => {
    await expect(value('softmax([1.0, NULL])')).rejects.toThrow(
      'Expected numbers for the logits of softmax but received a list with NULL in it',
    );
    await expect(value(`softmax(${FLOATS}, -1)`)).rejects.toThrow(
      'Expected a finite number greater than 0 for temperature but received -1',
    );
    await expect(value(`log_prob(${FLOATS}, 4)`)).rejects.toThrow(
      'Expected a class from 0 to 3 for log_prob but received 4',
    );
    await expect(value(`top_k(${FLOATS}, -1)`)).rejects.toThrow(
      'Expected a k of at least 0 for top_k but received -1',
    );
    await expect(value(`sample(${FLOATS}, 1, -1)`)).rejects.toThrow(
      /seed from 0 to 2\^64 - 1 for sample but received -1$/,
    );
    expect(await value('softmax([1, 1])')).toEqual([0.5, 0.5]);
  });

  test('a query that fails leaves one on another connection alone', async () => {
    const other = await DuckDBInstance.create(':memory:', { threads: '4' });
    const [first, second] = [await other.connect(), await other.connect()];
    await register(first);
    const fails = first.run(
      'SELECT sum(log_sum_exp(CASE WHEN i = 90000 THEN [1, NULL] ELSE [1, i % 7] END::FLOAT[])) FROM range(100000) t(i)',
    );
    const goesOn = second.runAndReadAll(
      'SELECT count(*), sum(list_sum(softmax([1, i % 7]::DOUBLE[]))) FROM range(100000) t(i)',
    );
    await expect(fails).rejects.toThrow('a list with NULL in it');
    const [[count, sum]] = (await goesOn).getRowsJS();
    expect([count, Math.round(sum as number)]).toEqual([100_000n, 100_000]);
    first.closeSync();
    second.closeSync();
  });

  test('a query that is interrupted fails, and the connection goes on', async () => {
    const own = await connect();
    await register(own);
    const endless = own.run('SELECT sum(log_sum_exp([i, 1]::FLOAT[])) FROM range(1000000000000) t(i)');
    // One that comes before the query has begun is lost.
    const interrupts = setInterval(() => own.interrupt(), 20);
    await expect(endless.finally(() => clearInterval(interrupts))).rejects.toThrow('Interrupted');
    const reader = await own.runAndReadAll('SELECT softmax([0, 0]::DOUBLE[])');
    expect(reader.getRowsJS()).toEqual([[[0.5, 0.5]]]);
    own.closeSync();
  });

  test('a NULL among the logits of a row that is not asked for is no error', async () => {
    const sql = `SELECT softmax(x) FROM (VALUES (1, [1, 1]), (2, [1, NULL])) t(id, x) WHERE id = 1`;
    expect(await rows(sql)).toEqual([[[0.5, 0.5]]]);
  });
});

describe('however the lists lie in memory', () => {
  /** Every row is [i, i + 1, …]: as long as its number says, NULL where that is a multiple of 5. */
  const ragged = `SELECT i, CASE WHEN i % 5 = 0 THEN NULL ELSE list_transform(range(i % 7), lambda j: (i * 3 + j * j) % 11) END::FLOAT[] AS x
    FROM range(10000) r(i)`;

  function raggedRow(i: number): number[] | null {
    if (i % 5 === 0) return null;
    const x = Float32Array.from({ length: i % 7 }, (_, j) => (i * 3 + j * j) % 11);
    return [...softmax(x)];
  }

  test('chunks of NULL, empty and unequal rows', async () => {
    const received = await rows(`SELECT i, softmax(x) FROM (${ragged}) ORDER BY i`);
    expect(received).toHaveLength(10_000);
    for (const [i, scores] of received) expect(scores).toEqual(raggedRow(Number(i)));
  });

  test('filtered and sorted rows', async () => {
    const received = await rows(`SELECT i, softmax(x) FROM (${ragged}) WHERE i % 3 = 1 ORDER BY hash(i)`);
    expect(received).toHaveLength(3333);
    for (const [i, scores] of received) expect(scores).toEqual(raggedRow(Number(i)));
  });

  test('rows that share their elements, by joins and unnests', async () => {
    await connection.run(`CREATE OR REPLACE TABLE ragged AS ${ragged}`);
    const joined = await rows(
      'SELECT i, softmax(x) FROM (SELECT (k * 7919) % 40 AS i FROM range(5000) s(k)) JOIN ragged USING (i)',
    );
    expect(joined).toHaveLength(5000);
    for (const [i, scores] of joined) expect(scores).toEqual(raggedRow(Number(i)));
    const unnested = await rows('SELECT i, softmax(x), unnest([1, 2]) FROM ragged WHERE i < 100');
    expect(unnested).toHaveLength(200);
    for (const [i, scores] of unnested) expect(scores).toEqual(raggedRow(Number(i)));
  });

  test('rows of one length whose elements lie in another order, the first and the last in their place', () => {
    const elements = Float64Array.from({ length: 2 * 5 }, (_, i) => 100 + i);
    for (const order of [[0], [0, 1, 2], [0, 2, 1, 3], [0, 0, 2], [0, 0, 0, 3, 4], [1, 1], [4, 3, 2, 1, 0]]) {
      // A binding whose vector holds these rows, as the engine lays them out.
      const entries = BigUint64Array.from(order.flatMap((at) => [BigInt(at * 2), 2n]));
      const binding = {
        vector_get_data: (of: string, bytes: number) =>
          new Uint8Array((of === 'list' ? entries : elements).buffer.slice(0, bytes)),
        vector_get_validity: () => null,
        list_vector_get_child: () => 'child',
        list_vector_get_size: () => elements.length,
      };
      type Given = Parameters<typeof vectors.readLists>;
      const lists = vectors.readLists(
        binding as unknown as Given[0],
        'list' as unknown as Given[1],
        order.length,
        'float64',
      );
      expect([...lists.values]).toEqual(order.flatMap((at) => [100 + at * 2, 101 + at * 2]));
      expect([...lists.offsets]).toEqual([...order.map((_, row) => row * 2), order.length * 2]);
      expect([lists.width, lists.present, lists.nulls, lists.holes]).toEqual([
        2,
        order.length,
        undefined,
        undefined,
      ]);
    }
  });

  test('what is released is empty, once a megabyte is', () => {
    const views = [new Float32Array(3), new DataView(new ArrayBuffer(8)), new Int32Array(1 << 18)];
    for (const view of views) vectors.release(view);
    for (const view of views) expect(view.buffer.byteLength).toBe(0);
  });

  test('slices, and the same list for every row', async () => {
    const [a, b] = softmax(Float64Array.of(2, 3));
    expect(await rows('SELECT softmax([1, 2, 3, 4][2:3]) FROM range(3)')).toEqual(Array(3).fill([[a, b]]));
    const sliced = await rows(
      'SELECT i, softmax(x[2:3]) FROM (SELECT i, [i, 2, 3, i]::DOUBLE[] AS x FROM range(3000) r(i))',
    );
    expect(sliced).toHaveLength(3000);
    for (const [, scores] of sliced) expect(scores).toEqual([a, b]);
  });

  test('dictionaries of Parquet, with NULL among them', async () => {
    const path = join(folder, 'dictionary.parquet');
    await connection.run(
      `COPY (SELECT i, CASE WHEN i % 4 = 0 THEN NULL ELSE [i % 2, 1]::FLOAT[] END AS x FROM range(20000) r(i)) TO '${path}'`,
    );
    const received = await rows(`SELECT i, softmax(x) FROM '${path}'`);
    expect(received).toHaveLength(20_000);
    const even = [...softmax(Float32Array.of(0, 1))];
    for (const [i, scores] of received) {
      const expected = Number(i) % 4 === 0 ? null : Number(i) % 2 === 0 ? even : [0.5, 0.5];
      expect(scores).toEqual(expected);
    }
  });

  test('arguments that differ by row, some of them NULL', async () => {
    const received = await rows(
      `SELECT softmax(x, t), top_k(x, k), log_prob(x, k) FROM (VALUES
        ([1, 2]::FLOAT[], 1, 1), ([1, 2], 2, 0), ([1, 2], NULL, 1), (NULL, 2, 1), ([5], 2, NULL), ([1, 2], 2, 1)) v(x, t, k)`,
    );
    const x = Float32Array.of(1, 2);
    const [cool, warm] = [1, 2].map((temperature) => [...softmax(x, { temperature })]);
    const best = [{ class: 1, probability: cool[1] }];
    const logs = logSoftmax(x);
    expect(received).toEqual([
      [cool, best, logs[1]],
      [warm, [], logs[0]],
      [null, best, logs[1]],
      [null, null, null],
      [[1], null, null],
      [warm, best, logs[1]],
    ]);
  });

  test('lists longer than a vector', async () => {
    const x = Float64Array.from({ length: 10_000 }, (_, j) => (j * j) % 97);
    const sql = 'softmax(list_transform(range(10000), lambda j: (j * j) % 97)::DOUBLE[])';
    expect(await value(sql)).toEqual([...softmax(x)]);
  });
});

describe('sample', () => {
  test('depends on the logits and the seed of its row alone', async () => {
    await connection.run(
      'CREATE OR REPLACE TABLE drawn AS SELECT i, [1, 2, 3, 2]::FLOAT[] AS x FROM range(5000) r(i)',
    );
    const all = await rows('SELECT i, sample(x, 1, i) FROM drawn ORDER BY i');
    const some = await rows('SELECT i, sample(x, 1, i) FROM drawn WHERE i % 7 = 3 ORDER BY i');
    expect(some).toEqual(all.filter(([i]) => Number(i) % 7 === 3));
    expect(new Set(all.map(([, drawn]) => drawn)).size).toBe(4);
  });

  test('takes hash values as seeds', async () => {
    expect(await value('sample([1, 2], 1, hash(42)) < 2')).toBe(true);
  });

  test('draws anew for every row without a seed', async () => {
    const drawn = await rows('SELECT DISTINCT sample([0, 0]::FLOAT[]) AS c FROM range(200) ORDER BY c');
    expect(drawn).toEqual([[0], [1]]);
  });
});

describe('register', () => {
  test('may be called again, and serves all connections of the instance', async () => {
    const instance = await DuckDBInstance.create();
    const first = await instance.connect();
    await register(first);
    await register(first);
    const second = await instance.connect();
    const reader = await second.runAndReadAll('SELECT softmax([1, 1])');
    expect(reader.getRowsJS()).toEqual([[[0.5, 0.5]]]);
  });

  test('tells where a stream made DuckDB forget the functions', async () => {
    const busy = await connect();
    const stream = await busy.stream('SELECT i, md5(i::VARCHAR) FROM range(5000000) r(i)');
    await stream.fetchChunk();
    await expect(register(busy)).rejects.toThrow('Expected a connection without an open stream for register');
    await register(busy);
    const reader = await busy.runAndReadAll('SELECT softmax([1, 1])');
    expect(reader.getRowsJS()).toEqual([[[0.5, 0.5]]]);
  });

  test('refuses anything else', async () => {
    await expect(register({} as DuckDBConnection)).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});

test('logits of Parquet on disk, the three likeliest joined to their labels, in one statement', async () => {
  const logits = join(folder, 'logits.parquet');
  const labels = join(folder, 'labels.csv');
  const x = new Random('duckdb').fill(new Float32Array(4000), 8);
  const list = (row: number) => `'[${x.subarray(row * 4, row * 4 + 4).join()}]'`;
  await connection.run(
    `COPY (SELECT * FROM (VALUES ${Array.from({ length: 1000 }, (_, row) => `(${row}, ${list(row)}::FLOAT[])`)}) t(id, logits)) TO '${logits}'`,
  );
  await connection.run(
    `COPY (SELECT * FROM (VALUES (0, 'dog'), (1, 'cat'), (2, 'horse'), (3, 'cheetah')) t(class, label)) TO '${labels}'`,
  );
  const received = await rows(`
    SELECT id, label, probability
    FROM (SELECT id, unnest(top_k(logits, 3), recursive := true) FROM '${logits}')
    JOIN '${labels}' USING (class)
    ORDER BY id, probability DESC`);
  const { probabilities, indices } = topK(x, 3, { shape: [1000, 4] });
  const names = ['dog', 'cat', 'horse', 'cheetah'];
  expect(received.map(([id, label, probability]) => [Number(id), label, probability])).toEqual(
    Array.from(indices, (c, i) => [Math.floor(i / 3), names[c], probabilities[i]]),
  );
});
