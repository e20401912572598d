#!/usr/bin/env bash
# The exact sums of DuckDB 1.5.6 (fsum, favg), simple-statistics 7.12.1 (sum, mean) and @stdlib (dsumkbn 0.3.1) make NaN of -Infinity.
#
# Guess before the run: -Infinity, as the plain sum: a sum that is more exact is not less defined.
# Seen on 2026-11-29 (Node 20.20): of -Infinity and 1, DuckDB's sum and avg are -Infinity, fsum and favg NaN; so are sum and mean
# of simple-statistics, which has no other sum, and dsumkbn of @stdlib, whose pairwise dsumpw is -Infinity.
# All three keep the rounding error of each addition, and that of an infinite one is Infinity - Infinity.
# So the log-likelihood of a test set with one impossible event is NaN there, which looks like a defect in the data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 simple-statistics@7.12.1 @stdlib/blas-ext-base-dsumkbn@0.3.1 @stdlib/blas-ext-base-dsumpw@0.3.1 >/dev/null
cat > run.mjs <<'JS'
import { DuckDBInstance } from '@duckdb/node-api';
import dsumkbn from '@stdlib/blas-ext-base-dsumkbn';
import dsumpw from '@stdlib/blas-ext-base-dsumpw';
import { mean, sum } from 'simple-statistics';

const logs = [-Infinity, 1];
const connection = await (await DuckDBInstance.create()).connect();
const sql = "SELECT sum(x), avg(x), fsum(x), favg(x) FROM (VALUES ('-inf'::DOUBLE), (1)) t(x)";
const duckdb = (await connection.runAndReadAll(sql)).getRows()[0];
const seen = {
  'DuckDB sum, avg, fsum, favg': duckdb,
  'simple-statistics sum, mean': [sum(logs), mean(logs)],
  '@stdlib dsumpw, dsumkbn': [dsumpw(2, Float64Array.from(logs), 1), dsumkbn(2, Float64Array.from(logs), 1)],
};
for (const [name, values] of Object.entries(seen)) console.log(name, values.join(' '));
const before = '-Infinity -Infinity NaN NaN NaN NaN -Infinity NaN';
if (Object.values(seen).flat().join(' ') !== before) throw new Error('this has changed');
JS
node run.mjs
