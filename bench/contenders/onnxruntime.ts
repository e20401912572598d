/** What the two onnxruntimes share: their API is one, that of onnxruntime-common. */
import type { InferenceSession, Tensor, TypedTensor } from 'onnxruntime-common';
import { allocate, type Case, type Logits, layoutOf, targetsOf } from '../measure/case.js';
import { type Contender, cannot, type Prepared } from './contender.js';
import { drawRow } from './draw.js';
import { onnxModel } from './onnx-model.js';

interface Runtime {
  readonly version: string;
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof Tensor;
  /** Whether results can be written to memory of ours: they always can natively. */
  readonly writesInPlace: boolean;
  readonly isThreaded: boolean;
}

export function onnxruntime(runtime: Runtime): Contender {
  return {
    version: runtime.version,
    async prepare(of, logits) {
      if (of.threads > 1 && !runtime.isThreaded) return cannot('measured with one thread');
      const session = await runtime.InferenceSession.create(onnxModel(of), {
        executionProviders: runtime.isThreaded ? ['cpu'] : ['wasm'],
        intraOpNumThreads: of.threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
      });
      return prepareWith(runtime, session, of, logits);
    },
  };
}

function prepareWith(
  { Tensor, writesInPlace }: Runtime,
  session: InferenceSession,
  of: Case,
  logits: Logits,
): Prepared {
  const layout = layoutOf(of);
  const feeds = { logits: tensor(Tensor, of, logits, of.shape) };
  const close = () => void session.release();
  let latest: InferenceSession.OnnxValueMapType;

  if (of.op === 'topK') {
    return {
      run: async () => {
        latest = await session.run(feeds);
      },
      answer: () => ({ values: dataOf(latest.probabilities), indices: latest.indices.data as BigInt64Array }),
      close,
    };
  }
  const name = of.op === 'crossEntropy' ? 'log' : 'probabilities';
  const fetches = writesInPlace
    ? { [name]: tensor(Tensor, of, allocate(of.dtype, layout.elements), of.shape) }
    : undefined;
  const solve = () => (fetches ? session.run(feeds, fetches) : session.run(feeds));

  if (of.op === 'softmax') {
    return {
      run: async () => {
        latest = await solve();
      },
      answer: () => ({ values: dataOf(latest[name]) }),
      close,
    };
  }
  const { rows, classes } = layout;
  if (of.op === 'sample') {
    const indices = new Uint32Array(rows);
    return {
      run: async () => {
        const probabilities = dataOf((await solve())[name]);
        for (let row = 0; row < rows; row++) indices[row] = drawRow(probabilities, row * classes, classes, 1);
      },
      answer: () => ({ values: [], indices }),
      close,
    };
  }
  const targets = targetsOf(layout);
  const losses = allocate(of.dtype, rows);
  return {
    run: async () => {
      const log = dataOf((await solve())[name]);
      for (let row = 0; row < rows; row++) losses[row] = -log[row * classes + targets[row]];
    },
    answer: () => ({ values: losses }),
    close,
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
