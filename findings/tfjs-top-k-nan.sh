#!/usr/bin/env bash
# TensorFlow.js 4.22.0, backends cpu and wasm: topk of a row with one NaN can miss the largest value, by far.
#
# Guess before the run: NaN first or last, and the largest other values in order.
# Seen on 2026-11-29 (Node 20.20), on both backends: in a shuffled row of 0 to 19 whose second element is NaN, topk(row, 1)
# is 10, though 18 is there. With the NaN in the middle it is NaN. argMax finds the largest number in all these rows.
# topk divides the row by comparisons, which are all false for NaN; so it depends on its place what is lost.
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
  const best = [];
  for (const [classes, at] of [[8, 1], [20, 1], [20, 10]]) {
    const row = Float32Array.from({ length: classes }, (_, i) => (i * 7919) % classes);
    row[at] = Number.NaN;
    const largest = Math.max(...row.filter((value) => !Number.isNaN(value)));
    const [value] = await tf.topk(tf.tensor1d(row), 1).values.array();
    const index = await tf.argMax(tf.tensor1d(row)).array();
    console.log(`${backend}: ${classes} classes, NaN at ${at}: topk ${value}, argMax finds ${row[index]}, the largest is ${largest}`);
    best.push(value);
  }
  if (String(best) !== '4,10,NaN') throw new Error('this has changed');
}
JS
node run.mjs
