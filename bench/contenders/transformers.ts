import { softmax } from '@huggingface/transformers';
import type { Contender } from './contender.js';
import { rowByRow } from './rows.js';
import { versionOf } from './version.js';

export async function open(): Promise<Contender> {
  return {
    version: versionOf('@huggingface/transformers'),
    prepare: (of, logits) =>
      rowByRow(
        of,
        logits,
        (row) => row,
        (row) => softmax(row as Float32Array),
      ),
  };
}
