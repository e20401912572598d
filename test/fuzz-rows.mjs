/** How many rows a file has, by other readers than ours: for ./fuzz-files.mjs. */
import { readFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromIPC } from '@uwdata/flechette';

let connection;
const EXACT = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true };
async function read(sql) {
  connection ??= await (await DuckDBInstance.create()).connect();
  return (await connection.runAndReadAll(sql)).getRowsJS();
}

async function counted(from) {
  return (await read(`SELECT count(*)::INTEGER FROM ${from}`))[0][0];
}

/** What is wrong with the rows of an output; undefined where nothing is. */
export async function wrongRows({ input, output, errors }, { rows, bad }) {
  if (output === undefined) return undefined;
  let written;
  try {
    written = await rowsOf(output);
  } catch (error) {
    return `an output that cannot be read: ${error.message}`;
  }
  if (written !== rows) return `${written} rows in the output, ${rows} in the report`;
  const all = errors === 'skip' ? rows + bad.count : rows;
  const held = await rowsIn(input);
  return held === undefined || held.includes(all)
    ? undefined
    : `${held} rows in the input, ${all} scored or left out`;
}

async function rowsOf(path) {
  if (path.endsWith('.parquet')) {
    await read(`SELECT count(COLUMNS(*)) FROM '${path}'`);
    return await counted(`'${path}'`);
  }
  if (path.endsWith('.csv'))
    return await counted(
      `read_csv('${path}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')`,
    );
  if (/\.arrows?$/.test(path)) {
    const table = tableFromIPC(readFileSync(path), EXACT);
    for (let i = 0; i < table.numCols; i++) table.getChildAt(i).toArray();
    return table.numRows;
  }
  if (/\.np[yz]$/.test(path)) {
    const file = readFileSync(path);
    // Behind the header of the first member, its name and its extra field.
    const bytes = path.endsWith('z')
      ? file.subarray(30 + file.readUInt16LE(26) + file.readUInt16LE(28))
      : file;
    const header = bytes.toString('latin1', 10, 10 + bytes.readUInt16LE(8));
    const shape = header
      .match(/'shape': \(([^)]*)\)/)[1]
      .split(',')
      .filter((size) => size.trim() !== '');
    // The last axis has the classes.
    return shape.slice(0, -1).reduce((product, size) => product * Number(size), 1);
  }
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  for (const line of lines) JSON.parse(line);
  return lines.length;
}

/** How many there may be; undefined where that cannot be told without our readers. */
async function rowsIn(path) {
  if (path.endsWith('.parquet')) return [await counted(`'${path}'`)];
  if (!/\/a\.(ndjson|csv|tsv)$/.test(path)) return undefined;
  const text = readFileSync(path, 'latin1');
  const lines = text.split('\n').filter((line) => line.trim() !== '').length;
  if (path.endsWith('.ndjson')) return [lines];
  // Quotes may hold line breaks. A first line may be names or not.
  return /["\r]/.test(text) ? undefined : [lines - 1, lines];
}
