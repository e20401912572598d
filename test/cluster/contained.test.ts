/** What a file does to the process that scores it stays there. */
import {
  appendFileSync,
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
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';
import { killAll, type Started, start, until } from './started.js';

let folder: string;
let redis: RedisServer;
let worker: Started;

const submit = (...args: string[]) => start(['score', '--queue', redis.url, ...args], folder);
const put = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, name), content);

/** The process that writes this output: its number is in the name until the output is whole. */
function scoringProcess(output: string): number | undefined {
  const [pid] = readdirSync(folder).flatMap((name) => {
    const [, pid] = name.startsWith(`${output}.`) ? (name.match(/\.(\d+)-[0-9a-f]+\.part$/) ?? []) : [];
    return pid !== undefined && isAlive(Number(pid)) ? [Number(pid)] : [];
  });
  return pid;
}

async function atWork(output: string): Promise<number> {
  await until('a process at work', () => scoringProcess(output) !== undefined);
  return scoringProcess(output) ?? 0;
}

/** One that ended may wait for its parent to look. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Zeros, of which no byte is on the disk. */
function putLarge(name: string, rows: number, classes: number) {
  put(name, formatNpyHeader("'<f4'", [rows, classes]));
  truncateSync(join(folder, name), 128 + rows * classes * 4);
}

async function startWorker(...args: string[]): Promise<void> {
  worker = start(['worker', redis.url, '--stalled', '2', ...args], folder, { SIMD_SOFTMAX_BACKEND: 'js' });
  await until('the worker', () => worker.told.stderr.includes('waiting'));
}

describe.skipIf(!hasRedis || process.platform !== 'linux')('scoring in a process of its own', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-contained-'));
    mkdirSync(join(folder, 'redis'));
    redis = await startRedis(join(folder, 'redis'));
    put(
      'good.npy',
      Buffer.concat([formatNpyHeader("'<f4'", [1, 2]), Buffer.from(Float32Array.of(1, 2).buffer)]),
    );
  });

  afterEach(async () => {
    // The worker lives, and does what comes next.
    const next = submit('good.npy', '-o', `after-${performance.now()}.npy`);
    expect((await next.ended).code).toBe(0);
    worker.child.kill('SIGINT');
    expect(await worker.ended).toMatchObject({ code: 0, signal: null });
  });

  afterAll(async () => {
    killAll();
    await redis?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test('a job whose process dies twice is poisoned', async () => {
    await startWorker();
    putLarge('poison.npy', 400_000, 500);
    const submitted = submit('poison.npy', '-o', 'poison-out.npy', '--op', 'logsumexp');
    for (let killed = 0; killed < 2; killed++) {
      const pid = await atWork('poison-out.npy');
      process.kill(pid, 'SIGKILL');
      await until('its end', () => !isAlive(pid));
    }
    const { code, stderr } = await submitted.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^simd-softmax: Expected a job that can be scored but received .* 2 processes \(SIGKILL\): it is poisoned$/m,
    );
  });

  test('a process that dies once does no harm', async () => {
    await startWorker();
    putLarge('once.npy', 60_000, 500);
    const submitted = submit('once.npy', '-o', 'once-out.npy', '--op', 'logsumexp');
    process.kill(await atWork('once-out.npy'), 'SIGKILL');
    expect((await submitted.ended).code).toBe(0);
  });

  test('a process whose event loop is blocked ends with its worker', async () => {
    // Stands for a library in a long call: the way out is blocked, for longer than the worker is outlived.
    put(
      'block.mjs',
      `import { writeFileSync } from 'node:fs';
      process.on('disconnect', () => {
        for (const end = Date.now() + 20_000; Date.now() < end; );
        writeFileSync('outlived', '');
      });`,
    );
    const blocking = start(['worker', redis.url, '--stalled', '2'], folder, {
      SIMD_SOFTMAX_BACKEND: 'js',
      NODE_OPTIONS: `--import=${pathToFileURL(join(folder, 'block.mjs'))}`,
    });
    await until('the worker', () => blocking.told.stderr.includes('waiting'));
    putLarge('orphan.npy', 60_000, 500);
    const submitted = submit('orphan.npy', '-o', 'orphan-out.npy', '--op', 'logsumexp');
    const orphan = await atWork('orphan-out.npy');
    blocking.child.kill('SIGKILL');
    await until('the end of the process', () => !isAlive(orphan));
    expect(existsSync(join(folder, 'outlived'))).toBe(false);
    await startWorker();
    expect((await submitted.ended).code).toBe(0);
  });

  test('a job that needs more memory than it may have', async () => {
    await startWorker('--memory', '200');
    put('labels.txt', '');
    truncateSync(join(folder, 'labels.txt'), 2 ** 29);
    const submitted = submit('good.npy', '-o', 'memory.npy', '--labels', 'labels.txt');
    const { code, stderr } = await submitted.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/ended 2 processes \(more than 200 MB of memory.*\): it is poisoned$/m);
  });

  test('a file without an end', async () => {
    await startWorker();
    put('line.csv', '1,2\n');
    truncateSync(join(folder, 'line.csv'), 2 ** 40);
    put('grows.csv', 'a,b\n1,2\n');
    let growing = true;
    (async () => {
      for (let i = 0; growing && i < 1000; i++) {
        appendFileSync(join(folder, 'grows.csv'), '1,2\n'.repeat(100_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    mkdirSync(join(folder, 'endless'));
    const submitted = submit('line.csv', 'grows.csv', '-o', 'endless/');
    const { code, stderr } = await submitted.ended.finally(() => {
      growing = false;
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^line\.csv: Expected /m);
    expect(stderr).toMatch(/^grows\.csv: Expected /m);
  });
});
