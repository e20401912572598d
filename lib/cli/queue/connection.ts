/** The server that carries the jobs, and BullMQ on top of it. Both libraries load here, when a queue is used. */
import type * as BullMQ from 'bullmq';
import type { Redis } from 'ioredis';
import { version } from '../../../package.json';
import { expectedUsage, Failure } from '../failure.js';
import { needPeer } from '../peers.js';

/** Scores may differ in their bits from one version to the next, so workers take jobs of their own version only. */
export const QUEUE = `simd-softmax@${version}`;

export interface Connection {
  readonly bullmq: typeof BullMQ;
  readonly redis: Redis;
  /** The server's address, without its password. */
  readonly name: string;
  close(): void;
}

/**
 * @param url `redis://` or `rediss://`, with user, password, port and database as they are needed.
 * @throws Failure where nothing answers there; later on, a connection that is lost is taken up again.
 */
export async function connect(url: string): Promise<Connection> {
  const name = nameOf(url);
  const { bullmq, ioredis } = await needPeer(['bullmq', 'ioredis'], '--queue', async () => ({
    bullmq: await import('bullmq'),
    ioredis: await import('ioredis'),
  }));
  let ready = false;
  let problem: Error | undefined;
  const redis = new ioredis.Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (ready ? Math.min(50 * 2 ** times, 5000) : null),
  });
  redis.on('error', (error: Error) => {
    problem = error;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    const reason = (problem ?? (error instanceof Error ? error : new Error(String(error)))).message;
    throw new Failure(`Expected a Redis server for ${name} but received ${reason}`);
  }
  ready = true;
  return { bullmq, redis, name, close: () => redis.disconnect() };
}

function nameOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !['redis:', 'rediss:'].includes(parsed.protocol) || !parsed.host) {
    throw expectedUsage('redis://host:port', '--queue', `'${url.replace(/\/\/.*@/, '//…@')}'`);
  }
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
