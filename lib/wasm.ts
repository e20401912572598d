/**
 * The whole of `simd-softmax` on WebAssembly, where no addon loads: browsers, workers at the edge. Nothing is switched
 * elsewhere: `simd-softmax` itself goes on as it is.
 *
 * @module simd-softmax/wasm
 */
export { ready } from './backends/wasm/fetched.js';
export * from './index.js';
/** The functions of `simd-softmax/promises`. */
export * as promises from './promises.js';
