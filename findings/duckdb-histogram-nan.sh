#!/usr/bin/env bash
# @duckdb/node-api 1.5.6-r.1: histogram counts every NaN as the smallest value, or every value as NaN if one came first.
#
# Guess before the run: a bin for NaN, or none, behind all others; DuckDB sorts and groups NaN as one value above all numbers.
# Seen on 2026-11-29 (Node 20.20): histogram of 1, 2, NaN, 3 is {1: 2, 2: 1, 3: 1}, of NaN, 0, 1, 2 it is {NaN: 4}. With the bins
# [1, 2, 3], NaN counts in the first one. GROUP BY of the same rows has four groups. list_unique takes two NaNs for
# two values, where count(DISTINCT) takes them for one.
# These aggregates keep values in trees and tables that compare as C++ does, and not as the engine's own operators do.
# In a histogram of confidences, broken rows are rows of confidence 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >/dev/null
cat > run.mjs <<'JS'
import { DuckDBInstance } from '@duckdb/node-api';

const connection = await (await DuckDBInstance.create()).connect();
const expected = {
  "('1'), ('2'), ('NaN'), ('3')": '{1=2, 2=1, 3=1} | {1=2, 2=1, 3=1} | 4 groups, 4 distinct, list_unique 4',
  "('NaN'), ('0'), ('1'), ('2')": '{NaN=4} | {1=3, 2=1, 3=0} | 4 groups, 4 distinct, list_unique 4',
  "('1'), ('NaN'), ('NaN')": '{1=3} | {1=3, 2=0, 3=0} | 2 groups, 2 distinct, list_unique 3',
};
for (const [rows, before] of Object.entries(expected)) {
  const t = `(SELECT x::DOUBLE AS x FROM (VALUES ${rows}) v(x))`;
  const sql = `SELECT histogram(x)::VARCHAR || ' | ' || histogram(x, [1, 2, 3])::VARCHAR || ' | '
    || (SELECT count(*) FROM (SELECT x FROM ${t} GROUP BY x)) || ' groups, '
    || count(DISTINCT x) || ' distinct, list_unique ' || list_unique(list(x)) FROM ${t}`;
  const seen = String((await connection.runAndReadAll(sql)).getRows()[0][0]).replace(/(\d)\.0/g, '$1').replace(/nan/g, 'NaN');
  console.log(rows, seen);
  if (seen !== before) throw new Error('this has changed');
}
JS
node run.mjs
