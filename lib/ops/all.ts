/** All operations, by the names of their functions. */
import { classify } from './classify.js';
import { crossEntropy } from './crossEntropy.js';
import { entropy } from './entropy.js';
import { logSumExp } from './logSumExp.js';
import { sample } from './sample.js';
import { logSoftmax, softmax } from './softmax.js';
import { topK } from './topK.js';

export const operations = { softmax, logSoftmax, logSumExp, topK, classify, sample, crossEntropy, entropy };
