/** Tells once that a server is lost, and once that it is found again, however many errors lie between. */
import { setTimeout as sleep } from 'node:timers/promises';
import { printable } from '../failure.js';
import { causeOf, isPassing } from './faults.js';
import type { Server } from './server.js';

const AGAIN_MS = 500;
const ANSWER_MS = 5000;

export interface Watch {
  readonly lost: boolean;
  /** What one of BullMQ's objects complains of. */
  report(error: unknown): void;
  /** Tries again what a lost connection ended, until it is found. */
  patiently<Result>(task: () => Promise<Result>): Promise<Result>;
  stop(): void;
}

export interface WatchOptions {
  tell(text: string): void;
  onLost?(): void;
  onFound?(): void;
}

export function newWatch(server: Server, { tell, onLost, onFound }: WatchOptions): Watch {
  const { address } = server;
  const stopped = new AbortController();
  const { signal } = stopped;
  let found: Promise<void> | undefined;

  async function find(): Promise<void> {
    while (!signal.aborted) {
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const late = new AbortController();
      const answered = await Promise.race([
        server.ping().then(
          () => true,
          () => false,
        ),
        sleep(ANSWER_MS, false, { ref: false, signal: late.signal }).catch(() => false),
      ]);
      late.abort();
      if (!answered || signal.aborted) continue;
      found = undefined;
      tell(`found ${address.name} again`);
      onFound?.();
      return;
    }
  }

  function report(error: unknown): void {
    if (found || signal.aborted) return;
    if (!isPassing(error)) {
      tell(printable(address.redact(String((error as Error)?.message ?? error))));
      return;
    }
    tell(`lost ${address.name}: ${printable(causeOf(error, address))}; trying again`);
    onLost?.();
    found = find();
  }

  return {
    get lost() {
      return found !== undefined;
    },
    report,
    async patiently(task) {
      for (;;) {
        try {
          return await task();
        } catch (error) {
          if (signal.aborted || !isPassing(error)) throw error;
          report(error);
          await found;
        }
      }
    },
    stop: () => stopped.abort(),
  };
}
