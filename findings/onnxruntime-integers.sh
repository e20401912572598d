#!/usr/bin/env bash
# onnxruntime-node 1.30.0, CPU: ReduceSum and Pow of int64 are computed as doubles; ReduceSum of int32 stops at the largest int32.
#
# Guess before the run: integers stay integers, and wrap around where they overflow, as in NumPy and PyTorch.
# Seen on 2026-11-29 (linux x64): the sum of 2^53 + 1 and 0 is 2^53, 3^39 is 4052555153018976256 (11 too small), and (2^53 + 1)^1
# is 2^53. The int32 sum of 2147483647 and 1 is 2147483647. ReduceMax keeps 2^53 + 1, so that the largest of a list can be larger
# than the sum of the list. Ids, hashes and counters of 64 bits change in a model that adds a 0 to them.
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
const value = (field, name, type) => message(field, text(1, name), message(2, message(1, int(1, type))));
async function of(op, type, ...inputs) {
  const names = inputs.map((_, i) => `x${i}`);
  const node = message(1, ...names.map((name) => text(1, name)), text(2, 'y'), text(4, op));
  const graph = message(7, node, text(2, 'one'), ...names.map((name) => value(11, name, type === 'int64' ? 7 : 6)), value(12, 'y', type === 'int64' ? 7 : 6));
  const parts = [int(1, 8), graph, message(8, text(1, ''), int(2, 12))];
  const session = await InferenceSession.create(parts.reduce((writer, part) => part(writer), protobuf.Writer.create()).finish());
  const feeds = Object.fromEntries(inputs.map((data, i) => [names[i], new Tensor(type, data, [data.length])]));
  return (await session.run(feeds)).y.data[0];
}
const large = 2n ** 53n + 1n;
const cases = [
  ['ReduceSum', 'int64', [BigInt64Array.of(large, 0n)], large - 1n, large],
  ['ReduceMax', 'int64', [BigInt64Array.of(large, 0n)], large, large],
  ['Pow', 'int64', [BigInt64Array.of(3n), BigInt64Array.of(39n)], 4052555153018976256n, 3n ** 39n],
  ['Pow', 'int64', [BigInt64Array.of(large), BigInt64Array.of(1n)], large - 1n, large],
  ['ReduceSum', 'int32', [Int32Array.of(2147483647, 1)], 2147483647, -2147483648],
];
for (const [op, type, inputs, before, exact] of cases) {
  const seen = await of(op, type, ...inputs);
  console.log(`${op} of ${type} ${inputs.map((data) => data.join()).join(' and ')}: ${seen}, in integers ${exact}`);
  if (seen !== before) throw new Error('this has changed');
}
JS
node run.mjs
