/** How a problem is solved without holding up the event loop: in slices of rows, over memory of its own. */
import type { Data, Problem } from '../problem.js';

/** About this many logits are worked on between two turns of the event loop: well under a millisecond. */
const SLICE = 2 ** 15;

export async function inSlices(
  problem: Problem,
  solve: (problem: Problem, first: number, end: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const [own, deliver] = detach(problem);
  const rows = problem.outer * problem.inner;
  const step = Math.max(1, Math.floor(SLICE / Math.max(1, problem.length)));
  for (let first = 0; first < rows; first += step) {
    await nextTurn();
    signal?.throwIfAborted();
    solve(own, first, Math.min(first + step, rows));
  }
  deliver();
}

/**
 * The same problem over copies, made now, that nobody else can change, shrink or detach, and a function that
 * copies the results out. Shared memory cannot be taken away, so it is read and written where it is.
 */
function detach(problem: Problem): [Problem, () => void] {
  const own: Record<string, unknown> = { ...problem };
  const outputs: [Output, Output][] = [];
  for (const [name, value] of Object.entries(problem)) {
    if (!ArrayBuffer.isView(value) || isShared(value)) continue;
    const copy = (value as Output).slice();
    own[name] = copy;
    if (OUTPUTS.has(name)) outputs.push([value as Output, copy]);
  }
  const deliver = () => {
    for (const [to, from] of outputs) (to as Data).set(from);
  };
  return [own as unknown as Problem, deliver];
}

type Output = Data | Uint32Array;

const OUTPUTS = new Set(['out', 'indices', 'logProbabilities', 'gradient']);

function isShared(view: ArrayBufferView): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && view.buffer instanceof SharedArrayBuffer;
}

/** Resolves after pending events have had their turn; a promise alone would not let them. */
function nextTurn(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => setTimeout(resolve, 0));
}
