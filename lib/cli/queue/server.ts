/** The server that carries the jobs: BullMQ on top of Redis or PostgreSQL, which nothing else tells apart. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, parseAddress } from './address.js';
import type { Backend } from './backend.js';
import { refusal } from './faults.js';
import { connectPostgres } from './postgres.js';
import { connectRedis } from './redis.js';

export interface Server extends Omit<Backend, 'isOpen'> {
  readonly address: Address;
}

const START_MS = 20_000;

/** A connection that is cut in the middle of a greeting may say nothing any more. */
export async function promptly<Result>(task: Promise<Result>): Promise<Result> {
  const late = new AbortController();
  try {
    return await Promise.race([
      task,
      sleep(START_MS, undefined, { signal: late.signal }).then(() => {
        throw Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
      }),
    ]);
  } finally {
    late.abort();
  }
}

/**
 * @param tell what the user should know, in a line.
 * @throws Failure that names the cause and the step; later on, a connection that is lost is taken up again.
 */
export async function connect(url: string, tell: (text: string) => void): Promise<Server> {
  const address = parseAddress(url);
  let now = 'connecting';
  const step = (name: string) => {
    now = name;
  };
  try {
    const backend = await promptly(
      (address.kind === 'redis' ? connectRedis : connectPostgres)(address, step),
    );
    step('looking whether it asks for a password');
    if (!address.isLocal && (await backend.isOpen().catch(() => false))) {
      tell(
        `warning: ${address.name} asks for no password: whoever reaches it can have workers read and write all files below their root; set a password, and let nobody else reach its port`,
      );
    }
    return { ...backend, address };
  } catch (error) {
    throw refusal(error, now, address);
  }
}
