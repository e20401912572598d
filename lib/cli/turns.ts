import { setImmediate } from 'node:timers/promises';

/** For longer than this nobody else has to wait: a signal, say. */
const TURN_MS = 20;

let last = 0;

/** To be called between pieces of work that keep the thread: now and then it lets others have their turn. */
export async function takeTurns(): Promise<void> {
  if (performance.now() - last < TURN_MS) return;
  await setImmediate();
  last = performance.now();
}
