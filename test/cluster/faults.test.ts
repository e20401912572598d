/** A server that cannot be used is told in one line, before anything waits for it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNpyHeader } from '../../lib/cli/npy-header.js';
import { hasPostgres, type PostgresServer, startPostgres } from './postgres.js';
import { freePort, hasRedis, type RedisServer, startCluster, startRedis } from './redis.js';
import { killAll, QUIET, start, until } from './started.js';

let folder: string;
const servers: RedisServer[] = [];

const good = Buffer.concat([formatNpyHeader("'<f4'", [1, 2]), Buffer.from(Float32Array.of(1, 2).buffer)]);
const SECRET = 'hunter2-é';

async function server(name: string, ...more: string[]): Promise<RedisServer> {
  mkdirSync(join(folder, name));
  const started = await startRedis(join(folder, name), more);
  servers.push(started);
  return started;
}

/** A certificate that signs itself, for the user `scorer` and this machine by any of its names. */
function newCertificate(): { certificate: string; key: string } {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const names = 'subjectAltName=IP:0.0.0.0,IP:127.0.0.1,DNS:localhost';
  const made = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=scorer'],
      ...['-addext', names, '-keyout', key, '-out', certificate],
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  return { certificate, key };
}

/** Whether a worker warns that anybody may use the server. */
async function isWarned(url: string, env: NodeJS.ProcessEnv = {}): Promise<boolean> {
  const worker = start(['worker', url], folder, env);
  await until('the worker', () => worker.told.stderr.includes('waiting') || worker.child.exitCode !== null);
  worker.child.kill('SIGINT');
  const { code, stderr } = await worker.ended;
  expect(code, stderr).toBe(0);
  return /^warning: \S+ asks for no password/m.test(stderr);
}

/** For worker and submitter alike. */
async function expectRefusal(url: string, cause: RegExp): Promise<void> {
  for (const args of [
    ['worker', url],
    ['score', 'in.npy', '-o', 'out.npy', '--queue', url],
    ['queue', url],
  ]) {
    const { code, stdout, stderr } = await start(args, folder).ended;
    expect(stderr).toMatch(/^simd-softmax: Expected a (Redis|PostgreSQL) server for [^\n]+\n$/);
    expect(stderr).toMatch(cause);
    expect(stderr).not.toMatch(/waiting|please report| {4}at |hunter2|%C3/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  }
}

describe.skipIf(!hasRedis)('a Redis that cannot be used', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-faults-'));
    writeFileSync(join(folder, 'in.npy'), good);
  });
  afterAll(async () => {
    killAll();
    for (const each of servers) await each.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('nothing listens', () =>
    expectRefusal(`redis://me:${SECRET}@127.0.0.1:1/0`, /127\.0\.0\.1:1.* ECONNREFUSED .*when connecting/));

  test('no such host', () => expectRefusal('redis://not-there.invalid', /ENOTFOUND.*when connecting/));

  test('no such socket', () => expectRefusal(`unix://${folder}/none.sock`, /ENOENT.*when connecting/));

  test('a password that is wrong, missing, right, or asked for by nobody', async () => {
    const { port } = await server('password', '--requirepass', SECRET);
    const secret = encodeURIComponent(SECRET);
    await expectRefusal(`redis://:wrong@127.0.0.1:${port}`, /wrong user or password/);
    await expectRefusal(`redis://nobody:${secret}@127.0.0.1:${port}`, /wrong user or password/);
    await expectRefusal(`redis://127.0.0.1:${port}`, /asks for a password/);
    const worker = start(['worker', `redis://:${secret}@127.0.0.1:${port}`], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    expect(worker.told.stderr).not.toMatch(/hunter2|%C3|warning/);
    worker.child.kill('SIGINT');
    expect((await worker.ended).code).toBe(0);
  });

  test('a database that is not there', async () => {
    const { port } = await server('database');
    await expectRefusal(`redis://127.0.0.1:${port}/99`, /a database that is not there/);
    const named = start(['worker', `redis://127.0.0.1:${port}/jobs`], folder);
    expect(await named.ended).toMatchObject({
      code: 2,
      stderr: "simd-softmax: Expected the number of a database for the path of --queue but received 'jobs'\n",
    });
  });

  test('a read-only replica', async () => {
    const { port } = await server('primary');
    const replica = await server('replica', '--replicaof', '127.0.0.1', String(port));
    await expectRefusal(replica.url, /a read-only replica.*when writing/);
  });

  test('out of memory', async () => {
    const full = await server('full', '--maxmemory', '1', '--maxmemory-policy', 'noeviction');
    await expectRefusal(full.url, /out of memory.*when writing/);
  });

  test('out of memory in a run, for longer than a few looks, is told once', async () => {
    const { port, url } = await server('filled');
    const worker = start(['worker', url, '--stalled', '2'], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    const limit = (bytes: string) =>
      spawnSync('redis-cli', ['-h', '127.0.0.1', '-p', String(port), 'config', 'set', 'maxmemory', bytes]);
    limit('1');
    const submitted = start(['score', 'in.npy', '-o', 'filled.npy', '--queue', url], folder);
    expect(await submitted.ended).toMatchObject({ code: 1 });
    await until('the loss', () => worker.told.stderr.includes('lost'));
    // More than ten looks, one every half second.
    await sleep(6500);
    limit('0');
    await until('the find', () => worker.told.stderr.includes('found'));
    worker.child.kill('SIGINT');
    expect((await worker.ended).code).toBe(0);
    expect(
      worker.told.stderr
        .replace(/^waiting.*|^no more jobs.*/gm, '')
        .trim()
        .split('\n'),
    ).toEqual([`lost ${url}: out of memory (maxmemory is reached); trying again`, `found ${url} again`]);
  });

  test('a cluster that is down', async () => {
    const down = await server('down', '--cluster-enabled', 'yes');
    await expectRefusal(down.url, /CLUSTERDOWN/);
  });

  test('a server that anybody may use is told of, unless it is this machine', async () => {
    const { port, url } = await server('open');
    for (const [where, warned] of [
      [`redis://0.0.0.0:${port}`, true],
      [`redis://:needless@0.0.0.0:${port}`, true],
      [url, false],
      [`redis://localhost:${port}`, false],
    ] as const) {
      const worker = start(['worker', where], folder);
      await until(
        'the worker',
        () => worker.told.stderr.includes('waiting') || worker.child.exitCode !== null,
      );
      const warning = /^warning: redis:\/\/0\.0\.0\.0:\d+ asks for no password: .* set a password/m;
      expect(warning.test(worker.told.stderr), worker.told.stderr).toBe(warned);
      worker.child.kill('SIGINT');
      expect((await worker.ended).code).toBe(0);
    }
  });

  test('the same over TLS, and a certificate that is not trusted', async () => {
    const { certificate, key } = newCertificate();
    const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
    const [open, closed] = [await freePort(), await freePort()];
    const tls = (port: number) => ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
    await server('open-tls', ...tls(open));
    await server('closed-tls', ...tls(closed), '--requirepass', SECRET);
    const trusting = { NODE_EXTRA_CA_CERTS: certificate };
    expect(await isWarned(`rediss://0.0.0.0:${open}`, trusting)).toBe(true);
    expect(await isWarned(`rediss://localhost:${open}`, trusting)).toBe(false);
    const secret = encodeURIComponent(SECRET);
    expect(await isWarned(`rediss://:${secret}@0.0.0.0:${closed}`, trusting)).toBe(false);
    await expectRefusal(`rediss://localhost:${open}`, /a certificate that is not trusted here/);
  });

  test('lost and found in a run is told once each', async () => {
    const restarted = await server('restarted');
    const worker = start(['worker', restarted.url, '--stalled', '2'], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    const submitted = start(
      ['score', 'in.npy', 'in.npy', '-o', 'nowhere/', '--queue', restarted.url],
      folder,
    );
    expect((await submitted.ended).code).toBe(0);
    await restarted.restart(2500);
    await until('the server again', () => worker.told.stderr.includes('again'));
    const again = start(['score', 'in.npy', '-o', 'after.npy', '--queue', restarted.url], folder);
    expect((await again.ended).code).toBe(0);
    worker.child.kill('SIGINT');
    const { code, stderr } = await worker.ended;
    expect(code).toBe(0);
    expect(stderr.match(/^lost redis:/gm)).toHaveLength(1);
    expect(stderr.match(/^found redis:.* again$/gm)).toHaveLength(1);
  });

  test('Ctrl-C ends a worker whose server is gone', async () => {
    const gone = await server('gone');
    const worker = start(['worker', gone.url], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    await gone.stop();
    await until('the loss', () => worker.told.stderr.includes('lost'));
    worker.child.kill('SIGINT');
    expect(await worker.ended).toMatchObject({ code: 0, signal: null });
  });

  test('any node of a cluster', async () => {
    mkdirSync(join(folder, 'cluster'));
    const cluster = await startCluster(join(folder, 'cluster'));
    servers.push(cluster);
    const worker = start(['worker', cluster.url, '--stalled', '2'], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    const rows = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i));
    const whole = Buffer.concat([formatNpyHeader("'<f4'", [1000, 3]), Buffer.from(rows.buffer)]);
    writeFileSync(join(folder, 'rows.npy'), whole);
    const submitted = start(
      ['score', 'rows.npy', '-o', 'by-cluster.npy', '--part-rows', '100', '--queue', cluster.url],
      folder,
    );
    expect(await submitted.ended).toMatchObject({ code: 0, stderr: expect.stringMatching(QUIET) });
    worker.child.kill('SIGINT');
    expect((await worker.ended).code).toBe(0);
  });
});

describe.skipIf(!hasPostgres)('a PostgreSQL that cannot be used', () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'simd-softmax-faults-'));
    writeFileSync(join(folder, 'in.npy'), good);
    postgres = await startPostgres(SECRET);
  });
  afterAll(async () => {
    killAll();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('nothing listens', () =>
    expectRefusal('postgres://me:hunter2@127.0.0.1:1/db', /127\.0\.0\.1:1.* ECONNREFUSED .*when connecting/));

  test('a database that is not there', () =>
    expectRefusal(postgres.urlOf('nowhere'), /a database that is not there.*when connecting/));

  test('a wrong password', () =>
    expectRefusal(postgres.urlOf('postgres', 'wrong'), /wrong user or password.*when connecting/));

  test('no password, where the server asks for one', () =>
    expectRefusal(
      `postgres://scorer@127.0.0.1:${postgres.port}/postgres`,
      /asks for a password, and the URL has none.*when connecting/,
    ));

  test('a server that takes nothing, or whose user may not write', async () => {
    await postgres.query('CREATE DATABASE frozen');
    await postgres.query('ALTER DATABASE frozen SET default_transaction_read_only = on');
    await expectRefusal(postgres.urlOf('frozen'), /a read-only replica/);
    await postgres.query("CREATE ROLE guest LOGIN PASSWORD 'hunter2'");
    await expectRefusal(
      `postgres://guest:hunter2@127.0.0.1:${postgres.port}/postgres`,
      /the user may not do that.*when making its tables/,
    );
  });

  test('a server that anybody may use is told of, unless it is this machine', async () => {
    const open = await startPostgres(SECRET, 'trust');
    try {
      for (const [{ port }, host, user, warned] of [
        [open, '0.0.0.0', 'scorer', true],
        [open, '0.0.0.0', 'scorer:needless', true],
        [open, '127.0.0.1', 'scorer', false],
        [postgres, '0.0.0.0', `scorer:${encodeURIComponent(SECRET)}`, false],
      ] as const) {
        const worker = start(['worker', `postgres://${user}@${host}:${port}/postgres`], folder);
        await until(
          'the worker',
          () => worker.told.stderr.includes('waiting') || worker.child.exitCode !== null,
        );
        const warning =
          /^warning: postgres:\/\/0\.0\.0\.0:\d+\/postgres asks for no password: .* set a password/m;
        expect(warning.test(worker.told.stderr), worker.told.stderr).toBe(warned);
        expect(worker.told.stderr).not.toMatch(/needless|hunter2/);
        worker.child.kill('SIGINT');
        expect((await worker.ended).code).toBe(0);
      }
    } finally {
      await open.stop();
    }
  });

  test('the same over TLS: whoever has a certificate is somebody', async () => {
    const files = newCertificate();
    const tls = {
      certificate: readFileSync(files.certificate, 'utf8'),
      key: readFileSync(files.key, 'utf8'),
    };
    for (const [method, warned] of [
      ['trust', true],
      ['cert', false],
      ['scram-sha-256', false],
    ] as const) {
      const server = await startPostgres(SECRET, method, tls);
      try {
        expect(await isWarned(server.url.replace('127.0.0.1', '0.0.0.0')), method).toBe(warned);
      } finally {
        await server.stop();
      }
    }
  });

  test('lost and found in a run is told once each, and the jobs go on', async () => {
    const worker = start(['worker', postgres.url, '--stalled', '2'], folder);
    await until('the worker', () => worker.told.stderr.includes('waiting'));
    const before = start(['score', 'in.npy', '-o', 'before.npy', '--queue', postgres.url], folder);
    expect((await before.ended).code).toBe(0);
    await postgres.restart(2500);
    await until('the server again', () => worker.told.stderr.includes('again'));
    const after = start(['score', 'in.npy', '-o', 'after.npy', '--queue', postgres.url], folder);
    expect((await after.ended).code).toBe(0);
    worker.child.kill('SIGINT');
    const { code, stderr } = await worker.ended;
    expect(code).toBe(0);
    expect(stderr.match(/^lost postgres:/gm)).toHaveLength(1);
    expect(stderr.match(/^found postgres:.* again$/gm)).toHaveLength(1);
    expect(stderr).not.toMatch(/hunter2|%C3/);
  });
});
