#!/usr/bin/env bash
# @duckdb/node-api 1.5.6-r.1: read_csv leaves out the last line of a file, without an error, where it is longer than max_line_size
# and goes past the end of a buffer.
#
# Guess before the run: "Maximum line size of 2000000 bytes exceeded", as for such a line anywhere else.
# Seen on 2026-11-30 (Node 20.20, linux x64): 1000 rows, then one with a text of 40 MB: count(*) is 1000, of plain text and of
# gzip, with and without a line break at the end. The same line with others behind it: an error. The
# same file with parallel = false: the error that was expected. A last line of 20 MB that stays in its buffer: the error too.
# Whoever reads documents or embeddings from a CSV loses the last one, if it is a long one, and does not know.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >/dev/null
cat > run.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';

const connection = await (await DuckDBInstance.create()).connect();
const short = 'a,1.5\n'.repeat(1000);
const long = (size) => `${'x'.repeat(size)},0.5\n`;
const files = {
  'last.csv': `id,x\n${short}${long(40e6)}`,
  'last-no-break.csv': `id,x\n${short}${long(40e6).trim()}`,
  'last.csv.gz': `id,x\n${short}${long(40e6)}`,
  'between.csv': `id,x\n${short}${long(40e6)}${short}`,
  'last-in-buffer.csv': `id,x\n${short}${long(20e6)}`,
};
async function count(name, more) {
  const sql = `SELECT count(*) FROM read_csv('${name}', columns = {id: 'VARCHAR', x: 'DOUBLE'}, header = true, auto_detect = false${more})`;
  return await connection.runAndReadAll(sql).then((reader) => `${reader.getRows()[0][0]} rows`, () => 'an error');
}
const seen = [];
for (const [name, text] of Object.entries(files)) {
  writeFileSync(name, name.endsWith('.gz') ? gzipSync(text, { level: 1 }) : text);
  for (const more of ['', ', parallel = false']) {
    seen.push(await count(name, more));
    console.log(`${name}${more}: ${seen.at(-1)} of ${text.trimEnd().split('\n').length - 1}`);
  }
}
const lost = ['1000 rows', 'an error'];
const refused = ['an error', 'an error'];
if (seen.join() !== [...lost, ...lost, ...lost, ...refused, ...refused].join()) throw new Error('this has changed');
JS
node run.mjs
