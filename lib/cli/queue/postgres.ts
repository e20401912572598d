/** PostgreSQL, by BullMQ's own backend. Its tables lie in a schema of ours, and are made by the first who comes. */
import type { ConnectionOptions } from 'node:tls';
import type { QueueOptions } from 'bullmq';
import { needPeer, requirePeer } from '../peers.js';
import type { Address } from './address.js';
import type { Backend } from './backend.js';
import { isPassing } from './faults.js';
import { QUEUE, SCHEMA } from './names.js';

const CONNECT_MS = 10_000;
/** Of each object of BullMQ, beside the one that listens. */
const CONNECTIONS = 3;

type Step = (name: string) => void;

/** Of a client that has not connected; its types leave the object out. */
interface Known {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly database: string | undefined;
  readonly ssl: boolean | ConnectionOptions | undefined;
}

export async function connectPostgres({ url }: Address, step: Step): Promise<Backend> {
  const { bullmq, pg } = await needPeer(['bullmq', 'pg'], '--queue', async () => ({
    bullmq: requirePeer<typeof import('bullmq')>('bullmq'),
    pg: requirePeer<typeof import('pg')>('pg'),
  }));
  const where = {
    connectionString: url.href,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    application_name: 'simd-softmax',
  };
  /** The pool would keep a connection whose greeting failed until the server ends it, a minute later. */
  async function greet(): Promise<void> {
    const client = new pg.Client(where);
    client.on('error', () => {});
    try {
      await client.connect();
    } finally {
      await client.end().catch(() => {});
    }
  }

  await greet();
  const pool = new pg.Pool({ ...where, max: 1 });
  pool.on('error', () => {});
  const connection = { ...where, max: CONNECTIONS, schema: SCHEMA, migrate: true };
  // Its types tell the backends apart; what we call of its classes is the same.
  const classes = bullmq.withBackend(bullmq.createPostgresBackend) as unknown as typeof bullmq;
  const shared = { connection } as unknown as QueueOptions;

  async function ping(): Promise<void> {
    const { rows } = await pool.query('SHOW transaction_read_only');
    if (rows[0].transaction_read_only === 'on')
      throw Object.assign(new Error('read only'), { code: '25006' });
  }

  /**
   * BullMQ 6.7 has moments in which a client of pg has no listener for errors: a connection that is cut then would end the
   * process. What it carried fails too, and is told there.
   */
  function guard(error: Error): void {
    if (isPassing(error)) return;
    process.off('uncaughtException', guard);
    setImmediate(() => {
      throw error;
    });
  }

  process.on('uncaughtException', guard);
  try {
    await ping();
    step('making its tables');
    const first = new classes.Queue(QUEUE, shared);
    first.on('error', () => {});
    await first.waitUntilReady().finally(() => first.close());
  } catch (error) {
    process.off('uncaughtException', guard);
    await pool.end();
    throw error;
  }
  return {
    bullmq,
    queue: () => new classes.Queue(QUEUE, shared),
    flows: () => new classes.FlowProducer(shared),
    events: () => new classes.QueueEvents(QUEUE, shared),
    worker: (run, more) => new classes.Worker(QUEUE, run, { ...shared, ...more }),
    ping,
    async isOpen() {
      let asked = false;
      // What the URL and the environment say, TLS too, but for what says who we are.
      const { host, port, user, database, ssl } = new pg.Client(where) as unknown as Known;
      const anybody = new pg.Client({
        ...{ host, port, user, database, connectionTimeoutMillis: CONNECT_MS },
        ssl: typeof ssl === 'object' ? { ...ssl, cert: undefined, key: undefined } : ssl,
        password: () => {
          asked = true;
          return '';
        },
      });
      anybody.on('error', () => {});
      await anybody.connect().catch(() => {
        asked = true;
      });
      await anybody.end().catch(() => {});
      return !asked;
    },
    async close() {
      await pool.end();
      process.off('uncaughtException', guard);
    },
  };
}
