/**
 * `lateness.ts`: how late a timer of 1 ms is on the main thread, at rest and while 64 MB are scored by promises again
 * and again. Tells its parent.
 */
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lateness } from './messages.js';

type Promises = typeof import('../../lib/promises.js');

const { softmax }: Promises = createRequire(new URL('../../package.json', import.meta.url))(
  'simd-softmax/promises',
);
const bytes = 2 ** 26;
const seconds = 6;

/** Runs `work` again and again, each before the next, while the timer is watched. */
async function latenessDuring(name: string, work: () => Promise<unknown>): Promise<Lateness> {
  const end = performance.now() + 1000 * seconds;
  const late: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - last - 1));
    last = now;
  }, 1);
  let calls = 0;
  for (; performance.now() < end; calls++) await work();
  clearInterval(timer);
  late.sort((a, b) => a - b);
  const at = (share: number) => late[Math.floor(share * (late.length - 1))];
  return { name, calls, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function logitsOver(memory: ArrayBuffer | SharedArrayBuffer): Float32Array {
  return new Float32Array(memory).map((_, i) => 10 * Math.sin(i));
}

const own = logitsOver(new ArrayBuffer(bytes));
const out = new Float32Array(own.length);
const shared = new Float32Array(new SharedArrayBuffer(bytes));
const sharedOut = new Float32Array(new SharedArrayBuffer(bytes));
shared.set(own);
const results: Lateness[] = [await latenessDuring('at rest', () => sleep(50))];
results.push(await latenessDuring('a new array for each result', () => softmax(own)));
results.push(await latenessDuring('into `out`', () => softmax(own, { out })));
results.push(await latenessDuring('in shared memory', () => softmax(shared, { out: sharedOut })));
process.send?.(results);
process.disconnect?.();
