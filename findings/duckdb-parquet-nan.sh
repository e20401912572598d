#!/usr/bin/env bash
# @duckdb/node-api 1.5.6-r.1: in a Parquet file of parquet-wasm 0.8.0 or hyparquet-writer 0.17.0, NaN equals 3, and is not NaN.
#
# Guess before the run: the same answers as from a table in memory. There NaN equals NaN, and is larger than every number.
# Seen on 2026-11-29 (Node 20.20): of the column 3, NaN, 3, in memory and in DuckDB's own Parquet, `x = 3` gives two rows and
# `x = 'NaN'` and `x > 10` give one. In the files of the other two writers, `x = 3` and `x < 10` also give the row with NaN,
# `x <> 3`, `x > 10` and `x = 'NaN'` give none, and isnan(x) still finds it. max(x) is 3 in that of parquet-wasm.
# Both files are valid: Parquet leaves NaN out of the least and the largest value of a column chunk. DuckDB's optimizer takes
# these two as bounds of all values, and drops a condition that every bounded value meets. Its own writer gives no bounds
# where there is a NaN. `PRAGMA disable_optimizer` gives the right rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 parquet-wasm@0.8.0 hyparquet-writer@0.17.0 apache-arrow@21.2.0 >/dev/null
cat > run.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { Table, writeParquet } from 'parquet-wasm/node';

const x = Float32Array.of(3, NaN, 3);
const stream = tableToIPC(tableFromArrays({ x }), 'stream');
writeFileSync('parquet-wasm.parquet', writeParquet(Table.fromIPCStream(stream)));
writeFileSync('hyparquet-writer.parquet', new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'x', data: x, type: 'FLOAT' }] })));
const connection = await (await DuckDBInstance.create()).connect();
await connection.run("CREATE TABLE memory AS SELECT unnest(['3', 'NaN', '3']::FLOAT[]) AS x");
await connection.run("COPY memory TO 'duckdb.parquet'");

const ask = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson()[0].join();
const conditions = ['x = 3', 'x < 10', 'x <> 3', 'x > 10', "x = 'NaN'", 'isnan(x)'];
async function answers(table) {
  const counts = [];
  for (const condition of conditions) counts.push(await ask(`SELECT count(*) FROM ${table} WHERE ${condition}`));
  return `${counts.join(' ')} max ${await ask(`SELECT max(x) FROM ${table}`)}`;
}
const expected = {
  memory: '2 2 1 1 1 1 max NaN',
  "'duckdb.parquet'": '2 2 1 1 1 1 max NaN',
  "'parquet-wasm.parquet'": '3 3 0 0 0 1 max 3',
  "'hyparquet-writer.parquet'": '3 3 0 0 0 1 max NaN',
};
console.log(`rows where ${conditions.join(', ')}:`);
for (const [table, before] of Object.entries(expected)) {
  const seen = await answers(table);
  console.log(`${seen}  ${table}`);
  if (seen !== before) throw new Error('this has changed');
}
await connection.run('PRAGMA disable_optimizer');
const right = await answers("'parquet-wasm.parquet'");
console.log(`${right}  'parquet-wasm.parquet', no optimizer`);
if (right !== expected.memory) throw new Error('this has changed');
JS
node run.mjs
