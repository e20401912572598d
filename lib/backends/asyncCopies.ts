/**
 * What an asynchronous call does with memory. Threads may only touch shared memory: an `ArrayBuffer` can be transferred
 * or shrunk from under them. So arrays that are not shared are copied, a slice at a time between turns of the event
 * loop, and the results are copied back at the end, whole.
 */

import { isDetached, isShared } from '../arguments/elements.js';
import { typeError, words } from '../arguments/errors.js';
import { onAbort } from './abort.js';
import type { Data, Problem } from './problem.js';

type View = Data | Uint32Array | Int32Array | Uint8Array;
type Memory = SharedArrayBuffer | ArrayBuffer;

/** Copied between two turns of the event loop: 0.03 milliseconds, or about one where pages are new. */
const sliceBytes = 2 ** 18;

/** Inputs up to this many bytes are copied at the call, so that small calls see them as they were when they were made. */
const atOnceBytes = 2 ** 20;

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

/**
 * To be called when no code of the caller's runs any more before the work: what it did meanwhile, in getters of options
 * or of the signal, may have taken the memory away of arrays that had been looked at.
 */
export function refuseLost(problem: Problem): void {
  for (const name in problem) {
    const value: unknown = problem[name as keyof Problem];
    if (ArrayBuffer.isView(value) && isDetached(value)) throw lost(name, 'call is over');
  }
}

function lost(name: string, until: string): Error {
  const received = words('memory that was transferred or shrunk');
  return typeError(`memory that stays until the ${until}`, name, received, 'ERR_DETACHED');
}

/**
 * Promised work that is over before a thread could be woken for it (5 to 50 microseconds): at 0.5 to 8 ns an element
 * it is done at the call, as its arguments would only have been copied then.
 */
export function isBrief(problem: Problem): boolean {
  const { x, out, outer, inner } = problem;
  return x.length <= briefElements && out.length <= Math.max(x.length, (outer * inner + 1) * briefResults);
}

const briefElements = 4096;
/** Per row, and of all: draws of `sample` may be many. */
const briefResults = 64;

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
  refuseLost(problem);
  const copied = viewsToCopy(problem, signal);
  const bytes = copied.reduce((sum, { view }) => sum + view.byteLength, 0);
  const turn = takeOff(bytes, signal);
  if (turn !== undefined) await turn;
  const memory: Memory[] = [];
  try {
    const own: { [name: string]: unknown } = { ...problem };
    const { writes } = problem.op;
    const results: (readonly [Loan, View])[] = [];
    for (const loan of copied) {
      const buffer = newCopy(loan.view.BYTES_PER_ELEMENT * loan.length);
      memory.push(buffer);
      const copy = viewOver(loan, buffer);
      own[loan.name] = copy;
      if (writes.includes(loan.name)) results.push([loan, copy]);
      else if (copy.byteLength <= atOnceBytes) copy.set(sliceOf(loan, 0, loan.length));
      else await copyInSlices(loan, (at, end) => copy.set(sliceOf(loan, at, end), at), signal);
    }
    signal?.throwIfAborted();
    await solve(own as unknown as Problem);
    signal?.throwIfAborted();
    // From here on the call is done: results are delivered whole.
    for (const [loan, copy] of results) {
      await copyInSlices(
        loan,
        (at, end) => sliceOf(loan, at, end).set(copy.subarray(at, end) as Data),
        undefined,
      );
    }
  } finally {
    for (const buffer of memory) keep(buffer);
    land(bytes);
  }
}

/** An array of the caller's, as long as it was when the call was made: its memory may shrink or go meanwhile. */
interface Loan {
  readonly name: string;
  readonly view: View;
  readonly length: number;
}

/**
 * Arrays to copy: those that are not shared, and shared outputs of calls that may be aborted, which would else be
 * left half written.
 */
function viewsToCopy(problem: Problem, signal: AbortSignal | undefined): Loan[] {
  const list: Loan[] = [];
  for (const [name, value] of Object.entries(problem)) {
    if (!ArrayBuffer.isView(value) || (value as View).length === 0) continue;
    const view = value as View;
    if (isShared(view) && (signal === undefined || !problem.op.writes.includes(name))) continue;
    list.push({ name, view, length: view.length });
  }
  // What is copied at once comes first.
  return list.sort((a, b) => a.view.byteLength - b.view.byteLength);
}

function viewOver({ view, length }: Loan, buffer: Memory): View {
  const View = view.constructor as new (buffer: Memory, offset: number, length: number) => View;
  return new View(buffer, 0, length);
}

function sliceOf({ name, view, length }: Loan, at: number, end: number): Data {
  if (view.length < length) throw lost(name, 'promise settles');
  return view.subarray(at, end) as Data;
}

async function copyInSlices(
  { view, length }: Loan,
  copy: (at: number, end: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const step = Math.ceil(sliceBytes / view.BYTES_PER_ELEMENT);
  for (let at = 0; at < length; at += step) {
    if (at > 0) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    copy(at, Math.min(at + step, length));
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
    const forget = onAbort(signal, () => {
      const at = waiting.indexOf(place);
      if (at >= 0) waiting.splice(at, 1);
      reject(signal?.reason);
      startWaiting();
    });
    const place = {
      bytes,
      start() {
        forget();
        resolve();
      },
    };
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
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
