#!/usr/bin/env bash
# @duckdb/node-api 1.5.6-r.1: a streamed result whose statement fails in the middle ends there, as if it were whole.
#
# Guess before the run: the error is thrown by the fetch that meets it, as `run` and `runAndReadAll` throw it.
# Seen on 2026-11-29 (Node 20.20): `run` throws; `streamAndReadAll`, `yieldRows`, `getRows` and `fetchChunk` give the rows
# before the failing chunk, or fewer, and no error: 22528 of 150,000. Whoever writes what is
# streamed to a file writes a shorter file. A row of its own at the end (UNION ALL) tells whether the end was reached.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >/dev/null
cat > run.mjs <<'JS'
import { DuckDBInstance } from '@duckdb/node-api';

const connection = await (await DuckDBInstance.create()).connect();
const sql = "SELECT if(i < 150000, i, error('not a number')::INTEGER) AS x FROM range(200000) t(i)";
const ways = {
  run: async () => (await (await connection.run(sql)).getRows()).length,
  streamAndReadAll: async () => (await connection.streamAndReadAll(sql)).currentRowCount,
  getRows: async () => (await (await connection.stream(sql)).getRows()).length,
  async yieldRows() {
    let rows = 0;
    for await (const some of (await connection.stream(sql)).yieldRows()) rows += some.length;
    return rows;
  },
  async fetchChunk() {
    const result = await connection.stream(sql);
    let rows = 0;
    for (let chunk; (chunk = await result.fetchChunk()) && chunk.rowCount > 0; ) rows += chunk.rowCount;
    return rows;
  },
};
for (const [name, read] of Object.entries(ways)) {
  const seen = await read().then((rows) => `${rows} rows, no error`, ({ message }) => `throws: ${message}`);
  console.log(name, seen);
  if (seen.startsWith('throws') !== (name === 'run')) throw new Error('this has changed');
}
JS
node run.mjs
