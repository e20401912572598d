/** TensorFlow.js. The input tensor is made beforehand; every call reads its result back. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { type Contender, cannot } from './contender.js';
import { versionOf } from './version.js';

export async function open({ backend }: { backend: string }): Promise<Contender> {
  await tf.setBackend(backend);
  await tf.ready();
  return {
    version: versionOf(`@tensorflow/tfjs-backend-${backend}`),
    prepare(of, logits) {
      if (of.op !== 'softmax') return cannot('measured for softmax only');
      if (of.dtype !== 'float32') return cannot('has no float64');
      if (backend === 'cpu' && logits.length > 2 ** 23) return cannot('would take too long');
      const { shape, axis } = of;
      const rank = shape.length;
      const input = tf.tensor(logits as Float32Array, [...shape], 'float32');
      // Its softmax is of the last axis only; this swaps it with the one asked for, and back.
      const swap = shape.map((_, d) => (d === axis ? rank - 1 : d === rank - 1 ? axis : d));
      let latest: Float32Array;
      return {
        run: () => {
          const output = tf.tidy(() =>
            axis === rank - 1 ? tf.softmax(input) : tf.transpose(tf.softmax(tf.transpose(input, swap)), swap),
          );
          latest = output.dataSync<'float32'>();
          output.dispose();
        },
        answer: () => ({ values: latest }),
        close: () => input.dispose(),
      };
    },
  };
}
