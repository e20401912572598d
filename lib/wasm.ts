/**
 * The whole of `simd-softmax` on WebAssembly, where no addon loads: browsers, workers at the edge. Nothing is switched
 * elsewhere: `simd-softmax` itself goes on as it is.
 *
 * @module simd-softmax/wasm
 */
import * as all from './promises.js';

export { ready } from './backends/wasm/fetched.js';
export * from './index.js';
/** The functions of `simd-softmax/promises`. (Not the module itself, of which the bundle of types would make values.) */
export const promises = {
  binaryCrossEntropy: all.binaryCrossEntropy,
  classify: all.classify,
  crossEntropy: all.crossEntropy,
  entropy: all.entropy,
  evaluate: all.evaluate,
  fitTemperature: all.fitTemperature,
  klDivergence: all.klDivergence,
  logProb: all.logProb,
  logSigmoid: all.logSigmoid,
  logSoftmax: all.logSoftmax,
  logSumExp: all.logSumExp,
  newEvaluation: all.newEvaluation,
  sample: all.sample,
  sigmoid: all.sigmoid,
  softmax: all.softmax,
  topK: all.topK,
};
