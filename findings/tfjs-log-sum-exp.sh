#!/usr/bin/env bash
# TensorFlow.js 4.22.0, backends cpu and wasm: logSumExp of a row of -Infinity is NaN, and so is that of a row with +Infinity.
#
# Guess before the run: -Infinity and +Infinity, as in SciPy, PyTorch and onnxruntime's ReduceLogSumExp.
# Seen on 2026-11-29 (Node 20.20): NaN in both cases, on both backends. The maximum is subtracted first, and
# Infinity - Infinity is NaN. A row whose classes are all masked by -Infinity, or an empty shard, makes NaN of all that is
# added to it.
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

for (const backend of ['cpu', 'wasm']) {
  await tf.setBackend(backend);
  await tf.ready();
  const of = async (row) => (await tf.logSumExp(tf.tensor2d([row]), 1).data())[0];
  const [nothing, infinite] = [await of([-Infinity, -Infinity]), await of([Infinity, 1])];
  console.log(backend, nothing, infinite);
  if (!Number.isNaN(nothing) || !Number.isNaN(infinite)) throw new Error('this has changed');
}
JS
node run.mjs
