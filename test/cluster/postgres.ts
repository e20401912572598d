/** A PostgreSQL cluster of a test's own, run by a user that is not root: the server refuses to be root. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort, type RedisServer } from './redis.js';

const DEBIAN = '/usr/lib/postgresql';

function findBinaries(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  return versions
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')));
}

const binaries = findBinaries();
export const hasPostgres = binaries !== undefined;

/** `nobody`, where we are root. */
const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

export interface PostgresServer extends RedisServer {
  /** For another database, or a wrong password. */
  urlOf(database: string, password?: string): string;
  query(sql: string): Promise<void>;
}

/**
 * @param method how it asks for the password; `trust` lets anybody in, `cert` whoever has a certificate of ours.
 * @param tls a certificate and its key, both PEM: then nobody comes in without TLS.
 */
export async function startPostgres(
  password: string,
  method: 'scram-sha-256' | 'trust' | 'cert' = 'scram-sha-256',
  tls?: { readonly certificate: string; readonly key: string },
): Promise<PostgresServer> {
  const bin = binaries ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-postgres-'));
  const secret = join(folder, 'password');
  writeFileSync(secret, password);
  chmodSync(folder, 0o700);
  if (user.uid !== undefined) for (const path of [folder, secret]) chownSync(path, user.uid, user.gid);
  const data = join(folder, 'data');
  const made = spawnSync(
    join(bin, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'scorer',
      '-A',
      method === 'cert' ? 'reject' : method,
      '--pwfile',
      secret,
      '-E',
      'UTF8',
      '--no-sync',
    ],
    { ...user, cwd: folder, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  let ours = '';
  if (tls) {
    const own = { certificate: join(data, 'server.crt'), key: join(data, 'server.key') };
    for (const name of ['certificate', 'key'] as const) {
      writeFileSync(own[name], tls[name], { mode: 0o600 });
      if (user.uid !== undefined) chownSync(own[name], user.uid, user.gid);
    }
    ours = `?sslmode=no-verify&sslcert=${own.certificate}&sslkey=${own.key}`;
    writeFileSync(join(data, 'pg_hba.conf'), `hostssl all all 0.0.0.0/0 ${method}\n`);
  }
  const port = await freePort();
  const urlOf = (database: string, secret = password) =>
    `postgres://scorer:${encodeURIComponent(secret)}@127.0.0.1:${port}/${database}${ours}`;
  let server: ChildProcess;

  async function query(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: urlOf('postgres') });
    client.on('error', () => {});
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }

  async function start(): Promise<void> {
    const where = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`];
    if (tls) where.push('-c', 'ssl=on', '-c', 'ssl_ca_file=server.crt');
    server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...where], {
      ...user,
      cwd: folder,
      stdio: 'ignore',
    });
    for (;;) {
      if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`);
      const answered = await query('SELECT 1').then(
        () => true,
        () => false,
      );
      if (answered) return;
      await sleep(100);
    }
  }

  async function stop(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGQUIT'); // as a crash: nobody is waited for
    await ended;
  }

  await start();
  return {
    url: urlOf('postgres'),
    port,
    urlOf,
    query,
    async restart(downMs) {
      await stop();
      await sleep(downMs);
      await start();
    },
    async stop() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
