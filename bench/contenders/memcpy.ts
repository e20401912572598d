/** Reads every logit and writes as many: nothing that writes a softmax can be faster on one thread. */
import { allocate } from '../measure/case.js';
import type { Contender } from './contender.js';

export async function open(): Promise<Contender> {
  return {
    version: `V8 ${process.versions.v8}`,
    prepare(of, logits) {
      const out = allocate(of.dtype, logits.length);
      return { run: () => out.set(logits as Float32Array), answer: () => ({ values: [] }) };
    },
  };
}
