/** `simd-softmax` is ready at once; the page of `simd-softmax/wasm` waits for its `ready` instead (run.mjs). */
export const ready = undefined;
