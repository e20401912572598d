#!/usr/bin/env bash
# onnxruntime-node 1.30.0, CPU: the mean of 2^25 ones is 1 in a row and 0.5 in a column.
#
# Guess before the run: 1 for both; the shapes [1, n] and [n, 1] hold the same numbers.
# Seen on 2026-11-29 (linux x64, AVX2): ReduceMean over axis 1 of [1, 2^25] is 1, over axis 0 of [2^25, 1] it is 0.5.
# ReduceL1 is 2^24 and ReduceLogSumExp of zeros is 16.64 = 24 ln 2 in both shapes, where LogSoftmax is right (17.33 = 25 ln 2), and ReduceSum of the row.
# Some of these reductions add in blocks, the others add each element to a single float32, which stops at 2^24 here. With numbers
# that are not 1 the error starts earlier: the mean of a million times 0.1 is 0.0999 as a row, and 0.101 as a column.
# ReduceLogSumExp and LogSoftmax of one row therefore disagree about its normalizer.
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
const floats = (field, name, dims) =>
  message(field, text(1, name), message(2, message(1, int(1, 1), message(2, ...dims.map((dim) => message(1, text(2, dim)))))));
/** A model of one operator; `axes` of a reduction, `axis` of LogSoftmax. */
function modelOf(op, axis) {
  const attribute =
    op === 'LogSoftmax'
      ? message(5, text(1, 'axis'), int(3, axis), int(20, 2))
      : message(5, text(1, 'axes'), int(8, axis), int(20, 7));
  const node = message(1, text(1, 'x'), text(2, 'y'), text(4, op), attribute);
  const graph = message(7, node, text(2, 'one'), floats(11, 'x', ['m', 'n']), floats(12, 'y', ['p', 'q']));
  const parts = [int(1, 8), graph, message(8, text(1, ''), int(2, 12))];
  return parts.reduce((writer, part) => part(writer), protobuf.Writer.create()).finish();
}
async function of(op, value, length, axis) {
  const session = await InferenceSession.create(modelOf(op, op === 'LogSoftmax' ? 1 : axis));
  const dims = axis === 1 ? [1, length] : [length, 1];
  return (await session.run({ x: new Tensor('float32', new Float32Array(length).fill(value), dims) })).y.data[0];
}
const n = 2 ** 25;
const expected = [
  ['ReduceMean', 1, n, [1, 0.5]],
  ['ReduceMean', 0.1, 1e6, [0.0999, 0.10096]],
  ['ReduceSum', 1, n, [n, undefined]],
  ['ReduceL1', 1, n, [2 ** 24, 2 ** 24]],
  ['ReduceLogSumExp', 0, n, [24 * Math.LN2, 24 * Math.LN2]],
  ['LogSoftmax', 0, n, [-25 * Math.LN2, undefined]],
];
for (const [op, value, length, before] of expected) {
  const seen = [await of(op, value, length, 1), op === 'LogSoftmax' ? undefined : await of(op, value, length, 0)];
  console.log(`${op} of ${length} times ${value}: ${seen[0]} as a row, ${seen[1] ?? '-'} as a column`);
  if (seen.some((result, i) => before[i] !== undefined && Math.abs(result / before[i] - 1) > 1e-3)) throw new Error('this has changed');
}
JS
node run.mjs
