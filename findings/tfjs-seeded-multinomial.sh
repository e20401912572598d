#!/usr/bin/env bash
# TensorFlow.js 4.22.0, backend cpu: multinomial with a seed draws the same classes in every row of a batch.
#
# Guess before the run: rows draw independently, and the seed makes the whole batch repeatable.
# Seen on 2026-11-29 (Node 20.20): four rows of equal logits, eight draws each: the four lists are the same on the backend
# cpu. On the backend wasm of the same version they differ. So seeded samples of a batch are not independent there: the
# generator starts anew for each row.
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

const rowsOf = async (backend) => {
  await tf.setBackend(backend);
  await tf.ready();
  const rows = await tf.multinomial(tf.zeros([4, 6]), 8, 5).array();
  console.log(backend, rows.map((row) => row.join('')).join(' '));
  return new Set(rows.map(String)).size;
};
const [cpu, wasm] = [await rowsOf('cpu'), await rowsOf('wasm')];
if (cpu !== 1 || wasm !== 4) throw new Error('this has changed');
JS
node run.mjs
