#!/usr/bin/env bash
# @duckdb/node-api 1.5.6-r.1: the cosine similarity of a float vector with itself is 1, 0 or -1, by the size of its numbers.
#
# Guess before the run: 1; or NaN where squares underflow or overflow.
# Seen on 2026-11-29 (Node 20.20): list_cosine_similarity and array_cosine_similarity of v with itself are 1 for v = [1, 2],
# 0 for [1e10, 2e10], and -1 for [1e-30, 2e-30], [1e30, 2e30] and [0, 0]. As DOUBLE all but the last are 1. So logits
# or embeddings without a scale may count as the opposite of themselves, and are sorted behind all others.
# The product of both squared lengths is a float: it is Infinity from 1e10 on. Where products are 0 or Infinity too, the quotient is
# NaN, and the limit to -1 … 1 makes -1 of NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >/dev/null
cat > run.mjs <<'JS'
import { DuckDBInstance } from '@duckdb/node-api';

const connection = await (await DuckDBInstance.create()).connect();
for (const [vector, floats, doubles] of [['[1, 2]', 1, 1], ['[1e-30, 2e-30]', -1, 1], ['[1e10, 2e10]', 0, 1], ['[1e30, 2e30]', -1, 1], ['[0, 0]', -1, -1]]) {
  const of = (kind, type) => `${kind}_cosine_similarity(${vector}::${type}, ${vector}::${type})`;
  const sql = `SELECT ${of('list', 'FLOAT[]')}, ${of('array', 'FLOAT[2]')}, ${of('list', 'DOUBLE[]')}`;
  const seen = (await connection.runAndReadAll(sql)).getRows()[0];
  console.log(vector, 'FLOAT[]', seen[0], 'FLOAT[2]', seen[1], 'DOUBLE[]', seen[2]);
  if (![floats, floats, doubles].every((value, i) => Math.abs(value - seen[i]) < 1e-6)) throw new Error('this has changed');
}
JS
node run.mjs
