/**
 * `npm run test:cluster`: `score --queue` and `worker` as users run them, on a Redis server that this test starts, with
 * workers and the server killed in the middle. Every output must be what the run without a queue writes.
 */
import {
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
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { PREFIX, QUEUE } from '../../lib/cli/queue/names.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';
import { killAll, QUIET, start as startIn, until } from './started.js';

const ROWS = 40_000;
const CLASSES = 50;

if (!hasRedis) console.warn('\n*** SKIPPED the queue: apt-get install redis-server ***\n');

let folder: string;
let redis: RedisServer;
let queue: Queue;

const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => startIn(args, folder, env);
const run = (...args: string[]) => start(args).ended;
const submit = (...args: string[]) => start(['score', '--queue', redis.url, '--json', ...args]);
const worker = (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  start(['worker', '--queue', redis.url, '--stalled', '2', ...args], env);

async function stop(...workers: readonly ReturnType<typeof start>[]): Promise<void> {
  for (const { child } of workers) child.kill('SIGINT');
  for (const { ended } of workers) expect(await ended).toMatchObject({ code: 0, signal: null });
}

/** Whether a worker is at work. */
async function isBusy({ child }: ReturnType<typeof start>): Promise<boolean> {
  const active = await queue.getActive();
  return active.some((job) => job?.processedBy?.endsWith(`:${child.pid}`));
}

/** Kills a worker in the middle of a job: stopped first, so that the job cannot end meanwhile. */
async function killAtWork(victim: ReturnType<typeof start>): Promise<void> {
  await until('a worker at work', async () => {
    victim.child.kill('SIGSTOP');
    if (await isBusy(victim)) return true;
    victim.child.kill('SIGCONT');
    return false;
  });
  victim.child.kill('SIGKILL');
  expect(await victim.ended).toMatchObject({ signal: 'SIGKILL' });
}

/** All files of two folders, byte by byte. What a killed process had begun has a name that nobody asks for. */
function expectSameFiles(name: string, reference: string): void {
  const files = (path: string) =>
    readdirSync(join(folder, path)).filter((file) => !/\.\d+-[0-9a-f]{8}\.part$/.test(file));
  expect(files(name)).toEqual(files(reference));
  for (const file of files(name)) {
    const [received, wanted] = [name, reference].map((path) => readFileSync(join(folder, path, file)));
    expect(received.equals(wanted), `${name}/${file}`).toBe(true);
  }
}

const logit = (i: number) => 5 * Math.sin(i * i + 1);
const logits = (length: number, from = 0) => Float32Array.from({ length }, (_, i) => logit(i + from));

function npy(x: Float32Array, shape: readonly number[]): Buffer {
  return Buffer.concat([formatNpyHeader("'<f4'", shape), Buffer.from(x.buffer)]);
}

const put = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, name), content);

describe.skipIf(!hasRedis)('a queue', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-cluster-'));
    mkdirSync(join(folder, 'redis'));
    redis = await startRedis(join(folder, 'redis'));
    queue = new Queue(QUEUE, { connection: { port: redis.port }, prefix: PREFIX });
    queue.on('error', () => {});

    mkdirSync(join(folder, 'in'));
    put('in/big.npy', npy(logits(ROWS * CLASSES), [40, ROWS / 40, CLASSES]));
    for (let i = 0; i < 8; i++) put(`in/${i}.npy`, npy(logits(300 * 17, i), [300, 17]));
    const rows = Array.from({ length: 500 }, (_, row) => [...logits(10, row)]);
    put('in/rows.ndjson', rows.map((x, id) => `${JSON.stringify({ id, logits: x })}\n`).join(''));
    const header = 'abcdefghij'.split('').join(',');
    put('in/rows.csv', `${header}\n${rows.map((x) => `${x}\n`).join('')}`);
    put('in/poison.npy', npy(logits(100), [10, 10]).subarray(0, 200));
  });

  afterEach(killAll);

  afterAll(async () => {
    await queue?.close().catch(() => {});
    await redis?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test('a worker killed, Redis restarted, a poisoned file: no row lost, none twice, the same bytes', async () => {
    const single = await run('score', 'in/*', '-o', 'single/', '--json');
    expect(single.code).toBe(1);

    const workers = [0, 1, 2].map(() => worker(['--rate', '12']));
    const submission = submit('in/*', '-o', 'out/', '--part-rows', '1500');
    const done = (count: number) =>
      until(`${count} jobs`, async () => (await queue.getCompletedCount()) >= count);
    await done(5);
    await killAtWork(workers[0]);
    await done(15);
    await redis.restart(500);

    const { code, stdout, stderr } = await submission.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('in/poison.npy: Expected 400 bytes of data');
    const [summary, reference] = [stdout, single.stdout].map((text) => JSON.parse(text));
    expect(summary.rows).toBe(ROWS + 8 * 300 + 2 * 500);
    expect(summary.rows).toBe(reference.rows);
    expect(summary.files.map((file: { shape: unknown }) => file.shape)).toEqual(
      reference.files.map((file: { shape: unknown }) => file.shape),
    );
    expect(summary.failed).toHaveLength(1);
    expect(summary.failed[0].input).toBe('in/poison.npy');

    expectSameFiles('out', 'single');
    const ids = readFileSync(join(folder, 'out/rows.ndjson'), 'utf8').trim().split('\n');
    expect(ids.map((line) => JSON.parse(line).id)).toEqual(Array.from({ length: 500 }, (_, id) => id));

    const poisoned = await queue.getFailed();
    expect(poisoned.map((job) => job.attemptsMade)).toEqual([1]);
    expect(workers.slice(1).some(({ told }) => told.stderr.includes('lost its worker'))).toBe(true);
    await stop(...workers.slice(1));
  });

  test('the same command again finds what is done, and does anew what is gone', async () => {
    const [first] = [worker()];
    expect((await submit('in/[0-2].npy', '-o', 'again/').ended).code).toBe(0);
    await stop(first);
    // No worker is there to do it.
    expect((await submit('in/[0-2].npy', '-o', 'again/').ended).code).toBe(0);

    rmSync(join(folder, 'again/1.npy'));
    const waiting = submit('in/[0-2].npy', '-o', 'again/');
    await until('a word on workers', () => waiting.told.stderr.includes('no worker'));
    waiting.child.kill('SIGINT');
    const { signal, stderr } = await waiting.ended;
    expect(signal).toBe('SIGINT');
    expect(stderr).toContain('The jobs go on; the same command again waits for them.');

    const second = worker();
    await until('the job of a command that is gone', () => existsSync(join(folder, 'again/1.npy')));
    await stop(second);
    const last = await submit('in/[0-2].npy', '-o', 'again/').ended;
    expect(last.code).toBe(0);
    expect(JSON.parse(last.stdout)).toMatchObject({ rows: 900, failed: [] });
    mkdirSync(join(folder, 'three'));
    for (const i of [0, 1, 2]) put(`three/${i}.npy`, readFileSync(join(folder, `single/${i}.npy`)));
    expectSameFiles('again', 'three');
  });

  test('parts of a file: the best classes, rows left out, and logSumExp are those of one run', async () => {
    const x = logits(ROWS * CLASSES);
    for (const row of [7, 20_000, 39_999]) x[row * CLASSES + 3] = Number.NaN;
    put('nan.npy', npy(x, [ROWS, CLASSES]));
    const helper = worker(['--concurrency', '2']);
    const cases = [['--top-k', '3'], ['--errors', 'skip'], ['--op', 'logsumexp', '--temperature', '0.7'], []];
    for (const [i, options] of cases.entries()) {
      const local = await run('score', 'nan.npy', '-o', `local-${i}.npy`, '--json', ...options);
      const queued = await submit('nan.npy', '-o', `queued-${i}.npy`, '--part-rows', '9000', ...options)
        .ended;
      expect(queued, options.join(' ')).toMatchObject({ code: 0, stderr: expect.stringMatching(QUIET) });
      const [wanted, received] = [local, queued].map(({ stdout }) => JSON.parse(stdout));
      for (const field of ['input', 'shape', 'rows', 'bad', 'nan', 'classes', 'dtype', 'op', 'temperature']) {
        expect(received[field], field).toEqual(wanted[field]);
      }
      expect(
        readFileSync(join(folder, `queued-${i}.npy`)).equals(readFileSync(join(folder, `local-${i}.npy`))),
      ).toBe(true);
    }

    // A row at fault is named by its number in the file; nothing is left behind.
    const failed = await submit('nan.npy', '-o', 'fails.npy', '--part-rows', '9000', '--errors', 'fail')
      .ended;
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/row (7|20000|39999) of .*nan\.npy/);
    expect(existsSync(join(folder, 'fails.npy'))).toBe(false);
    await stop(helper);
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
    expect(await queue.getJobCountByTypes('waiting', 'active', 'delayed')).toBe(0);
  });

  test('SIGTERM: a worker gives its job back, whole, to another', async () => {
    const rows = 200_000;
    put('zeros.npy', formatNpyHeader("'<f4'", [rows, 500]));
    truncateSync(join(folder, 'zeros.npy'), 128 + rows * 500 * 4);
    const slow = worker([], { SIMD_SOFTMAX_BACKEND: 'js' });
    const submission = submit('zeros.npy', '-o', 'zeros-out.npy', '--op', 'logsumexp');
    await until('a worker at work', () => isBusy(slow));
    slow.child.kill('SIGTERM');
    expect(await slow.ended).toMatchObject({ code: 0, signal: null });
    expect(await queue.getWaitingCount()).toBe(1);
    expect(existsSync(join(folder, 'zeros-out.npy'))).toBe(false);
    const other = worker();
    expect((await submission.ended).code).toBe(0);
    await stop(other);
  });

  test('a job that loses three workers is poisoned', async () => {
    const rows = 400_000;
    put('deadly.npy', formatNpyHeader("'<f4'", [rows, 500]));
    truncateSync(join(folder, 'deadly.npy'), 128 + rows * 500 * 4);
    const submission = submit('deadly.npy', '-o', 'deadly-out.npy', '--op', 'logsumexp');
    for (let losses = 0; losses < 3; losses++) await killAtWork(worker([], { SIMD_SOFTMAX_BACKEND: 'js' }));
    const witness = worker();
    const { code, stderr } = await submission.ended;
    expect(stderr).toMatch(/received one that lost its worker again and again: it is poisoned$/m);
    expect(code).toBe(1);
    expect(existsSync(join(folder, 'deadly-out.npy'))).toBe(false);
    expect((await submit('in/0.npy', '-o', 'after-deadly.npy').ended).code).toBe(0);
    await stop(witness);
  });

  test('what is wrong is told in one line', async () => {
    const nowhere = await run('score', 'in/0.npy', '-o', 'x.npy', '--queue', 'redis://127.0.0.1:1');
    expect(nowhere).toMatchObject({ code: 1, stdout: '' });
    expect(nowhere.stderr).toMatch(
      /^simd-softmax: Expected a Redis server for redis:\/\/127\.0\.0\.1:1 but received .*ECONNREFUSED.*\n$/,
    );
    for (const args of [
      ['worker', '--queue', 'http://user:secret@here'],
      ['worker'],
      ['score', 'in/0.npy', '--queue', redis.url],
      ['score', 'in/0.npy', '-o', 'x.npy', '--queue', redis.url, '--resume'],
      ['score', 'in/0.npy', '-o', 'x.npy', '--part-rows', '5'],
      ['score', '-', '-o', 'x.npy', '--queue', redis.url],
    ]) {
      const { code, stderr } = await run(...args);
      expect(code, args.join(' ')).toBe(2);
      expect(stderr).toMatch(/^simd-softmax: Expected [^\n]+\n$/);
      expect(stderr).not.toContain('secret');
    }
  });
});
