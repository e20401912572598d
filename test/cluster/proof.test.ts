/**
 * Three workers and many files while workers are killed, the server is restarted and the network is cut: every good file
 * is scored, with the bytes of a run without a queue, and every bad one is named. `npm run test:proof` takes 200 files.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { hasPostgres, startPostgres } from './postgres.js';
import { startProxy } from './proxy.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';
import { killAll, type Started, start, until } from './started.js';

const FILES = Number(process.env.SIMD_SOFTMAX_PROOF_FILES ?? 40);
const FORMATS = ['npy', 'csv', 'ndjson', 'parquet', 'arrow'];
const BAD = ['cut.npy', 'cut.parquet', 'noise.arrow', 'text.csv', 'lies.npy'];
const SECONDS = FILES > 100 ? 600 : 110;

let folder: string;
const put = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, name), content);

function npy(rows: number, classes: number, seed: number): Buffer {
  const logits = Float32Array.from({ length: rows * classes }, (_, i) => 5 * Math.sin(i * i + seed));
  return Buffer.concat([formatNpyHeader("'<f4'", [rows, classes]), Buffer.from(logits.buffer)]);
}

/** Files of all formats, five of them damaged, and what a run without a queue makes of them. */
async function makeFiles(): Promise<void> {
  for (const name of ['in', 'raw']) mkdirSync(join(folder, name));
  for (let i = 0; i < FILES; i++) {
    const format = FORMATS[i % FORMATS.length];
    put(`raw/${i}.${format}.npy`, npy(100 + 37 * i, 3 + (i % 20), i));
  }
  const raw = readdirSync(join(folder, 'raw'));
  for (const format of FORMATS) {
    const own = raw.filter((name) => name.endsWith(`.${format}.npy`)).map((name) => `raw/${name}`);
    const made = await start(
      ['score', ...own, '-o', 'made/', '--op', 'log-softmax', '--output-format', format, '-q'],
      folder,
    ).ended;
    expect(made).toMatchObject({ code: 0 });
    for (const name of readdirSync(join(folder, 'made')))
      put(`in/${name}`, readFileSync(join(folder, 'made', name)));
    rmSync(join(folder, 'made'), { recursive: true });
  }
  const parquet = readFileSync(
    join(folder, 'in', readdirSync(join(folder, 'in')).find((name) => name.endsWith('.parquet')) ?? ''),
  );
  put('in/cut.npy', npy(10, 10, 1).subarray(0, 300));
  put('in/cut.parquet', parquet.subarray(0, parquet.length >> 1));
  put('in/noise.arrow', Buffer.concat([Buffer.from('ARROW1\0\0'), Buffer.alloc(500, 'noise')]));
  put('in/text.csv', 'a,b\n1,2\n3,four\n');
  put('in/lies.npy', formatNpyHeader("'<f4'", [2 ** 40, 0]));
  const single = await start(['score', 'in/*', '-o', 'single/', '-q'], folder).ended;
  expect(single.code).toBe(1);
  expect(readdirSync(join(folder, 'single'))).toHaveLength(FILES);
}

/** The processes that score below the folder: each has to end with its worker, whatever it is at. */
function scoringProcesses(): string[] {
  const commandOf = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc').filter((name) => {
    const command = /^\d+$/.test(name) ? commandOf(name) : '';
    return command.includes('score-for-worker') && command.includes(folder);
  });
}

describe.skipIf(!hasRedis)('many files and many faults', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-proof-'));
    await makeFiles();
  }, SECONDS * 1000);
  afterAll(() => {
    killAll();
    rmSync(folder, { recursive: true, force: true });
  });

  async function prove(server: RedisServer, url: (port: number) => string, output: string): Promise<void> {
    const proxy = await startProxy(server.port);
    const startWorker = () =>
      start(['worker', url(proxy.port), '--stalled', '3', '--memory', '700', '--rate', '12'], folder);
    const workers: Started[] = [startWorker(), startWorker(), startWorker()];
    const told: Started[] = [...workers];
    const submitted = start(
      ['score', 'in/*', '-o', `${output}/`, '--queue', url(proxy.port), '--part-rows', '400', '--json'],
      folder,
    );
    let ended = false;
    const result = submitted.ended.finally(() => {
      ended = true;
    });
    // Each fault comes when so many files are done, so that it hits a run, however fast the machine is.
    const done = () => readdirSync(join(folder, output)).filter((name) => !name.includes('.part')).length;
    await until('the folder', () => ended || readdirSync(folder).includes(output));
    const rounds = FILES > 100 ? 8 : 3;
    for (let round = 0; round < rounds && !ended; round++) {
      const enough = Math.floor(((round + 0.5) * FILES) / (rounds + 1));
      await until(`${enough} files`, () => ended || done() >= enough);
      const [victim] = workers.splice(round % 3, 1);
      victim.child.kill('SIGKILL');
      const next = startWorker();
      workers.push(next);
      told.push(next);
      await until('another worker', () => next.told.stderr.includes('waiting'));
      proxy.cut();
      if (round === 1) await server.restart(700);
    }
    const { code, stdout, stderr } = await result;
    proxy.stop();
    const named = stderr.split('\n').filter((line) => line.startsWith('in/'));
    expect(named.map((line) => line.split(':')[0]).sort(), stderr).toEqual(
      BAD.map((name) => `in/${name}`).sort(),
    );
    expect(code).toBe(1);
    expect(JSON.parse(stdout).files).toHaveLength(FILES);
    const files = (path: string) => readdirSync(join(folder, path)).sort();
    // What a killed process had begun has a name that nobody asks for.
    expect(files(output).filter((name) => !name.endsWith('.part'))).toEqual(files('single'));
    for (const name of files('single')) {
      const [received, wanted] = [output, 'single'].map((path) => readFileSync(join(folder, path, name)));
      expect(received.equals(wanted), name).toBe(true);
    }
    for (const { child } of workers) child.kill('SIGINT');
    for (const worker of workers) expect((await worker.ended).code, worker.told.stderr).toBe(0);
    await until('no process of a lost worker', () => scoringProcesses().length === 0);
    expect(told.map(({ told }) => told.stderr).join('')).not.toMatch(/should not happen|hunter2/);
  }

  test('Redis', { timeout: SECONDS * 1000 }, async () => {
    mkdirSync(join(folder, 'redis'));
    const server = await startRedis(join(folder, 'redis'));
    await prove(server, (port) => `redis://127.0.0.1:${port}`, 'by-redis').finally(() => server.stop());
  });

  test.skipIf(!hasPostgres)('PostgreSQL', { timeout: SECONDS * 1000 }, async () => {
    const server = await startPostgres('hunter2');
    await prove(
      server,
      (port) => `postgres://scorer:hunter2@127.0.0.1:${port}/postgres`,
      'by-postgres',
    ).finally(() => server.stop());
  });
});
