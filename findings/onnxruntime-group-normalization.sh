#!/usr/bin/env bash
# onnxruntime-node 1.30.0, CPU: GroupNormalization of 10001, 10002, 10003, 10004 is NaN.
#
# Guess before the run: -1.34, -0.45, 0.45, 1.34 for any offset, as from LayerNormalization and InstanceNormalization of the same version.
# Seen on 2026-11-29 (linux x64): with one group, opset 21: right for 1001 … 1004, ±1.06 and ±0.35 for 3001 … 3004, NaN from 10001 and
# ±0.05, ±0.02 from 100001. LayerNormalization of the same rows is right to six digits, InstanceNormalization to two.
# The operator is a function of others: its variance is the mean of the squares minus the square of the mean, in float32, which
# cancels and may be negative.
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
const value = (field, name) => message(field, text(1, name), message(2, message(1, int(1, 1))));
async function normalized(op, first) {
  const groups = op === 'GroupNormalization' ? [message(5, text(1, 'num_groups'), int(3, 1), int(20, 2))] : [];
  const node = message(1, text(1, 'x'), text(1, 'scale'), text(1, 'bias'), text(2, 'y'), text(4, op), ...groups);
  const graph = message(7, node, text(2, 'one'), value(11, 'x'), value(11, 'scale'), value(11, 'bias'), value(12, 'y'));
  const parts = [int(1, 10), graph, message(8, text(1, ''), int(2, 21))];
  const session = await InferenceSession.create(parts.reduce((writer, part) => part(writer), protobuf.Writer.create()).finish());
  const size = op === 'LayerNormalization' ? 4 : 1; // scale and bias: of an element, or of a channel
  const feeds = {
    x: new Tensor('float32', Float32Array.from({ length: 4 }, (_, i) => first + i), [1, 1, 4]),
    scale: new Tensor('float32', new Float32Array(size).fill(1), [size]),
    bias: new Tensor('float32', new Float32Array(size), [size]),
  };
  return (await session.run(feeds)).y.data[3];
}
for (const [first, group] of [[1, 1.3416], [1001, 1.3416], [3001, 1.0607], [10001, Number.NaN], [100001, 0.0469]]) {
  const [byGroup, byLayer, byInstance] = [await normalized('GroupNormalization', first), await normalized('LayerNormalization', first), await normalized('InstanceNormalization', first)];
  console.log(`from ${first}, the last element: group ${byGroup}, layer ${byLayer}, instance ${byInstance}`);
  const asSeen = Number.isNaN(group) ? Number.isNaN(byGroup) : Math.abs(byGroup - group) < 1e-3;
  if (!asSeen || Math.abs(byLayer - 1.34164) > 1e-4 || Math.abs(byInstance - 1.3416) > 0.01) throw new Error('this has changed');
}
JS
node run.mjs
