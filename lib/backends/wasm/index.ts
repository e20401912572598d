/** The WebAssembly backend: the kernels of native/ where no addon loads, on one thread. */
import { setElements } from '../../arguments/elements.js';
import { isBrief, nextTurn, onPrivateMemory } from '../asyncCopies.js';
import { solve as solveInJs } from '../js/index.js';
import { type Steps, turns } from '../js/steps.js';
import { type Backend, type Problem, smallElements } from '../problem.js';
import type { Instance } from './instance.js';
import { isSpanned, solveSpans } from './long-row.js';
import { isSummed, longestBytes, Parts } from './parts.js';
import type { WasmIsa } from './probe.js';

/** The modules that there are, for backend.ts to choose from. */
export interface WasmHere {
  /** Best first. */
  readonly isas: readonly WasmIsa[];
  /** Whether there may be more later. */
  readonly isPending: boolean;
  /** Loads a module, once; undefined where that fails. */
  open(isa: string): Backend | undefined;
}

type Floats = Float32Array | Float64Array;

export function wasmBackend(instance: Instance): Backend {
  function* solve(problem: Problem): Steps {
    if (!instance.operations.has(problem.op.name)) {
      yield* solveInJs(problem, 0, problem.outer * problem.inner);
      return;
    }
    const parts = new Parts(instance, problem);
    if (isSummed(problem)) problem.out.fill(0);
    for (const part of parts) {
      if (parts.bytesOf(part) <= longestBytes && parts.changesFit(part)) parts.solve(part);
      else if (isSpanned(problem)) yield* solveSpans(instance, problem, part.first, parts.place(part.first));
      else yield* solveInJs(problem, part.first, part.end);
      if (part.end < parts.rows) yield;
    }
  }

  return {
    kind: 'wasm',
    isa: instance.isa,
    run(problem) {
      const steps = solve(problem);
      while (steps.next().done !== true);
    },
    runSmall: smallSolver(instance),
    async runAsync(problem, signal) {
      signal?.throwIfAborted();
      if (isBrief(problem)) this.run(problem);
      else await onPrivateMemory(problem, signal, (own) => inTurns(solve(own), signal));
    },
  };
}

/** Each step after other events have had their turn. */
async function inTurns(steps: Steps, signal: AbortSignal | undefined): Promise<void> {
  try {
    do {
      await nextTurn();
      signal?.throwIfAborted();
      turns.count++;
    } while (steps.next().done !== true);
  } finally {
    steps.return();
  }
}

/** Rows of up to `smallElements` logits in all, at places in memory that stay. */
function smallSolver(instance: Instance): NonNullable<Backend['runSmall']> {
  const codeOf = (op: string) => instance.operations.get(op)?.code ?? 0;
  const [softmax, logSoftmax, logSumExp] = ['softmax', 'logSoftmax', 'logSumExp'].map(codeOf);
  const xAt = instance.heapEnd();
  const outAt = xAt + smallElements * 8;
  instance.reserve(2 * smallElements * 8);
  let memory = instance.bytes();
  let views = viewsOf(memory);

  function viewsOf({ buffer }: Uint8Array) {
    return {
      x32: new Float32Array(buffer, xAt, smallElements),
      x64: new Float64Array(buffer, xAt, smallElements),
      out32: new Float32Array(buffer, outAt, smallElements),
      out64: new Float64Array(buffer, outAt, smallElements),
    };
  }

  function copy(from: Floats, to: Floats, count: number): void {
    if (count > 32) setElements(to, count === from.length ? from : from.subarray(0, count));
    else for (let i = 0; i < count; i++) to[i] = from[i];
  }

  return (op, type, x, elements, out, rows, temperature) => {
    if (memory !== instance.bytes()) {
      memory = instance.bytes();
      views = viewsOf(memory);
    }
    const single = type === 'float32';
    copy(x, single ? views.x32 : views.x64, elements);
    const code = op === 'softmax' ? softmax : op === 'logSoftmax' ? logSoftmax : logSumExp;
    instance.solveSmall(code, single ? 0 : 1, xAt, outAt, rows, elements / rows, temperature);
    copy(single ? views.out32 : views.out64, out, op === 'logSumExp' ? rows : elements);
  };
}
