import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');

/** What every child, and every worker in it, begins with. Both builds of the library are asked for when needed. */
const PROLOGUE = `
const { once } = require('node:events');
const { existsSync, readFileSync, readdirSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { parentPort, Worker, workerData } = require('node:worker_threads');
const sync = () => require(${JSON.stringify(join(ROOT, 'dist', 'index.cjs'))});
const promises = () => require(${JSON.stringify(join(ROOT, 'dist', 'promises.cjs'))});

const million = 2 ** 20;
const over = (buffer, count) => {
  const x = new Float32Array(buffer, 0, count);
  for (let i = 0; i < x.length; i++) x[i] = (i * 7919) % 20 - 10;
  return x;
};
const logits = (count) => over(new ArrayBuffer(count * 4));
/** Logits that other threads may work on in place. */
const sharedLogits = (count) => over(new SharedArrayBuffer(count * 4));

function expectThat(good, promise) {
  if (!good) throw new Error('broken: ' + promise);
}
/** The library still works. */
function checkDog() {
  const [dog] = sync().softmax(Float32Array.of(3.2, 1.3, 0.2, 0.8));
  expectThat(Math.abs(dog - 0.775) < 0.001, 'a dog is one');
}
async function rejection(promise) {
  return promise.then(() => undefined, (error) => error);
}
const startWorker = (code, data) => new Worker(PROLOGUE + '(async () => {' + code + '})()', { eval: true, workerData: data });
`;

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs code in a Node process of its own. One that has not ended after a minute is killed, which its signal shows. */
export async function runChild(code: string, flags: readonly string[] = []): Promise<Ending> {
  const program = `const PROLOGUE = ${JSON.stringify(PROLOGUE)};${PROLOGUE}(async () => {${code}})()`;
  const child = spawn(process.execPath, [...flags, '-e', program], {
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Runs a child that must end by itself, with exit code 0 and `done` printed last. */
export async function expectDone(code: string, flags: readonly string[] = []): Promise<void> {
  const ending = await runChild(code, flags);
  expect(ending).toMatchObject({ code: 0, signal: null, stderr: '' });
  expect(ending.stdout.trimEnd().split('\n').at(-1)).toBe('done');
}
