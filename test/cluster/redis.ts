/** A Redis server of a test's own, with its append-only file in a folder of the test's. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

export const hasRedis = !spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).error;

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Kills it, and starts it again on what its append-only file has. */
  restart(downMs: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedis(folder: string): Promise<RedisServer> {
  const port = await freePort();
  let server: ChildProcess;

  async function start(): Promise<void> {
    const aof = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
    const where = ['--dir', folder, '--port', String(port), '--bind', '127.0.0.1'];
    server = spawn('redis-server', [...aof, ...where], { stdio: 'ignore' });
    for (;;) {
      if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
      const client = new Redis(port, { lazyConnect: true, retryStrategy: () => null });
      client.on('error', () => {});
      const answered = await client.connect().then(
        () => true,
        () => false,
      );
      client.disconnect();
      if (answered) return;
      await sleep(50);
    }
  }

  async function stop(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async restart(downMs) {
      await stop();
      await sleep(downMs);
      await start();
    },
    stop,
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
