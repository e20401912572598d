/** The promises of `simd-softmax/wasm`, for tests that import them as a module. */
import { promises } from 'simd-softmax/wasm';

export const { backend, prepare, softmax, logSoftmax, logSumExp, topK, classify, sample, crossEntropy } =
  promises;
