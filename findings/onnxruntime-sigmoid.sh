#!/usr/bin/env bash
# onnxruntime-node 1.30.0, CPU, float32: Sigmoid is 0 from -18 down, and more than twice too large at -17.
#
# Guess before the run: a relative error of 1e-6 everywhere.
# Seen on 2026-11-29 (linux x64, AVX-512): sigmoid(-17) = 8.94e-8 (exactly 4.14e-8), sigmoid(-18) = 0 (exactly 1.52e-8),
# sigmoid(17) = 0.99999988 (exactly 0.99999996). Softplus of the same version is right there.
# So a model that ends in Sigmoid gives probabilities of 0, and a log loss of Infinity, for logits that are not extreme.
# Let the model return its logits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --ignore-scripts --no-audit --no-fund onnxruntime-node@1.30.0 protobufjs@8.8.1 >/dev/null
cat > run.mjs <<'JS'
import { InferenceSession, Tensor } from 'onnxruntime-node';
import protobuf from 'protobufjs/minimal.js';

const text = (field, value) => (writer) => writer.uint32((field << 3) | 2).string(value);
const int = (field, value) => (writer) => writer.uint32(field << 3).int64(value);
const message = (field, ...parts) => (writer) =>
  parts.reduce((inner, part) => part(inner), writer.uint32((field << 3) | 2).fork()).ldelim();
const floats = (field, name) =>
  message(field, text(1, name), message(2, message(1, int(1, 1), message(2, message(1, text(2, 'n'))))));
const modelOf = (op) =>
  [
    int(1, 8),
    message(7, message(1, text(1, 'x'), text(2, 'y'), text(4, op)), text(2, 'one'), floats(11, 'x'), floats(12, 'y')),
    message(8, text(1, ''), int(2, 13)),
  ].reduce((writer, part) => part(writer), protobuf.Writer.create()).finish();
const x = Float32Array.of(-10, -17, -18, -30);
const solve = async (op) => {
  const session = await InferenceSession.create(modelOf(op));
  return [...(await session.run({ x: new Tensor('float32', x, [x.length]) })).y.data];
};
const sigmoid = await solve('Sigmoid');
const softplus = await solve('Softplus'); // ln(1 + e^x), which is e^x to seven digits from -17 down
x.forEach((value, i) => console.log(`sigmoid(${value}) = ${sigmoid[i]}, exactly ${1 / (1 + Math.exp(-value))}`));
const asSeen = sigmoid[1] > 8e-8 && sigmoid[2] === 0 && sigmoid[3] === 0 && Math.abs(softplus[2] / 1.523e-8 - 1) < 1e-3;
if (!asSeen) throw new Error('this has changed');
JS
node run.mjs
