/**
 * `child.ts <module> <options>` answers requests for one contender, a line of JSON each, until its input ends. The
 * same protocol is spoken by python.py.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Case, Logits } from '../measure/case.js';
import { type FirstCall, Stopwatch } from '../measure/stopwatch.js';
import type { Answer, Contender, Prepared } from './contender.js';

export type Request =
  | { do: 'prepare'; case: Case; input: string; output: string }
  | { do: 'warm'; warmMs: number; patienceMs: number }
  | { do: 'measure'; ms: number };

export type Reply =
  | { version: string }
  /** Values are in the file `output` if they are many. */
  | { answer: { values: number[] | 'in file'; type: 'float32' | 'float64'; indices: number[] } }
  | { cannot: string }
  | { ns: number }
  | { failed: string };

/** `sample` has a statistical verdict: so many runs' draws. */
const SAMPLE_RUNS = 16;

// Libraries greet on the console; standard output belongs to the protocol.
for (const method of ['log', 'info', 'debug', 'warn'] as const) console[method] = console.error;

const [module, options] = process.argv.slice(2);
let prepared: Prepared | undefined;
let first: FirstCall | undefined;
let watch: Stopwatch | undefined;

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function answerOf(of: Case, current: Prepared): Promise<Answer> {
  const start = performance.now();
  const running = current.run();
  await running;
  first = { ms: performance.now() - start, isAsync: running instanceof Promise };
  if (of.op !== 'sample') return current.answer();
  const indices: number[] = [];
  for (let n = 0; n < SAMPLE_RUNS; n++) {
    await current.run();
    indices.push(...Array.from(current.answer().indices ?? [], Number));
  }
  return { values: [], indices };
}

async function prepare(contender: Contender, request: Extract<Request, { do: 'prepare' }>): Promise<Reply> {
  prepared?.close?.();
  prepared = undefined;
  const logits = read(request.input, request.case);
  const offer = await contender.prepare(request.case, logits);
  if ('cannot' in offer) return offer;
  prepared = offer;
  const { values, indices } = await answerOf(request.case, prepared);
  const list = Array.from(indices ?? [], Number);
  if (values instanceof Float32Array || values instanceof Float64Array) {
    writeFileSync(request.output, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const type = values instanceof Float32Array ? 'float32' : 'float64';
    return { answer: { values: 'in file', type, indices: list } };
  }
  return { answer: { values: Array.from(values), type: 'float64', indices: list } };
}

function read(file: string, of: Case): Logits {
  // A copy of its own, aligned as typed arrays are.
  const { buffer } = new Uint8Array(readFileSync(file));
  return of.dtype === 'float64' ? new Float64Array(buffer) : new Float32Array(buffer);
}

async function respond(contender: Contender, request: Request): Promise<Reply> {
  if (request.do === 'prepare') return prepare(contender, request);
  if (request.do === 'warm') {
    watch = await Stopwatch.warmed(() => prepared!.run(), first!, request.warmMs, request.patienceMs);
    return { ns: 0 };
  }
  return { ns: await watch!.measure(request.ms) };
}

const { open } = (await import(module)) as { open(options: unknown): Promise<Contender> };
const contender = await open(JSON.parse(options));
reply({ version: contender.version });
for await (const line of createInterface(process.stdin)) {
  try {
    reply(await respond(contender, JSON.parse(line)));
  } catch (error) {
    reply({ failed: String(error) });
  }
}
