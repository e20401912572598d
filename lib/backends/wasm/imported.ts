/**
 * What `#addon` is in `simd-softmax/wasm` where modules are imported: workerd compiles no bytes, and its bundlers give
 * an imported .wasm as a WebAssembly.Module.
 */

import type { Loaded } from '../native/load.js';
import type { Backend } from '../problem.js';
import { type WasmHere, wasmBackend } from './index.js';
import { fuses, instantiate } from './instance.js';
import type { WasmIsa } from './probe.js';
import relaxed from './simd-softmax.relaxed.wasm';
import plain from './simd-softmax.wasm';

const loadError = new Error(
  'No native addon: simd-softmax/wasm has none.\nTo have it here: import simd-softmax instead',
);

export function loadAddon(): Loaded {
  return { addon: null, loadError };
}

/** Never called: there is no addon to call it with. */
export function nativeBackend(): never {
  throw loadError;
}

export const ready: Promise<void> = Promise.resolve();

const modules = { 'wasm-relaxed': relaxed, wasm: plain };
const opened = new Map<string, Backend>();

export function wasmHere(): WasmHere {
  return { isas: fuses(relaxed) ? ['wasm-relaxed', 'wasm'] : ['wasm'], isPending: false, open };
}

function open(isa: string): Backend {
  const known = opened.get(isa) ?? wasmBackend(instantiate(modules[isa as WasmIsa], isa as WasmIsa));
  opened.set(isa, known);
  return known;
}
