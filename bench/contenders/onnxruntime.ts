/** What the two onnxruntimes share: their API is one, that of onnxruntime-common. */
import type { InferenceSession, Tensor, TypedTensor } from 'onnxruntime-common';
import { allocate, type Case, type Logits, layoutOf, targetsOf } from '../measure/case.js';
import { type Contender, cannot, type Prepared } from './contender.js';
import { drawRow, largestOf, lossesAndGradient } from './loops.js';
import { onnxModel } from './onnx-model.js';

interface Runtime {
  readonly version: string;
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof Tensor;
  /** Whether results can be written to memory of ours: they always can natively. */
  readonly writesInPlace: boolean;
  readonly isThreaded: boolean;
}

/** `thenLoops`: nothing but a Softmax, and loops in JavaScript over its output; else what the operators can do. */
export function onnxruntime(runtime: Runtime, thenLoops = false): Contender {
  return {
    version: runtime.version,
    async prepare(of, logits) {
      if (of.threads > 1 && !runtime.isThreaded) return cannot('measured with one thread');
      if (of.gradient && !thenLoops) return cannot('has no gradient outside of training builds');
      if (of.op === 'sample' && thenLoops) return cannot('it is what onnxruntime-node does');
      const model = onnxModel(thenLoops ? { ...of, op: 'softmax' } : of);
      const session = await runtime.InferenceSession.create(model, {
        executionProviders: runtime.isThreaded ? ['cpu'] : ['wasm'],
        intraOpNumThreads: of.threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
      });
      const feeds = { logits: tensor(runtime.Tensor, of, logits, of.shape) };
      const close = () => void session.release();
      if (of.op === 'topK' && !thenLoops) {
        let latest: InferenceSession.OnnxValueMapType;
        return {
          run: async () => {
            latest = await session.run(feeds);
          },
          answer: () => ({
            values: dataOf(latest.probabilities),
            indices: latest.indices.data as BigInt64Array,
          }),
          close,
        };
      }
      const name = of.op === 'crossEntropy' && !thenLoops ? 'log' : 'probabilities';
      const { elements } = layoutOf(of);
      const fetches = runtime.writesInPlace
        ? { [name]: tensor(runtime.Tensor, of, allocate(of.dtype, elements), of.shape) }
        : undefined;
      const solve = async () =>
        dataOf((await (fetches ? session.run(feeds, fetches) : session.run(feeds)))[name]);
      return { ...withLoops(of, solve, thenLoops), close };
    },
  };
}

/** What is left to do with the output of the model. */
function withLoops(of: Case, solve: () => Promise<Logits>, fromProbabilities: boolean): Prepared {
  const layout = layoutOf(of);
  const { rows, classes } = layout;
  if (of.op === 'softmax') {
    let latest: Logits;
    return {
      run: async () => {
        latest = await solve();
      },
      answer: () => ({ values: latest }),
    };
  }
  if (of.op === 'topK') {
    const values = allocate(of.dtype, rows * of.k);
    const indices = new Uint32Array(rows * of.k);
    return {
      run: async () => {
        const probabilities = await solve();
        for (let row = 0; row < rows; row++)
          largestOf(probabilities, row * classes, classes, of.k, values, indices, row * of.k);
      },
      answer: () => ({ values, indices }),
    };
  }
  if (of.op === 'sample') {
    const indices = new Uint32Array(rows);
    return {
      run: async () => {
        const probabilities = await solve();
        for (let row = 0; row < rows; row++) indices[row] = drawRow(probabilities, row * classes, classes, 1);
      },
      answer: () => ({ values: [], indices }),
    };
  }
  const targets = targetsOf(layout);
  const losses = allocate(of.dtype, rows);
  if (of.gradient) {
    const gradient = allocate(of.dtype, layout.elements);
    return {
      run: async () => lossesAndGradient(await solve(), gradient, targets, losses),
      answer: () => ({ values: gradient }),
    };
  }
  return {
    run: async () => {
      const all = await solve();
      for (let row = 0; row < rows; row++) {
        const value = all[row * classes + targets[row]];
        losses[row] = -(fromProbabilities ? Math.log(value) : value);
      }
    },
    answer: () => ({ values: losses }),
  };
}

function tensor(
  Make: typeof Tensor,
  of: Case,
  data: Logits,
  dims: readonly number[],
): TypedTensor<'float32'> {
  return new Make(of.dtype as 'float32', data as Float32Array, dims);
}

function dataOf(value: InferenceSession.OnnxValueMapType[string]): Logits {
  return value.data as Logits;
}
