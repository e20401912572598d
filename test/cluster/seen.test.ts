/** What an operator sees: metrics, health, and a list of jobs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { newMetrics } from '../../lib/cli/queue/metrics.js';
import { hasPostgres, startPostgres } from './postgres.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';
import { killAll, start, until } from './started.js';

let folder: string;

const npy = (rows: number) =>
  Buffer.concat([
    formatNpyHeader("'<f4'", [rows, 2]),
    Buffer.from(Float32Array.from({ length: rows * 2 }, (_, i) => Math.sin(i)).buffer),
  ]);

/** The value of a sample of Prometheus' text. */
function sample(text: string, name: string): number {
  const line = text.split('\n').find((line) => line.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

const SERVERS: [string, boolean, () => Promise<RedisServer>][] = [
  [
    'Redis',
    hasRedis,
    () => {
      mkdirSync(join(folder, 'redis'));
      return startRedis(join(folder, 'redis'));
    },
  ],
  ['PostgreSQL', hasPostgres, () => startPostgres('hunter2')],
];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simd-softmax-seen-'));
  for (const name of ['in', 'damaged']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'in/good.npy'), npy(100));
  writeFileSync(join(folder, 'in/parts.npy'), npy(1000));
  writeFileSync(join(folder, 'in/bad.npy'), npy(100).subarray(0, 300));
});
afterAll(() => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});

for (const [name, there, startServer] of SERVERS) {
  describe.skipIf(!there)(`seen by ${name}`, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startServer();
    });
    afterAll(() => server?.stop());

    const list = async (...args: string[]) => {
      const { code, stdout, stderr } = await start(['queue', server.url, ...args], folder).ended;
      expect(code, stderr).toBe(0);
      return { stdout, stderr };
    };

    test('metrics, health, a list with reasons, and what failed done again', async () => {
      const worker = start(['worker', server.url, '--metrics', '0', '--stalled', '2'], folder);
      await until('the metrics', () => worker.told.stderr.includes('waiting'));
      const url = worker.told.stderr.match(/metrics on (http:\/\/127\.0\.0\.1:\d+)\/metrics/)?.[1];
      const submitted = start(
        ['score', 'in/*', '-o', `out-${name}/`, '--queue', server.url, '--part-rows', '250', '-q'],
        folder,
      );
      expect((await submitted.ended).code).toBe(1);

      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect((await fetch(`${url}/other`)).status).toBe(404);
      expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
      const response = await fetch(`${url}/metrics`);
      expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
      const text = await response.text();
      expect(text).toMatch(/^# HELP simd_softmax_jobs_completed_total .+\n# TYPE \S+ counter$/m);
      // Two files and four parts.
      expect(sample(text, 'simd_softmax_jobs_completed_total')).toBe(6);
      expect(sample(text, 'simd_softmax_jobs_failed_total')).toBe(1);
      expect(sample(text, 'simd_softmax_jobs_active')).toBe(0);
      expect(sample(text, 'simd_softmax_queue_jobs{state="failed"}')).toBe(1);
      expect(sample(text, 'simd_softmax_queue_jobs{state="waiting"}')).toBe(0);
      expect(sample(text, 'simd_softmax_rows_total')).toBe(1100);
      expect(sample(text, 'simd_softmax_bytes_total')).toBeGreaterThan(1100 * 8);
      for (const stage of ['queue', 'files', 'score', 'join']) {
        expect(sample(text, `simd_softmax_stage_seconds_total{stage="${stage}"}`)).toBeGreaterThanOrEqual(0);
      }
      for (const each of ['worker', 'scoring']) {
        expect(sample(text, `simd_softmax_resident_bytes{process="${each}"}`)).toBeGreaterThan(1e7);
      }

      const { stdout } = await list();
      expect(stdout).toMatch(/: 1 worker$/m);
      expect(stdout).toMatch(/^failed +1\n {2}\S*in\/bad\.npy: Expected 800 bytes of data/m);
      expect(stdout).not.toContain('hunter2');
      const { counts, jobs } = JSON.parse((await list('--json')).stdout);
      expect(counts).toMatchObject({ failed: 1, waiting: 0, running: 0 });
      expect(jobs).toHaveLength(1);

      const again = await list('--retry');
      expect(again.stderr).toContain('1 job is done again');
      await until('the failure', async () => JSON.parse((await list('--json')).stdout).counts.failed === 1);
      worker.child.kill('SIGINT');
      expect((await worker.ended).code).toBe(0);
    });

    test('a file in parts is done again as a whole', async () => {
      writeFileSync(join(folder, 'nan.npy'), npy(1000).fill(0xff, 1000, 1004));
      const worker = start(['worker', server.url, '--stalled', '2'], folder);
      const args = ['--queue', server.url, '--part-rows', '300', '--errors', 'fail'];
      expect((await start(['score', 'nan.npy', '-o', `nan-${name}.npy`, ...args], folder).ended).code).toBe(
        1,
      );
      worker.child.kill('SIGINT');
      expect((await worker.ended).code).toBe(0);
      const { stderr } = await list('--retry');
      expect(stderr).toMatch(/^2 jobs are done again$/m);
      const { counts } = JSON.parse((await list('--json')).stdout);
      expect(counts).toMatchObject({ failed: 0, 'in parts': 1, waiting: 5 });
    });
  });
}

test('a queue that does not answer holds up no metrics', async () => {
  const text = await newMetrics().text({
    counts: () => Promise.reject(new Error('lost')),
    isHealthy: () => false,
    resident: () => 0,
  });
  expect(sample(text, 'simd_softmax_connected')).toBe(0);
});
