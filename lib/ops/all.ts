/** All operations, by the names of their functions. */
import { binaryCrossEntropy } from './binaryCrossEntropy.js';
import { classify } from './classify.js';
import { crossEntropy } from './crossEntropy.js';
import { evaluate } from './evaluate.js';
import { fitTemperature } from './fitTemperature.js';
import { klDivergence } from './klDivergence.js';
import { logProb } from './logProb.js';
import { entropy, logSumExp } from './rowValues.js';
import { sample } from './sample.js';
import { logSigmoid, sigmoid } from './sigmoid.js';
import { logSoftmax, softmax } from './softmax.js';
import { topK } from './topK.js';

/** One by one, so that a bundle holds only those that it calls. */
export {
  binaryCrossEntropy,
  classify,
  crossEntropy,
  entropy,
  klDivergence,
  logProb,
  logSigmoid,
  logSoftmax,
  logSumExp,
  sample,
  sigmoid,
  softmax,
  topK,
};

export const operations = {
  softmax,
  logSoftmax,
  logSumExp,
  topK,
  classify,
  sample,
  crossEntropy,
  entropy,
  sigmoid,
  logSigmoid,
  klDivergence,
  logProb,
  binaryCrossEntropy,
};

/** What lib/calls asks of a backend part by part, and adds up. */
export const parted = { evaluate, fitTemperature };
