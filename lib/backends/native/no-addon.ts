/** Stands in for `addon.ts` where there is no Node: browsers, and runtimes that cannot load native code. */
import type { WasmHere } from '../wasm/index.js';
import type { Loaded } from './load.js';

const loadError = new Error('This runtime has no native addons, so pure TypeScript serves.');

export function loadAddon(): Loaded {
  return { addon: null, loadError };
}

/** Never called: there is no addon to call it with. */
export function nativeBackend(): never {
  throw loadError;
}

/** Nothing: the small TypeScript serves; `simd-softmax/wasm` is for those who want more. */
export function wasmHere(): WasmHere {
  return { isas: [], isPending: false, open: () => undefined };
}
