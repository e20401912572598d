#!/usr/bin/env bash
# @huggingface/transformers 4.3.2, Node 20 and 22: tensor.to('float16') makes 1.5 to 6e-8 and -2 to NaN.
#
# Guess before the run: the nearest float16; or an error, as for `new Tensor('float16', [1.5], [1])` in the same versions.
# Seen on 2026-11-29 (Node 20.20): of 1.5, -2, 70000 and 0.25, to('float16').to('float32') gives 5.96e-8, NaN, 6.6e-4 and 0.
# Without Float16Array (Node before 24) such a tensor holds its bits in a Uint16Array. to('float32') knows that; to('float16')
# converts the numbers to integers, and they become the bits. On Node 24 the result is right. There this script
# hides Float16Array, so that it does the same as on Node 20.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --ignore-scripts --no-audit --no-fund @huggingface/transformers@4.3.2 >/dev/null
cat > run.mjs <<'JS'
delete globalThis.Float16Array;
const { Tensor } = await import('@huggingface/transformers');

const tensor = new Tensor('float32', Float32Array.of(1.5, -2, 70000, 0.25), [4]);
const seen = tensor.to('float16').to('float32').data;
const back = new Tensor('float16', Uint16Array.of(0x3e00), [1]).to('float32').data[0];
console.log(...tensor.data, 'become', ...seen, '- the bits of 1.5 are read as', back);
const asSeen = seen[0] === 2 ** -24 && Number.isNaN(seen[1]) && seen[2] < 1e-3 && seen[3] === 0 && back === 1.5;
if (!asSeen) throw new Error('this has changed');
JS
node run.mjs
