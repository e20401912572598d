/**
 * The whole of `simd-softmax` on WebAssembly, where no addon loads: browsers, workers at the edge. Nothing is switched
 * elsewhere: `simd-softmax` itself goes on as it is.
 *
 * @module simd-softmax/wasm
 */
import { classify, crossEntropy, entropy, logSoftmax, logSumExp, sample, softmax, topK } from './promises.js';

export { ready } from './backends/wasm/fetched.js';
export * from './index.js';
/** The functions of `simd-softmax/promises`. */
export const promises = {
  classify,
  crossEntropy,
  entropy,
  logSoftmax,
  logSumExp,
  sample,
  softmax,
  topK,
};
