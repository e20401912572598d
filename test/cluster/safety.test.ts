/** Jobs that an attacker writes into the server, and files that are not what they say: each fails, and nothing else. */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { PREFIX, QUEUE } from '../../lib/cli/queue/names.js';
import { parseResult } from '../../lib/cli/queue/results.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';
import { killAll, type Started, start, until } from './started.js';

let folder: string;
let root: string;
let redis: RedisServer;
let queue: Queue;
let client: Redis;
let worker: Started;

const npy = formatNpyHeader("'<f4'", [1, 2]);
const good = Buffer.concat([npy, Buffer.from(Float32Array.of(1, 2).buffer)]);

const inRoot = (name: string) => join(root, name);
const put = (name: string, content: Uint8Array | string) => writeFileSync(inRoot(name), content);

function stamp(path: string) {
  const { size, mtimeMs } = statSync(path);
  return { size, modified: mtimeMs };
}

/** A job of the attacker's, as its state and reason. */
async function attack(job: Record<string, unknown>, more: Record<string, unknown> = {}, name = 'score') {
  const data = { job: { input: inRoot('in.npy'), output: inRoot('out.npy'), ...job }, ...more };
  const added = await queue.add(
    name,
    { stamp: stamp(inRoot('in.npy')), ...data },
    { attempts: 5, backoff: 100 },
  );
  const ended = await end(added);
  return { state: await ended.getState(), attempts: ended.attemptsMade, reason: ended.failedReason };
}

async function end(added: Job): Promise<Job> {
  let job = added;
  await until(`the end of job ${added.id}`, async () => {
    job = (await queue.getJob(added.id ?? '')) ?? added;
    return job.finishedOn !== undefined;
  });
  return job;
}

describe.skipIf(!hasRedis)('a queue that anybody can write to', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-safety-'));
    root = join(folder, 'root');
    for (const name of ['redis', 'root', 'root/sub', 'outside']) mkdirSync(join(folder, name));
    redis = await startRedis(join(folder, 'redis'));
    queue = new Queue(QUEUE, { connection: { port: redis.port }, prefix: PREFIX });
    queue.on('error', () => {});
    client = new Redis({ port: redis.port });
    put('in.npy', good);
    put('sub/in.npy', good);
    writeFileSync(join(folder, 'outside/secret.npy'), good);
    writeFileSync(join(folder, 'outside/kept.npy'), 'kept');
    symlinkSync('sub/in.npy', inRoot('link.npy'));
    symlinkSync(inRoot('sub'), inRoot('links'));
    symlinkSync(join(folder, 'outside/secret.npy'), inRoot('out-link.npy'));
    symlinkSync('../outside', inRoot('out-folder'));
    symlinkSync('../outside/not-there.npy', inRoot('dangling.npy'));
    symlinkSync('../../outside', inRoot('sub/up'));
    symlinkSync('round.npy', inRoot('round.npy'));
    worker = start(['worker', redis.url, '--root', 'root', '--stalled', '2'], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
  });

  afterAll(async () => {
    killAll();
    await queue?.close().catch(() => {});
    client?.disconnect();
    await redis?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  afterEach(() => {
    expect(worker.child.exitCode, worker.told.stderr).toBe(null);
  });

  test('files below the root are scored, by links within it too', async () => {
    for (const [input, output] of [
      ['in.npy', 'out-1.npy'],
      ['link.npy', 'sub/out-2.npy'],
      ['links/in.npy', 'links/out-3.npy'],
    ]) {
      const job = { input: inRoot(input), output: inRoot(output) };
      const ended = await attack(job, { stamp: stamp(job.input) });
      expect(ended, `${input}: ${ended.reason}`).toMatchObject({ state: 'completed' });
      expect(existsSync(inRoot(output))).toBe(true);
    }
    expect(readdirSync(root).some((name) => name.endsWith('.part'))).toBe(false);
  });

  test('a file outside is neither opened nor told of, whatever leads there', async () => {
    const outside = [
      join(folder, 'outside/secret.npy'),
      join(folder, 'outside/not-there.npy'),
      '/etc/passwd',
      `${root}/../outside/secret.npy`,
      `${root}-2/in.npy`,
      inRoot('out-link.npy'),
      inRoot('out-folder/secret.npy'),
      inRoot('out-folder/not-there.npy'),
      inRoot('dangling.npy'),
      inRoot('sub/up/secret.npy'),
      inRoot('links/up/secret.npy'),
    ];
    for (const path of outside) {
      for (const field of ['input', 'output', 'labels', 'truth']) {
        const ended = await attack({ [field]: path });
        expect(ended, `${field} ${path}`).toEqual({
          state: 'failed',
          attempts: 1,
          reason: `Expected a path below the worker's root for ${path} but received one that lies outside the root`,
        });
      }
    }
    expect(readdirSync(join(folder, 'outside')).sort()).toEqual(['kept.npy', 'secret.npy']);
    expect(readFileSync(join(folder, 'outside/secret.npy')).equals(good)).toBe(true);
  });

  test('a file outside is not compared with the output either', async () => {
    linkSync(join(folder, 'outside/secret.npy'), inRoot('same.npy'));
    const path = join(folder, 'outside/secret.npy');
    const { state, reason } = await attack({ output: inRoot('same.npy'), labels: path });
    rmSync(inRoot('same.npy'));
    expect({ state, reason }).toEqual({
      state: 'failed',
      reason: `Expected a path below the worker's root for ${path} but received one that lies outside the root`,
    });
  });

  test('links that go round, folders and pipes are refused', async () => {
    const { spawnSync } = await import('node:child_process');
    spawnSync('mkfifo', [inRoot('pipe.npy')]);
    for (const name of ['round.npy', 'sub', 'pipe.npy', '.', 'in.npy/x']) {
      for (const field of ['input', 'output']) {
        const ended = await attack({ [field]: inRoot(name) });
        expect(ended.state, `${field} ${name}`).toBe('failed');
      }
    }
  });

  test('an option that the command line would refuse fails at once, and is named', async () => {
    const cases: [Record<string, unknown>, string][] = [
      [{ resume: true }, "'resume'"],
      [{ journalBytes: 1 }, "'journalBytes'"],
      [{ blockBytes: 1 }, "'blockBytes'"],
      [{ threads: 1e6 }, "'threads'"],
      [{ shown: 1e9 }, "'shown'"],
      [{ signal: {} }, "'signal'"],
      [{ onProgress: 'x' }, "'onProgress'"],
      [{ constructor: 1 }, "'constructor'"],
      [{ input: '-' }, 'for input but received "-"'],
      [{ output: '-' }, 'for output but received "-"'],
      [{ output: '' }, 'for output'],
      [{ output: null }, 'for output'],
      [{ input: `${root}/in.npy\0` }, 'for input'],
      [{ input: ['x'] }, 'for input'],
      [{ op: 'sort' }, '--op but received "sort"'],
      [{ axis: 0.5 }, '--axis but received 0.5'],
      [{ axis: '0' }, '--axis'],
      [{ axis: 7 }, '--axis'],
      [{ temperature: 0 }, '--temperature but received 0'],
      [{ temperature: null }, '--temperature'],
      [{ temperature: '1' }, '--temperature'],
      [{ topK: 0 }, '--top-k'],
      [{ topK: 1e300 }, '--top-k'],
      [{ format: 'exe' }, '--format'],
      [{ outputFormat: {} }, '--output-format'],
      [{ errors: 'ignore' }, '--errors'],
      [{ keep: 'id' }, '--keep'],
      [{ column: 7 }, '--column'],
      [{ rows: [0, 1e99] }, 'for rows'],
      [{ rows: [1, 0] }, 'for rows'],
      [{ rows: [0, 5] }, 'at least 5 rows'],
      [{ op: 'logsumexp', topK: 3 }, '--top-k'],
    ];
    for (const [job, named] of cases) {
      const ended = await attack(job);
      expect(ended, JSON.stringify(job)).toMatchObject({ state: 'failed', attempts: 1 });
      expect(ended.reason).toContain(named);
    }
    for (const [name, more] of [
      ['score', { parts: [] }],
      ['score', { step: 1 }],
      ['join', { step: 0 }],
      ['join', { step: '1' }],
      ['join', { step: 1e-9 }],
      ['join', {}],
      ['other', {}],
      ['score', { job: 'x' }],
      ['score', { job: null }],
      ['score', { stamp: 7 }],
    ] as const) {
      expect(await attack({}, more, name), JSON.stringify([name, more])).toMatchObject({
        state: 'failed',
        attempts: 1,
      });
    }
  });

  test('parts are counted by the file, and a part that is not there is not made up', async () => {
    const ended = await attack({}, { step: 1 }, 'join');
    expect(ended).toMatchObject({ state: 'failed', attempts: 1 });
    expect(ended.reason).toMatch(/the result of file-.*-0-1/);
  });

  test('a damaged Parquet fails its own job, and the submitter names it', async () => {
    const rows = Array.from({ length: 3000 }, (_, id) => `{"id":${id},"logits":[${Math.sin(id)},1]}\n`);
    put('rows.ndjson', rows.join(''));
    const made = start(['score', 'rows.ndjson', '-o', 'whole.parquet', '-q'], root);
    expect(await made.ended).toMatchObject({ code: 0 });
    const whole = readFileSync(inRoot('whole.parquet'));
    const length = whole.readUInt32LE(whole.length - 8);
    mkdirSync(inRoot('damaged'));
    // The pages are cut out, are zero, or noise; the directory at the end is whole.
    put('damaged/cut.parquet', Buffer.concat([whole.subarray(0, 4), whole.subarray(20_004)]));
    put('damaged/zero.parquet', Buffer.from(whole).fill(0, 4, whole.length - 8 - length));
    put('damaged/noise.parquet', Buffer.from(whole).fill('noise', 4, whole.length - 8 - length));
    put('damaged/short.parquet', whole.subarray(0, whole.length - 20));
    copyFileSync(inRoot('in.npy'), inRoot('damaged/good.npy'));
    const submitted = start(
      ['score', 'damaged/*', '-o', 'mended/', '--queue', redis.url, '--column', 'probabilities', '--json'],
      root,
    );
    const { code, stdout, stderr } = await submitted.ended;
    expect(code).toBe(1);
    for (const name of ['cut', 'zero', 'noise', 'short']) {
      expect(stderr).toMatch(new RegExp(`^damaged/${name}\\.parquet: Expected `, 'm'));
    }
    expect(JSON.parse(stdout).failed).toHaveLength(5);
  });

  test('a header that lies fills neither the memory nor the queue', async () => {
    put('lies.npy', formatNpyHeader("'<f4'", [Number.MAX_SAFE_INTEGER, 0]));
    const submitted = start(
      ['score', 'lies.npy', '-o', 'lies-out.npy', '--queue', redis.url, '--part-rows', '7'],
      root,
    );
    const { code, stderr } = await submitted.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^simd-softmax: Expected at most \d+ rows without classes for .*lies\.npy/m);
    expect(await queue.getJobCountByTypes('waiting', 'active', 'delayed', 'waiting-children')).toBe(0);
  });

  /** A job as whoever reaches the server can write it. */
  async function write(id: string, hash: Record<string, string>): Promise<void> {
    const key = `${PREFIX}:${QUEUE}`;
    await client.hset(`${key}:${id}`, { timestamp: '1', ...hash });
    await client.lpush(`${key}:wait`, id);
    await client.zadd(`${key}:marker`, 0, '0');
  }

  test('a job nested too deep to be handed over fails, and leaves no process behind', async () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    const processes = () =>
      readFileSync(`/proc/${worker.child.pid}/task/${worker.child.pid}/children`, 'utf8').trim().split(' ');
    expect(await attack({ output: inRoot('before.npy') })).toMatchObject({ state: 'completed' });
    const before = processes();
    for (let i = 0; i < 3; i++) {
      await write(`deep-${i}`, { name: 'score', data: `{"job":${deep}}`, opts: '{}' });
      await write(`deep-group-${i}`, { name: 'group', data: `{"files":[{"job":${deep}}]}`, opts: '{}' });
      for (const id of [`deep-${i}`, `deep-group-${i}`]) {
        await until(`the end of ${id}`, async () => (await queue.getJobState(id)) === 'failed');
      }
    }
    expect(await attack({ output: inRoot('after.npy') })).toMatchObject({ state: 'completed' });
    expect(processes()).toEqual(before);
  });

  test('a job that cannot be begun is removed, and told of', { timeout: 60_000 }, async () => {
    const written = {
      'torn-data': { data: '\x1b]0;title\x07', opts: '{}' },
      'torn-options': { data: '{}', opts: 'none' },
      'no-options': { data: '{}', opts: 'null' },
      // BullMQ makes the next of a series, and there is none.
      series: { data: '{}', opts: '{}', rjk: 'a:b:c' },
    };
    for (const [id, hash] of Object.entries(written)) await write(id, { name: 'score', ...hash });
    for (const id of Object.keys(written)) {
      await until(`the end of ${id}`, () =>
        worker.told.stderr.includes(`nobody can begin is removed: ${id}`),
      );
      expect(await client.exists(`${PREFIX}:${QUEUE}:${id}`)).toBe(0);
    }
    expect(worker.told.stderr).not.toContain('\x1b');
    expect(await attack({ output: inRoot('later.npy') })).toMatchObject({ state: 'completed' });
  });

  test('jobs that nobody can read are listed, and neither tried again nor waited for', async () => {
    const submit = () => start(['score', 'in.npy', '-o', 'waited.npy', '--queue', redis.url], root).ended;
    expect(await submit()).toMatchObject({ code: 0 });
    const own = (await queue.getJobs(['completed'])).find(({ data }) =>
      data.job.output.endsWith('/waited.npy'),
    );
    await client.hset(`${PREFIX}:${QUEUE}:${own?.id}`, 'data', 'torn');
    expect(await submit()).toMatchObject({ code: 0 });

    await client.hset(`${PREFIX}:${QUEUE}:torn`, { name: 'score', data: '\x1b', opts: '{}', timestamp: '1' });
    await queue.clean(0, 0, 'failed');
    await client.zadd(`${PREFIX}:${QUEUE}:failed`, 1, 'torn');
    const listed = await start(['queue', redis.url, '--retry', '--root', 'root'], folder).ended;
    expect(listed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('job torn: nobody can read it'),
    });
    expect(listed.stdout).toContain('  job torn: nobody can read it\n');
    await client.zrem(`${PREFIX}:${QUEUE}:failed`, 'torn');
  });

  test('what a job answers is printed escaped', () => {
    const counts = { count: 0, first: [] };
    const evil = '\x1b]0;title\x07';
    const { report } = parseResult({
      report: {
        ...{ input: 'a', output: 'b', op: evil, dtype: evil, shape: [], axis: 1, temperature: 1, rows: 1 },
        ...{ seconds: 1, elapsed: 1, resumed: 0, bad: counts, nan: counts },
        backend: { kind: evil, isa: evil, threads: 1 },
      },
      stamp: { size: 1, modified: 1 },
      bytes: 1,
    });
    const { op, dtype, backend } = report;
    for (const text of [op, dtype, backend.kind, backend.isa]) expect(text).toBe('\\u001b]0;title\\u0007');
  });

  test('hard links and names with control characters are files like others, and printed escaped', async () => {
    linkSync(inRoot('in.npy'), inRoot('\x1b]0;title\x07\x9b31m\n.npy'));
    const name = '\x1b]0;title\x07\x9b31m\n.npy';
    const submitted = start(['score', name, '-o', 'escaped.npy', '--queue', redis.url], root);
    expect(await submitted.ended).toMatchObject({ code: 0 });
    await until('a line of it', () => worker.told.stderr.includes('\\u001b]0;title\\u0007\\u009b31m\\n.npy'));
    expect(worker.told.stderr).not.toContain('\x1b');
    expect(worker.told.stderr).not.toContain('\x9b');
  });
});
