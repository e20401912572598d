/** Redis, alone or as a cluster. */
import type { Cluster, Redis } from 'ioredis';
import { expectedUsage } from '../failure.js';
import { needPeer, requirePeer } from '../peers.js';
import type { Address } from './address.js';
import type { Backend } from './backend.js';
import { PREFIX, QUEUE } from './names.js';

const CONNECT_MS = 10_000;

type Step = (name: string) => void;

export async function connectRedis(address: Address, step: Step): Promise<Backend> {
  const { bullmq, ioredis } = await needPeer(['bullmq', 'ioredis'], '--queue', async () => ({
    bullmq: requirePeer<typeof import('bullmq')>('bullmq'),
    ioredis: requirePeer<typeof import('ioredis')>('ioredis'),
  }));
  const options = optionsOf(address);
  let ready = false;
  const wait = (times: number) => (ready ? Math.min(50 * 2 ** times, 2000) : null);

  /** One connection, or the error that the server gave: ioredis itself says only that it is closed. */
  async function open<Client extends Redis | Cluster>(client: Client): Promise<Client> {
    let problem: Error | undefined;
    client.on('error', (error: Error) => {
      problem ??= error;
    });
    try {
      await client.connect();
      // A database that is not there is told as an event alone.
      await client.ping();
      if (problem) throw problem;
      return client;
    } catch (error) {
      client.disconnect();
      throw problem ?? error;
    }
  }

  const single = await open(new ioredis.Redis({ ...options, retryStrategy: wait }));
  let client: Redis | Cluster = single;
  try {
    step('looking what server it is');
    if (/^cluster_enabled:1/m.test(await single.info('cluster'))) {
      step('joining the cluster');
      const state = String(await single.cluster('INFO'));
      if (!/cluster_state:ok/.test(state)) throw new Error('CLUSTERDOWN');
      const { path, host = '', port = 6379, retryStrategy, lazyConnect, db, ...redisOptions } = options;
      const cluster = new ioredis.Cluster([{ host, port }], {
        redisOptions,
        lazyConnect: true,
        clusterRetryStrategy: wait,
      });
      client = await open(cluster);
      single.disconnect();
    }
    step('writing');
    await probe(client);
  } catch (error) {
    single.disconnect();
    client.disconnect();
    throw error;
  }
  ready = true;
  const connection = client;
  const shared = { connection, prefix: PREFIX };
  return {
    bullmq,
    queue: () => new bullmq.Queue(QUEUE, shared),
    flows: () => new bullmq.FlowProducer(shared),
    events: () => new bullmq.QueueEvents(QUEUE, shared),
    worker: (run, more) => new bullmq.Worker(QUEUE, run, { ...shared, ...more }),
    ping: () => probe(client),
    async isOpen() {
      const { username, password, ...nobody } = options;
      const anybody = new ioredis.Redis(nobody);
      await open(anybody);
      anybody.disconnect();
      return true;
    },
    async close() {
      ready = false; // nor do BullMQ's copies connect again
      client.disconnect();
    },
  };
}

/** A replica, a full memory, a cluster without a node: each refuses what is written. */
async function probe(client: Redis | Cluster): Promise<void> {
  await client.set(`${PREFIX}:probe`, '1', 'PX', 1000);
}

function optionsOf({ url }: Address) {
  const isSocket = url.protocol === 'unix:';
  const database = url.searchParams.get('db') ?? (isSocket ? '' : url.pathname.slice(1));
  if (!/^\d*$/.test(database)) {
    throw expectedUsage('the number of a database', 'the path of --queue', `'${database}'`);
  }
  const username = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password) || (url.searchParams.get('password') ?? '');
  interface Where {
    readonly path?: string;
    readonly host?: string;
    readonly port?: number;
  }
  const where: Where = isSocket
    ? { path: decodeURIComponent(url.pathname) }
    : { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 6379 : Number(url.port) };
  return {
    ...where,
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
    db: Number(database),
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    keepAlive: CONNECT_MS,
    maxRetriesPerRequest: null,
    retryStrategy: () => null,
  };
}
