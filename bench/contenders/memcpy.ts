/** Reads every logit and writes as many: nothing that writes a softmax can be faster on one thread. */
import { allocate } from '../measure/case.js';
import { type Contender, cannot } from './contender.js';

export async function open(): Promise<Contender> {
  return {
    version: `V8 ${process.versions.v8}`,
    prepare(of, logits) {
      if (of.threads > 1) return cannot('copies on one thread');
      const out = allocate(of.dtype, logits.length);
      return { run: () => out.set(logits as Float32Array), answer: () => ({ values: [] }) };
    },
  };
}
