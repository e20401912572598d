#!/usr/bin/env bash
# @huggingface/transformers 4.3.2: the 1-norm of [-3, 4] is 1, and layer_norm of small numbers is up to 3.3 times too large.
#
# Guess before the run: as in PyTorch, whose names and arguments they have: 7; and (x - mean) / sqrt(variance + epsilon).
# Seen on 2026-11-29 (Node 20.20): Tensor.norm(1) of [-3, 4] is 1, and norm(3, 1) of the row [3, -4] NaN: powers are added
# without absolute values. normalize(1, 1) divides by that. norm(2), the default, is right.
# layer_norm adds epsilon (1e-5) to the standard deviation and not to the variance: of [-0.001, 0.001] it gives 0.990
# (PyTorch: 0.302), of [-0.01, 0.01] 0.999 (0.953). Where numbers are near 1 both agree to five digits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --ignore-scripts --no-audit --no-fund @huggingface/transformers@4.3.2 >/dev/null
cat > run.mjs <<'JS'
import { layer_norm, Tensor } from '@huggingface/transformers';

const row = (...values) => new Tensor('float32', Float32Array.from(values), [1, values.length]);
const norms = [row(-3, 4).norm(1).data[0], row(-3, 4).norm(2).data[0], row(3, -4).norm(3, 1).data[0], row(-3, 4).normalize(1, 1).data[1]];
console.log('norm(1), norm(2), norm(3, 1), normalize(1, 1):', ...norms);
if (String(norms) !== '1,5,NaN,4') throw new Error('this has changed');
for (const [size, before] of [[1, 1], [0.01, 0.999], [0.001, 0.9901]]) {
  const seen = layer_norm(row(-size, size), [2]).data[1];
  console.log(`layer_norm of ±${size}: ${seen}, PyTorch ${size / Math.sqrt(size * size + 1e-5)}`);
  if (Math.abs(seen - before) > 1e-4) throw new Error('this has changed');
}
JS
node run.mjs
