#!/usr/bin/env bash
# TensorFlow.js 4.22.0, backend wasm: log1p(5e-8) is 0, and so the sigmoid cross entropy of a logit of -17 is 0.
#
# Guess before the run: log1p keeps the digits of small arguments, as it does on the backend cpu; that is what it is for.
# Seen on 2026-11-29 (Node 20.20): log1p of 1e-5, 1e-7 and 5e-8 is 1.0014e-5, 1.19e-7 and 0: the logarithm of 1 + x after rounding.
# losses.sigmoidCrossEntropy is built on it: against a target of 0, a logit of -14 costs 8.3446e-7 (exactly 8.3153e-7), one of
# -17 or -20 nothing (exactly 4.1e-8 and 2.1e-9). softplus and logSigmoid of the same backend are right.
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

const logits = [-14, -17, -20];
const close = (a, b) => Math.abs(a - b) <= 1e-5 * Math.abs(b);
for (const backend of ['cpu', 'wasm']) {
  await tf.setBackend(backend);
  await tf.ready();
  const logs = await tf.log1p(tf.tensor1d([1e-5, 1e-7, 5e-8])).array();
  const losses = await tf.losses.sigmoidCrossEntropy(tf.zeros([3]), tf.tensor1d(logits), undefined, 0, tf.Reduction.NONE).array();
  const softplus = await tf.softplus(tf.tensor1d(logits)).array(); // the same losses, by another way
  console.log(backend, 'log1p', ...logs, 'losses', ...losses, 'softplus', ...softplus);
  const exact = logits.map((x) => Math.log1p(Math.exp(x)));
  const right = [close(logs[2], 5e-8), losses.every((loss, i) => close(loss, exact[i])), softplus.every((loss, i) => close(loss, exact[i]))];
  const asBefore = backend === 'cpu' ? right.every(Boolean) : logs[2] === 0 && losses[1] === 0 && losses[2] === 0 && right[2];
  if (!asBefore) throw new Error('this has changed');
}
JS
node run.mjs
