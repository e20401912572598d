/**
 * What `#addon` is in `simd-softmax/wasm`: no native code, and the module from wherever this runtime gives files. In
 * Node, Deno and Bun it is there once imported; in browsers it is fetched, and until then pure TypeScript serves.
 */
import type { Backend } from '../problem.js';
import * as files from './files.js';
import { type WasmHere, wasmBackend } from './index.js';
import { compileFrom, instantiate, type Module } from './instance.js';
import { type WasmIsa, wasmIsas } from './probe.js';

export { loadAddon, nativeBackend } from './no-native.js';

const opened = new Map<string, Backend>();
let isPending = false;

export function wasmHere(): WasmHere {
  const here = files.wasmHere();
  if (here.isas.length > 0) return here;
  return { isas: [...opened.keys()] as WasmIsa[], isPending, open: (isa) => opened.get(isa) };
}

/** Settles when the module is there; rejects where it cannot be had, and pure TypeScript goes on serving. */
export const ready: Promise<void> = files.wasmHere().isas.length > 0 ? Promise.resolve() : fetchModule();
// Whoever does not wait for it is not to die of it.
ready.catch(() => {});

async function fetchModule(): Promise<void> {
  isPending = true;
  try {
    const [isa] = wasmIsas();
    if (isa === undefined) throw new Error('This runtime has no WebAssembly with SIMD');
    opened.set(isa, wasmBackend(instantiate(await moduleOf(isa), isa)));
  } finally {
    isPending = false;
  }
}

/** Written out for bundlers, which copy what such a URL names. */
function moduleOf(isa: WasmIsa): Promise<Module> {
  return isa === 'wasm-relaxed'
    ? compileFrom(new URL('./simd-softmax.relaxed.wasm', import.meta.url))
    : compileFrom(new URL('./simd-softmax.wasm', import.meta.url));
}
