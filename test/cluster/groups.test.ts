/** Small files that are one job together: each keeps its own output, its own tries and its own reason. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { isGroup, unitsOf } from '../../lib/cli/queue/groups.js';
import type { FileJob } from '../../lib/cli/queue/jobs.js';
import { PREFIX, QUEUE } from '../../lib/cli/queue/names.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';
import { killAll, type Started, start, until } from './started.js';

const MB = 2 ** 20;

function fileJobs(sizes: readonly number[]): FileJob[] {
  return sizes.map((size, i) => ({
    id: `file-${i}`,
    job: { input: `/in/${i}.npy`, output: `/out/${i}.npy` },
    stamp: { size, modified: 1 },
    pair: { input: `in/${i}.npy`, output: `out/${i}.npy` },
    parts: [],
    rows: undefined,
  }));
}

describe('which files are a job together', () => {
  const sizes = (files: readonly FileJob[]) =>
    unitsOf(files).map((unit) => (isGroup(unit) ? unit.files.length : 1));

  test('none of few files, so that all workers have some', () => {
    expect(sizes(fileJobs(Array(63).fill(MB)))).toEqual(Array(63).fill(1));
  });

  test('at most 16 files, and 16 MB', () => {
    expect(sizes(fileJobs(Array(1000).fill(MB / 2)))).toEqual([...Array(62).fill(16), 8]);
    expect(sizes(fileJobs(Array(1000).fill(3 * MB)))).toEqual(Array(200).fill(5));
  });

  test('a large file is alone, and the order stays', () => {
    const files = fileJobs([...Array(100).fill(MB), 5 * MB, ...Array(100).fill(MB)]);
    const units = unitsOf(files);
    expect(units.flatMap((unit) => (isGroup(unit) ? unit.files : [unit]))).toEqual(files);
    expect(units.filter((unit) => !isGroup(unit))).toContain(files[100]);
    expect(Math.max(...sizes(files))).toBe(6);
  });

  test('the same files are the same groups again', () => {
    const ids = () => unitsOf(fileJobs(Array(200).fill(MB))).map(({ id }) => id);
    expect(ids()).toEqual(ids());
    expect(new Set(ids()).size).toBe(ids().length);
  });
});

const FILES = 66;

describe.skipIf(!hasRedis)('a queue of groups', () => {
  let folder: string;
  let redis: RedisServer;
  let queue: Queue;
  let worker: Started;

  const put = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, name), content);
  const read = (name: string) => readFileSync(join(folder, name));
  const submit = () => start(['score', 'in/*', '-o', 'out/', '--queue', redis.url, '--json'], folder).ended;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-groups-'));
    for (const name of ['redis', 'in']) mkdirSync(join(folder, name));
    redis = await startRedis(join(folder, 'redis'));
    queue = new Queue(QUEUE, { connection: { port: redis.port }, prefix: PREFIX });
    queue.on('error', () => {});
    for (let i = 0; i < FILES; i++) {
      const logits = Float32Array.from({ length: 50 }, (_, at) => 5 * Math.sin(at * at + i));
      put(`in/${i}.npy`, Buffer.concat([formatNpyHeader("'<f4'", [5, 10]), Buffer.from(logits.buffer)]));
    }
    expect((await start(['score', 'in/*', '-o', 'single/'], folder).ended).code).toBe(0);
    put('in/20.npy', read('in/20.npy').subarray(0, 200));
    // Stands for a library that crashes: whoever opens this file to score it is gone.
    put(
      'deadly.mjs',
      `import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      const { openSync } = fs;
      fs.openSync = (path, ...others) => {
        if (process.argv[2] === 'score-for-worker' && String(path).endsWith('/30.npy')) {
          fs.appendFileSync('deaths', 'one\\n');
          process.kill(process.pid, 'SIGKILL');
        }
        return openSync(path, ...others);
      };
      syncBuiltinESMExports();`,
    );
    worker = start(['worker', redis.url, '--stalled', '2', '--metrics', '0'], folder, {
      NODE_OPTIONS: `--import=${pathToFileURL(join(folder, 'deadly.mjs'))}`,
    });
    await until('the worker', () => worker.told.stderr.includes('waiting'));
  });

  afterAll(async () => {
    killAll();
    await queue?.close().catch(() => {});
    await redis?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  function expectOutcome({ code, stdout, stderr }: Awaited<ReturnType<typeof submit>>): void {
    expect(code, stderr).toBe(1);
    const named = stderr.split('\n').filter((line) => line.startsWith('in/'));
    expect(named.sort()).toEqual([
      expect.stringMatching(/^in\/20\.npy: Expected 200 bytes of data .*truncated/),
      expect.stringMatching(/^in\/30\.npy: Expected .* ended 2 processes \(SIGKILL\): it is poisoned$/),
    ]);
    expect(JSON.parse(stdout).files).toHaveLength(FILES - 2);
    const good = readdirSync(join(folder, 'single')).filter((name) => !/^(20|30)\./.test(name));
    expect(readdirSync(join(folder, 'out')).sort()).toEqual(good.sort());
    for (const name of good) expect(read(`out/${name}`).equals(read(`single/${name}`)), name).toBe(true);
  }

  test('a damaged file and one that ends its process fail alone, the others are scored', async () => {
    expectOutcome(await submit());
    expect(String(read('deaths'))).toBe('one\none\n');
    // Two files to a job, and a job of its own for each that failed.
    expect(await queue.getJobCounts('completed', 'failed', 'active', 'waiting')).toEqual({
      completed: FILES / 2,
      failed: 2,
      active: 0,
      waiting: 0,
    });
    const [, metrics] = worker.told.stderr.match(/metrics on (\S+)/) ?? [];
    const text = await (await fetch(metrics)).text();
    expect(text).toContain(`simd_softmax_jobs_completed_total ${FILES - 2}\n`);
    expect(text).toContain(`simd_softmax_rows_total ${5 * (FILES - 2)}\n`);
  });

  test('the same command again finds what is done, and does anew what failed or is gone', async () => {
    const before = new Map(
      readdirSync(join(folder, 'out')).map((name) => [name, statSync(join(folder, 'out', name)).mtimeMs]),
    );
    rmSync(join(folder, 'out/40.npy'));
    rmSync(join(folder, 'deaths'));
    expectOutcome(await submit());
    expect(existsSync(join(folder, 'deaths'))).toBe(true);
    const untouched = [...before].filter(
      ([name, time]) => statSync(join(folder, 'out', name)).mtimeMs === time,
    );
    // What is gone, and whatever shares a job with it or with what had failed.
    const redone = before.size - untouched.length;
    expect(redone).toBeGreaterThan(0);
    expect(redone).toBeLessThanOrEqual(4);
  });

  test('sizes and ranges of a group that lie make its files fail, each by itself', async () => {
    const path = join(folder, 'in/1.npy');
    const { size, mtimeMs: modified } = statSync(path);
    const file = (output: string, more: object, stamp: object) => ({
      job: { input: path, output: join(folder, 'lies', output), ...more },
      stamp: { size, modified, ...stamp },
    });
    mkdirSync(join(folder, 'lies'));
    const failed = await queue.getFailedCount();
    const added = await queue.add('group', {
      files: [
        file('small.npy', {}, { size: 1 }),
        file('large.npy', {}, { size: 1e15 }),
        file('early.npy', {}, { modified: 0 }),
        file('rows.npy', { rows: [0, 1e15] }, {}),
        file('good.npy', {}, {}),
      ],
    });
    await until('their end', async () => (await queue.getFailedCount()) === failed + 4);
    expect(await added.getState()).toBe('completed');
    const reasons = (await queue.getFailed(0, 3)).map((job) => job.failedReason).sort();
    expect(reasons).toEqual([
      expect.stringMatching(/at least 1000000000000000 rows/),
      ...Array(3).fill(expect.stringMatching(/but received one that has changed since$/)),
    ]);
    expect(readdirSync(join(folder, 'lies'))).toEqual(['good.npy']);
  });

  test('a group of anything else fails, and reaches no file outside the root', async () => {
    put('outside.npy', read('in/1.npy'));
    const stamp = { size: 1, modified: 1 };
    const outside = { job: { input: '/etc/hostname', output: join(folder, 'stolen.npy') }, stamp };
    const jobs = [
      { files: [] },
      { files: Array(17).fill(outside) },
      { files: [outside], more: 1 },
      { files: [{ ...outside, endedOne: 'yes' }] },
      null,
    ];
    const failed = await queue.getFailedCount();
    for (const data of jobs) await queue.add('group', data);
    await queue.add('group', { files: [outside] });
    await until('their end', async () => (await queue.getFailedCount()) === failed + jobs.length + 1);
    const [last] = await queue.getFailed(0, 0);
    expect(last.failedReason).toMatch(/outside the root/);
    expect(existsSync(join(folder, 'stolen.npy'))).toBe(false);
  });
});
