#!/usr/bin/env bash
# onnxruntime-node 1.30.0, CPU: Unique counts a NaN as the value before it, and after a NaN in front finds nothing else.
#
# Guess before the run: every NaN, or one for all of them, is a value of its own, as in NumPy and PyTorch.
# Seen on 2026-11-29 (linux x64): Unique of 1, 2, NaN, 3 is 1, 2, 3, and 1 is counted twice. Of NaN, 0, 1, 2 it is NaN alone,
# counted four times; the inverse indices say that all four are equal.
# The values are kept in a tree that asks which of two is less. NaN is less than nothing, so it equals whatever it meets first.
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
const value = (field, name, type) => message(field, text(1, name), message(2, message(1, int(1, type), message(2, message(1, text(2, name))))));
const node = message(1, text(1, 'x'), ...['y', 'first', 'inverse', 'counts'].map((name) => text(2, name)), text(4, 'Unique'));
const outputs = [value(12, 'y', 1), value(12, 'first', 7), value(12, 'inverse', 7), value(12, 'counts', 7)];
const parts = [int(1, 8), message(7, node, text(2, 'one'), value(11, 'x', 1), ...outputs), message(8, text(1, ''), int(2, 13))];
const session = await InferenceSession.create(parts.reduce((writer, part) => part(writer), protobuf.Writer.create()).finish());

for (const [x, before] of [[[1, 2, NaN, 3], '1,2,3 2,1,1'], [[NaN, 0, 1, 2], 'NaN 4'], [[0, 1, 2, 1], '0,1,2 1,2,1']]) {
  const { y, counts } = await session.run({ x: new Tensor('float32', Float32Array.from(x), [x.length]) });
  console.log(x.join(' '), '- unique:', y.data.join(' '), '- counts:', counts.data.join(' '));
  if (`${y.data.join()} ${counts.data.join()}` !== before) throw new Error('this has changed');
}
JS
node run.mjs
