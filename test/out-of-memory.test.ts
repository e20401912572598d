/** Each thread of the engine holds a page: where memory runs out, one thread may manage. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { aloneIfShort, type Engine, EngineError, openEngine } from '../lib/cli/duckdb/engine.js';
import { parquetRelation } from '../lib/cli/duckdb/parquet.js';
import { runStatement, type Statement } from '../lib/cli/duckdb/statement.js';
import { newDuckDB } from './duckdb-files.js';

const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const SHORT = 'Out of Memory Error: failed to allocate data of size 64.0 MiB (300.0 MiB/381.4 MiB used)';

/** An engine whose first statements that write run out of memory; `ran` has all that it was asked to run. */
async function newShortEngine(times: number): Promise<{ engine: Engine; ran: string[] }> {
  const engine = await openEngine(2);
  const ran: string[] = [];
  let left = times;
  return {
    ran,
    engine: {
      ...engine,
      async run(sql, signal) {
        ran.push(sql.split(' (')[0]);
        if (sql.startsWith('COPY') && left-- > 0) throw new EngineError(SHORT);
        return await engine.run(sql, signal);
      },
    },
  };
}

async function score(engine: Engine) {
  const name = at('in.parquet');
  await newDuckDB().run(
    `COPY (SELECT i AS id, [1.5, 0.5, i]::FLOAT[] AS logits FROM range(5000) t(i)) TO '${name}'`,
  );
  const choice = { column: undefined, keep: undefined, header: undefined, delimiter: undefined };
  const relation = await parquetRelation(engine, { name, path: name }, { ...choice, truth: undefined });
  const statement: Statement = {
    ...{ relation, name, first: 0, range: undefined, op: 'softmax', errors: undefined, classes: undefined },
    ...{ truth: undefined, signal: undefined, to: at('out.parquet'), format: 'parquet', header: true },
    content: {
      ...{ content: 'all', width: 3, name: 'probabilities', labels: undefined },
      top: { label: 'class', score: 'score' },
    },
    ...{
      temperature: 1,
      topK: undefined,
      threads: 1,
      rowBytes: 16,
      metadata: undefined,
      compression: undefined,
    },
  };
  return await runStatement(engine, statement);
}

describe('an engine that runs out of memory', () => {
  test('scores once more, with one thread, all rows and each counted once', async () => {
    const { engine, ran } = await newShortEngine(1);
    const written = await score(engine);
    expect(written).toMatchObject({ rows: 5000, seen: { rows: 5000 }, bad: { count: 0 } });
    expect(ran).toEqual(['COPY', 'SET threads = 1', 'COPY']);
    expect(await newDuckDB().arrays(`SELECT count(*), min(id), max(id) FROM '${at('out.parquet')}'`)).toEqual(
      [['5000', '0', '4999']],
    );
    engine.close();
  });

  test('is told where one thread does not manage either', async () => {
    const { engine, ran } = await newShortEngine(2);
    await expect(score(engine)).rejects.toThrow(
      `Expected a Parquet file for ${at('in.parquet')} but received failed to allocate data of size 64.0 MiB`,
    );
    expect(ran).toEqual(['COPY', 'SET threads = 1', 'COPY']);
    engine.close();
  });

  test('does a task again alone, and no task that failed for another reason', async () => {
    const ran: string[] = [];
    const engine = { run: async (sql: string) => ran.push(sql) } as unknown as Engine;
    const tries: boolean[] = [];
    const task = async (alone: boolean) => {
      tries.push(alone);
      if (!alone) throw new EngineError(SHORT);
      return 'done';
    };
    expect(await aloneIfShort(engine, undefined, task)).toBe('done');
    expect([tries, ran]).toEqual([[false, true], ['SET threads = 1']]);
    const broken = async () => {
      throw new EngineError('Invalid Input Error: no such thing');
    };
    await expect(aloneIfShort(engine, undefined, broken)).rejects.toThrow('no such thing');
    expect(ran).toHaveLength(1);
  });
});
