#!/usr/bin/env bash
# hyparquet 1.33.0 with hyparquet-compressors 1.1.2: a Parquet file with LZ4 and a column without values cannot be read.
#
# Guess before the run: a column of nulls or of empty lists is read as such, whatever the compression.
# Seen on 2026-11-29 (Node 20.20): in files of parquet-wasm 0.8.0 with LZ4_RAW, a column of nulls, or of empty lists, throws "lz4 offset out
# of range 0", and the rows of the other columns with it. SNAPPY, GZIP, ZSTD and BROTLI are read; DuckDB 1.5.6 reads the LZ4 file.
# The dictionary of such a column is an empty page. LZ4 compresses nothing to one byte, a token without literals that ends the block;
# the decoder looks for a match behind it. DuckDB's own files have no page for it. Row groups in which a sparse column is empty are usual.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 hyparquet@1.33.0 hyparquet-compressors@1.1.2 parquet-wasm@0.8.0 apache-arrow@21.2.0 >/dev/null
cat > run.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { Field, Float32, List, Table, tableToIPC, vectorFromArray } from 'apache-arrow';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import * as wasm from 'parquet-wasm/node';

const connection = await (await DuckDBInstance.create()).connect();
const lists = new List(new Field('item', new Float32(), true));
const columns = {
  values: vectorFromArray([1, 2], new Float32()),
  nulls: vectorFromArray([null, null], new Float32()),
  'empty lists': vectorFromArray([[], []], lists),
};
for (const [name, x] of Object.entries(columns)) {
  for (const codec of ['SNAPPY', 'GZIP', 'ZSTD', 'BROTLI', 'LZ4_RAW']) {
    const properties = new wasm.WriterPropertiesBuilder().setCompression(wasm.Compression[codec]).build();
    const stream = tableToIPC(new Table({ x }), 'stream');
    const file = new Uint8Array(wasm.writeParquet(wasm.Table.fromIPCStream(stream), properties));
    writeFileSync('x.parquet', file);
    const rows = (await connection.runAndReadAll("SELECT x FROM 'x.parquet'")).getRows().length;
    const seen = await parquetReadObjects({ file: file.buffer, compressors }).then(
      (read) => `${read.length} rows`,
      ({ message }) => message,
    );
    console.log(`${name}, ${codec}: DuckDB ${rows} rows, hyparquet ${seen}`);
    const before = codec === 'LZ4_RAW' && name !== 'values' ? 'lz4 offset out of range 0' : '2 rows';
    if (rows !== 2 || seen !== before) throw new Error('this has changed');
  }
}
JS
node run.mjs
