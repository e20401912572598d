/**
 * What `#addon` is in `simd-softmax/wasm` where modules are imported: workerd compiles no bytes, and its bundlers give
 * an imported .wasm as a WebAssembly.Module.
 */

import type { Backend } from '../problem.js';
import { type WasmHere, wasmBackend } from './index.js';
import { fuses, instantiate } from './instance.js';
import type { WasmIsa } from './probe.js';
import relaxed from './simd-softmax.relaxed.wasm';
import plain from './simd-softmax.wasm';

export { loadAddon, nativeBackend } from './no-native.js';

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
