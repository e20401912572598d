/** Jobs that wait in a worker, beside the one that is scored. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { PREFIX, QUEUE } from '../../lib/cli/queue/names.js';
import { hasPostgres, startPostgres } from './postgres.js';
import { hasRedis, startRedis } from './redis.js';
import { killAll, start, until } from './started.js';

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

const hasServer = { Redis: hasRedis, PostgreSQL: hasPostgres };

describe.each(['Redis', 'PostgreSQL'] as const)('%s', (kind) => {
  let folder: string;
  let server: Server;

  const put = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, name), content);
  const startWorker = async () => {
    const worker = start(['worker', server.url, '--stalled', '2'], folder, {
      NODE_OPTIONS: `--import=${pathToFileURL(join(folder, 'hook.mjs'))}`,
    });
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    return worker;
  };
  const submit = (files: readonly string[], output: string) =>
    start(['score', ...files, '-o', `${output}/`, '--queue', server.url], folder);
  const isDone = (path: string) => existsSync(join(folder, path));

  beforeAll(async () => {
    if (!hasServer[kind]) return;
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-held-'));
    mkdirSync(join(folder, 'server'));
    server = kind === 'Redis' ? await startRedis(join(folder, 'server')) : await startPostgres('hunter2');
    const logits = new Uint8Array(Float32Array.of(1, 2).buffer);
    for (const name of ['slow', 'killer', ...'abcdefgh']) {
      put(`${name}.npy`, Buffer.concat([formatNpyHeader("'<f4'", [1, 2]), logits]));
    }
    // A file that takes as long as the test says, and one that stands for a machine that ends.
    put(
      'hook.mjs',
      `import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      const { openSync } = fs;
      fs.openSync = (path, ...others) => {
        if (process.argv[2] === 'score-for-worker') {
          if (String(path).endsWith('/killer.npy')) for (const pid of [process.ppid, process.pid]) process.kill(pid, 'SIGKILL');
          const nap = new Int32Array(new SharedArrayBuffer(4));
          if (String(path).endsWith('/slow.npy')) while (!fs.existsSync('go')) Atomics.wait(nap, 0, 0, 20);
        }
        return openSync(path, ...others);
      };
      syncBuiltinESMExports();`,
    );
  });

  afterEach(killAll);
  afterAll(async () => {
    await server?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test.skipIf(!hasServer[kind])('none waits while another worker is idle', async () => {
    const first = await startWorker();
    // Many short ones first, so that another waits.
    const submitted = submit(['a.npy', 'b.npy', 'slow.npy', 'c.npy', 'd.npy'], 'out');
    await until('the short ones', () => isDone('out/b.npy'));
    const second = await startWorker();
    await until('what waited', () => isDone('out/c.npy') && isDone('out/d.npy'));
    expect(isDone('out/slow.npy')).toBe(false);
    put('go', '');
    expect((await submitted.ended).code).toBe(0);
    for (const { child } of [first, second]) child.kill('SIGINT');
    for (const { ended } of [first, second]) expect(await ended).toMatchObject({ code: 0, signal: null });
  });

  test.skipIf(!hasServer[kind])('Ctrl-C gives back what waits, and ends what is scored', async () => {
    rmSync(join(folder, 'go'), { force: true });
    const first = await startWorker();
    const submitted = submit(['a.npy', 'b.npy', 'slow.npy', 'c.npy', 'd.npy'], 'stopped');
    await until('the slow one', () => isDone('stopped/b.npy') && first.told.stderr.includes('b.npy'));
    first.child.kill('SIGINT');
    await until('the word', () => first.told.stderr.includes('no more jobs'));
    put('go', '');
    expect(await first.ended).toMatchObject({ code: 0, signal: null });
    expect(readdirSync(join(folder, 'stopped')).filter((name) => name.endsWith('.part'))).toEqual([]);
    const second = await startWorker();
    expect((await submitted.ended).code).toBe(0);
    second.child.kill('SIGINT');
    expect((await second.ended).code).toBe(0);
  });

  test.skipIf(!hasServer[kind])('a job that ends workers takes no other along', async () => {
    const workers = await Promise.all(Array.from({ length: 4 }, startWorker));
    const files = ['a', 'b', 'c', 'killer', 'd', 'e', 'f', 'g', 'h'].map((name) => `${name}.npy`);
    const { code, stderr } = await submit(files, 'killed').ended;
    expect(code, stderr).toBe(1);
    expect(stderr.split('\n').filter((line) => /^\w+\.npy:/.test(line))).toEqual([
      expect.stringMatching(/^killer\.npy: .* lost its worker again and again: it is poisoned$/),
    ]);
    expect(readdirSync(join(folder, 'killed')).filter((name) => name.endsWith('.npy'))).toHaveLength(8);
    const dead = workers.filter(({ child }) => child.signalCode === 'SIGKILL');
    expect(dead).toHaveLength(3);
    if (kind === 'PostgreSQL') return;
    const queue = new Queue(QUEUE, { connection: { url: server.url }, prefix: PREFIX });
    const jobs = await queue.getCompleted();
    await queue.close();
    expect(Math.max(...jobs.map(({ stalledCounter }) => stalledCounter))).toBeLessThanOrEqual(1);
  });
});
