/**
 * What an asynchronous call does with memory. Threads may only touch shared memory: an `ArrayBuffer` can be transferred
 * or shrunk from under them. So arrays that are not shared are copied, a slice at a time between turns of the event
 * loop, and the results are copied back at the end, whole.
 */
import { typeError } from './errors.js';
import type { Data, Problem } from './problem.js';

type View = Data | Uint32Array | Int32Array | Uint8Array;
type Memory = SharedArrayBuffer | ArrayBuffer;

const outputs: ReadonlySet<string> = new Set(['out', 'indices', 'logProbabilities', 'losses', 'gradient']);

/** Copied between two turns of the event loop: a tenth of a millisecond, or three where pages are new. */
const sliceBytes = 2 ** 20;

/**
 * Bytes of copies that the calls in flight of one thread (main or worker) may hold together; further calls wait
 * their turn. A call that needs more than all of it runs alone.
 */
export const flightLimit = 2 ** 28;

/** Copies are kept for the next call up to this many bytes. */
const keptLimit = 2 ** 26;

let inFlight = 0;
const waiting: { readonly bytes: number; readonly start: () => void }[] = [];
const kept: Memory[] = [];

/** Shared where the runtime has it: memory that can neither be detached nor shrunk. */
export function newSharedMemory(bytes: number): Memory {
  return typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
}

/** Solves a problem by `solve` over memory that only this call and the threads can reach. */
export async function onPrivateMemory(
  problem: Problem,
  signal: AbortSignal | undefined,
  solve: (own: Problem) => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted();
  const copied = viewsToCopy(problem, signal);
  const bytes = copied.reduce((sum, [, view]) => sum + view.byteLength, 0);
  const turn = takeOff(bytes, signal);
  if (turn !== undefined) await turn;
  const memory: Memory[] = [];
  try {
    const own: { [name: string]: unknown } = { ...problem };
    const results: (readonly [View, View])[] = [];
    for (const [name, view] of copied) {
      const buffer = newCopy(view.byteLength);
      memory.push(buffer);
      const copy = viewOver(view, buffer);
      own[name] = copy;
      if (outputs.has(name)) results.push([view, copy]);
      else if (view.byteLength <= sliceBytes) copy.set(view as Data);
      else await copyInSlices(view, copy, name, signal);
    }
    signal?.throwIfAborted();
    await solve(own as unknown as Problem);
    signal?.throwIfAborted();
    // From here on the call is done: results are delivered whole.
    for (const [view, copy] of results) await copyInSlices(copy, view, 'out', undefined);
  } finally {
    for (const buffer of memory) keep(buffer);
    land(bytes);
  }
}

/**
 * Arrays to copy: those that are not shared, and shared outputs of calls that may be aborted, which would else be
 * left half written.
 */
function viewsToCopy(problem: Problem, signal: AbortSignal | undefined): [string, View][] {
  const list: [string, View][] = [];
  for (const [name, view] of Object.entries(problem)) {
    if (!ArrayBuffer.isView(view) || (view as View).length === 0) continue;
    if (!isShared(view) || (signal !== undefined && outputs.has(name))) list.push([name, view as View]);
  }
  // What is copied at once comes first, so that small calls see their arguments as they were when they were made.
  return list.sort(([, a], [, b]) => a.byteLength - b.byteLength);
}

function isShared(view: ArrayBufferView): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && view.buffer instanceof SharedArrayBuffer;
}

function viewOver(like: View, buffer: Memory): View {
  const View = like.constructor as new (buffer: Memory, offset: number, length: number) => View;
  return new View(buffer, 0, like.length);
}

async function copyInSlices(
  from: View,
  to: View,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { length } = from;
  const step = Math.ceil(sliceBytes / from.BYTES_PER_ELEMENT);
  for (let at = 0; at < length; at += step) {
    if (at > 0) {
      await nextTurn();
      signal?.throwIfAborted();
      if (from.length !== length || to.length !== length)
        throw typeError('memory that stays until the promise settles', name, from, 'ERR_DETACHED');
    }
    to.set(from.subarray(at, at + step) as Data, at);
  }
}

function newCopy(bytes: number): Memory {
  const at = kept.findIndex((buffer) => buffer.byteLength >= bytes && buffer.byteLength <= 2 * bytes);
  return at < 0 ? newSharedMemory(bytes) : (kept.splice(at, 1)[0] as Memory);
}

function keep(buffer: Memory): void {
  if (buffer.byteLength > keptLimit / 2) return;
  kept.push(buffer);
  let bytes = kept.reduce((sum, { byteLength }) => sum + byteLength, 0);
  while (bytes > keptLimit || kept.length > 16) bytes -= (kept.shift() as Memory).byteLength;
}

/** Waits, first come first served, until `bytes` more may be in flight; undefined where they may at once. */
function takeOff(bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
  if (waiting.length === 0 && mayFly(bytes)) {
    inFlight += bytes;
    return undefined;
  }
  return new Promise<void>((resolve, reject) => {
    const place = { bytes, start };
    const leave = () => {
      const at = waiting.indexOf(place);
      if (at >= 0) waiting.splice(at, 1);
      reject(signal?.reason);
      startWaiting();
    };
    function start() {
      signal?.removeEventListener('abort', leave);
      resolve();
    }
    signal?.addEventListener('abort', leave, { once: true });
    waiting.push(place);
  });
}

function mayFly(bytes: number): boolean {
  return inFlight === 0 || inFlight + bytes <= flightLimit;
}

function land(bytes: number): void {
  inFlight -= bytes;
  startWaiting();
}

function startWaiting(): void {
  for (let next = waiting[0]; next !== undefined && mayFly(next.bytes); next = waiting[0]) {
    waiting.shift();
    inFlight += next.bytes;
    next.start();
  }
}

/** Resolves after pending events have had their turn; a promise alone would not let them. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
