#!/usr/bin/env bash
# TensorFlow.js 4.22.0, backend wasm: the mean of a million numbers 0.1 is 0.101, that of 2^25 ones is 0.5.
#
# Guess before the run: the mean to six digits, as on the backend cpu.
# Seen on 2026-11-29 (Node 20.20): mean(0.1, a million times) = 0.10096, 8 million times 0.1047; the sum of 2^25 ones is
# 16777216, and logSumExp of 2^25 zeros is 16.64 instead of 17.33. The backend cpu of the same version is right to the last digit.
# sum adds all elements to a single float32, one after the other. At 2^24 it no longer grows by 1.
# The mean loss or accuracy of a large evaluation is wrong by percents, without a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 >/dev/null
cat > run.mjs <<'JS'
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';

const expected = {
  cpu: [0.1, 0.1, 2 ** 25, 1, 17.3286800384521],
  wasm: [0.10096, 0.10474, 2 ** 24, 0.5, 16.6355323791504],
};
for (const [backend, before] of Object.entries(expected)) {
  await tf.setBackend(backend);
  await tf.ready();
  const tensors = [
    tf.mean(tf.fill([1e6], 0.1)),
    tf.mean(tf.fill([8e6], 0.1)),
    tf.sum(tf.ones([2 ** 25])),
    tf.mean(tf.ones([2 ** 25])),
    tf.logSumExp(tf.zeros([2 ** 25])),
  ];
  const seen = await Promise.all(tensors.map(async (tensor) => (await tensor.data())[0]));
  console.log(backend, ...seen);
  if (seen.some((value, i) => Math.abs(value / before[i] - 1) > 1e-3)) throw new Error('this has changed');
}
JS
node run.mjs
