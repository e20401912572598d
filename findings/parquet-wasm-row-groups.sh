#!/usr/bin/env bash
# parquet-wasm 0.8.0 (arrow-rs) refuses a Parquet file with more than 32768 row groups; DuckDB and hyparquet read it.
#
# Guess before the run: all of them read it; the format has no limit to the number of row groups, and the ordinal of one, of
# 16 bits, is optional and not written here.
# Seen on 2026-11-29 (Node 20.20): of 32769 row groups of one row, written by hyparquet-writer 0.17.0, DuckDB 1.5.6 and
# hyparquet 1.33.0 read all rows; parquet-wasm reads the file of 32768 and refuses that of one more, because it counts ordinals
# of its own: "Row group ordinal 32768 exceeds i16 max value". A log to which small batches are appended reaches this.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 hyparquet@1.33.0 hyparquet-writer@0.17.0 parquet-wasm@0.8.0 apache-arrow@21.2.0 >/dev/null
cat > run.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromIPC } from 'apache-arrow';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { readParquet } from 'parquet-wasm/node';

const connection = await (await DuckDBInstance.create()).connect();
for (const [rows, refused] of [[32768, false], [32769, true]]) {
  const data = Int32Array.from({ length: rows }, (_, i) => i);
  const file = parquetWriteBuffer({ columnData: [{ name: 'x', data, type: 'INT32' }], rowGroupSize: 1 });
  writeFileSync('many.parquet', new Uint8Array(file));
  const groups = parquetMetadata(file).row_groups;
  const byDuckdb = Number((await connection.runAndReadAll("SELECT count(DISTINCT x) FROM 'many.parquet'")).getRows()[0][0]);
  const byHyparquet = new Set((await parquetReadObjects({ file })).map(({ x }) => x)).size;
  let byWasm;
  try {
    byWasm = tableFromIPC(readParquet(new Uint8Array(file)).intoIPCStream()).numRows;
  } catch (error) {
    byWasm = String(error);
  }
  console.log(`${groups.length} row groups, ordinal ${groups[0].ordinal}: DuckDB ${byDuckdb}, hyparquet ${byHyparquet}, parquet-wasm ${byWasm}`);
  const asSeen = groups.length === rows && byDuckdb === rows && byHyparquet === rows;
  if (!asSeen || (refused ? !/ordinal 32768/.test(byWasm) : byWasm !== rows)) throw new Error('this has changed');
}
JS
node run.mjs
