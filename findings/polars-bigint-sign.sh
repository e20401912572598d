#!/usr/bin/env bash
# nodejs-polars 0.24.0 (and 0.26.1): a list of BigInts loses its minus signs, and as Int64 it becomes all null.
#
# Guess before the run: [-100n, 2n] is an Int64 column of -100 and 2, as a BigInt64Array of them is.
# Seen on 2026-11-29 (Node 20.20, linux x64): Series and DataFrame without a type make a UInt64 column of 100 and 2.
# With the type Int64 (or Int8 to Int32) every value is null, and there is no error. BigInt64Array.of(-100n, 2n) is right.
# int64 labels and token ids arrive as BigInts from onnxruntime, Arrow and .npy. A label of -100, "ignore this row", is class
# 100 afterwards.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund nodejs-polars@0.24.0 >/dev/null
cat > run.mjs <<'JS'
import pl from 'nodejs-polars';

const labels = [-100n, 2n];
const seen = {
  'Series of a list': pl.Series('x', labels),
  'DataFrame of a list': pl.DataFrame({ x: labels }).getColumn('x'),
  'Series of a list, Int64': pl.Series('x', labels, pl.Int64),
  'Series of a BigInt64Array': pl.Series('x', BigInt64Array.from(labels)),
};
for (const [way, series] of Object.entries(seen)) console.log(`${way}: ${series.dtype}`, series.toArray());
const text = Object.values(seen).map((series) => series.toArray().map(String).join());
if (text.join(' ') !== '100,2 100,2 null,null -100,2') throw new Error('this has changed');
JS
node run.mjs
