/** What `simd-softmax/wasm` has in the place of the addon. */
import type { Loaded } from '../native/load.js';

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
