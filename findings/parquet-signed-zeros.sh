#!/usr/bin/env bash
# @duckdb/node-api 1.5.6-r.1 and hyparquet-writer 0.17.0: zeros in Parquet take the sign of the first zero; then DuckDB misses them.
#
# Guess before the run: every zero keeps its sign; and `x = 0` finds both, because DuckDB says that -0 = 0.
# Seen on 2026-11-29 (Node 20.20): ten zeros of both signs, among fifteen rows, are read back (by hyparquet 1.33.0) all
# positive if the first is positive, all negative if it is negative. parquet-wasm 0.8.0 keeps the signs.
# Both writers give a column with few different values a dictionary, and look values up in it by equality, for which -0 is 0.
# If the zeros of DuckDB's file are negative, its `SELECT count(*) WHERE x = 0` counts none of the ten: the Bloom filter
# beside each dictionary has the hash of the bytes of -0, and is asked for those of 0. `x >= 0 AND x <= 0` finds all ten.
# Rounded scores and gradients have such zeros.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 hyparquet@1.33.0 hyparquet-writer@0.17.0 parquet-wasm@0.8.0 apache-arrow@21.2.0 >/dev/null
cat > run.mjs <<'JS'
import { readFileSync, writeFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { Table, writeParquet } from 'parquet-wasm/node';

const connection = await (await DuckDBInstance.create()).connect();
const writers = {
  async duckdb(x) {
    const values = x.map((value) => (Object.is(value, -0) ? "'-0.0'" : `'${value}'`));
    await connection.run(`COPY (SELECT unnest([${values}]::FLOAT[]) AS x) TO 'duckdb.parquet'`);
  },
  'hyparquet-writer'(x) {
    const file = parquetWriteBuffer({ columnData: [{ name: 'x', data: x, type: 'FLOAT' }] });
    writeFileSync('hyparquet-writer.parquet', new Uint8Array(file));
  },
  'parquet-wasm'(x) {
    const stream = tableToIPC(tableFromArrays({ x: Float32Array.from(x) }), 'stream');
    writeFileSync('parquet-wasm.parquet', writeParquet(Table.fromIPCStream(stream)));
  },
};
for (const first of [0, -0]) {
  const x = [first, -first, 1, ...Array.from({ length: 12 }, (_, i) => (i % 3 ? -first : 1))]; // ten zeros
  for (const [name, write] of Object.entries(writers)) {
    await write(x);
    const { buffer } = new Uint8Array(readFileSync(`${name}.parquet`));
    const zeros = (await parquetReadObjects({ file: buffer })).map((row) => row.x).filter((value) => value === 0);
    const negative = zeros.filter((zero) => Object.is(zero, -0)).length;
    const count = async (condition) =>
      Number((await connection.runAndReadAll(`SELECT count(*) FROM '${name}.parquet' WHERE ${condition}`)).getRows()[0][0]);
    const [equal, between] = [await count('x = 0'), await count('x >= 0 AND x <= 0')];
    console.log(`${name}: ${negative} of ${zeros.length} zeros are negative; x = 0 finds ${equal}, x >= 0 AND x <= 0 ${between}`);
    const merged = name !== 'parquet-wasm';
    const signs = merged ? (Object.is(first, -0) ? 10 : 0) : x.filter((value) => Object.is(value, -0)).length;
    const missed = name === 'duckdb' && Object.is(first, -0);
    if (zeros.length !== 10 || negative !== signs || equal !== (missed ? 0 : 10) || between !== 10)
      throw new Error('this has changed');
  }
}
JS
node run.mjs
