#!/usr/bin/env bash
# parquet-wasm 0.8.0 (arrow-rs) reads integers of DuckDB's Parquet version 2 from the start, but from no other row.
#
# Guess before the run: readParquet with an offset gives the rows from there, as for every other encoding.
# Seen on 2026-11-29 (Node 20.20): the file of DuckDB 1.5.6 with PARQUET_VERSION V2 is read whole; with { offset: 1, limit: 3 }
# it throws "cannot skip miniblock of size 256". A file with floats and strings alone can be read from any row, and hyparquet 1.33.0
# reads the integers from any row too. To leave the integers out does not help: readParquet ignores its option `columns`.
# DuckDB packs 256 differences of a DELTA_BINARY_PACKED column together, which the format allows; arrow-rs skips no more than
# it would write itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 hyparquet@1.33.0 parquet-wasm@0.8.0 apache-arrow@21.2.0 >/dev/null
cat > run.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromIPC } from 'apache-arrow';
import { parquetReadObjects } from 'hyparquet';
import { readParquet } from 'parquet-wasm/node';

const connection = await (await DuckDBInstance.create()).connect();
const columns = { id: '(i * 7919)::INTEGER AS id', score: '(i / 7)::FLOAT AS score', name: "'row ' || i AS name" };
const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    return String(error.message ?? error);
  }
};
for (const names of [['id'], ['score', 'name'], ['id', 'score']]) {
  await connection.run(`COPY (SELECT ${names.map((name) => columns[name])} FROM range(5000) t(i)) TO 'x.parquet' (PARQUET_VERSION V2)`);
  const encodings = (await connection.runAndReadAll("SELECT encodings FROM parquet_metadata('x.parquet')")).getRows().join(', ');
  const file = new Uint8Array(readFileSync('x.parquet'));
  const read = (options) => tableFromIPC(readParquet(file, options).intoIPCStream());
  const whole = read({ columns: names.slice(-1) });
  const later = attempt(() => `${read({ columns: names.slice(-1), offset: 1, limit: 3 }).numRows} rows`);
  const byHyparquet = await parquetReadObjects({ file: file.buffer, rowStart: 1, rowEnd: 4 });
  console.log(`${names} (${encodings}), of which ${names.slice(-1)}: ${whole.numRows} rows of ${whole.numCols} columns; three rows from the second: ${later}, hyparquet ${byHyparquet.length}`);
  const before = names.includes('id') ? /cannot skip miniblock of size 256/ : /^3 rows$/;
  const asSeen = whole.numRows === 5000 && whole.numCols === names.length && before.test(later) && byHyparquet.length === 3;
  if (!asSeen) throw new Error('this has changed');
}
JS
node run.mjs
