/** A Redis server of a test's own, with its append-only file in a folder of the test's. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const hasRedis = !spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).error;

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Kills it, and starts it again on what its append-only file has. */
  restart(downMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** @param more options of redis-server, such as a password. */
export async function startRedis(folder: string, more: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort();
  let server: ChildProcess;

  async function start(): Promise<void> {
    const aof = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
    const where = ['--dir', folder, '--port', String(port), '--bind', '127.0.0.1', ...more];
    server = spawn('redis-server', [...aof, ...where], { stdio: 'ignore' });
    for (;;) {
      if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
      if (await listens(port)) return;
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

/** Three nodes that share the slots. */
export async function startCluster(folder: string): Promise<RedisServer> {
  const nodes: RedisServer[] = [];
  for (const name of ['a', 'b', 'c']) {
    const own = join(folder, name);
    mkdirSync(own);
    nodes.push(await startRedis(own, ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']));
  }
  const cli = (port: number, ...args: string[]) =>
    spawnSync('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...args], { encoding: 'utf8' }).stdout;
  const third = Math.ceil(16384 / 3);
  for (const [i, { port }] of nodes.entries()) {
    cli(port, 'cluster', 'addslotsrange', String(i * third), String(Math.min(16384, (i + 1) * third) - 1));
    if (i > 0) cli(port, 'cluster', 'meet', '127.0.0.1', String(nodes[0].port));
  }
  while (!nodes.every(({ port }) => cli(port, 'cluster', 'info').includes('cluster_state:ok')))
    await sleep(50);
  return {
    ...nodes[0],
    async stop() {
      for (const node of nodes) await node.stop();
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const answered = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
  socket.destroy();
  return answered;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
