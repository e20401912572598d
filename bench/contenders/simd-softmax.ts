/** Ours, from the public package. The environment says which backend. */
import { createRequire } from 'node:module';
import { allocate, layoutOf, targetsOf } from '../measure/case.js';
import { type Contender, cannot, type Prepared } from './contender.js';

type Package = typeof import('../../lib/index.js');

const fromRoot = createRequire(new URL('../../package.json', import.meta.url));
const { backend, crossEntropy, prepare, sample, softmax, topK }: Package = fromRoot('simd-softmax');

export async function open({ allThreads = false, prepared = false }): Promise<Contender> {
  return {
    version: `${fromRoot('./package.json').version} (${backend.isa})`,
    prepare(of, logits): Prepared | ReturnType<typeof cannot> {
      const { shape, axis, dtype, group, k } = of;
      const layout = layoutOf(of);
      const threads = allThreads ? backend.threads : of.threads;
      if (threads > backend.threads) return cannot(`has ${backend.threads} threads here`);
      if (allThreads && threads === 1) return cannot('has one thread here');

      if (prepared) {
        const scorer = prepare('softmax', { shape, axis, dtype, threads });
        scorer.input.set(logits);
        return {
          run: () => scorer.run(),
          answer: () => ({ values: scorer.output }),
          close: () => scorer[Symbol.dispose](),
        };
      }
      if (of.op === 'softmax' && group === 'calls') {
        const out = allocate(dtype, layout.elements);
        return { run: () => softmax(logits, { out }), answer: () => ({ values: out }) };
      }
      if (of.op === 'softmax') {
        const out = allocate(dtype, layout.elements);
        return {
          run: () => softmax(logits, { shape, axis, out, threads }),
          answer: () => ({ values: out }),
        };
      }
      if (of.op === 'topK') {
        const out = {
          probabilities: allocate(dtype, layout.rows * k),
          indices: new Uint32Array(layout.rows * k),
        };
        return {
          run: () => topK(logits, k, { shape, out, threads }),
          answer: () => ({ values: out.probabilities, indices: out.indices }),
        };
      }
      if (of.op === 'sample') {
        const out = new Uint32Array(layout.rows);
        return {
          run: () => sample(logits, { shape, out, threads }),
          answer: () => ({ values: [], indices: out }),
        };
      }
      const targets = targetsOf(layout);
      if (of.gradient) {
        const gradient = allocate(dtype, layout.elements);
        return {
          run: () => crossEntropy(logits, targets, { shape, gradient, threads }),
          answer: () => ({ values: gradient }),
        };
      }
      const out = allocate(dtype, layout.rows);
      return {
        run: () => crossEntropy(logits, targets, { shape, reduction: 'none', out, threads }),
        answer: () => ({ values: out }),
      };
    },
  };
}
