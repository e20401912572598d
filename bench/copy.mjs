/**
 * Text and Parquet from file to file, beside a plain COPY by DuckDB: `npm run bench:copy` (`-- --rounds 5 --dir /tmp`;
 * `--scale 0.01` for so many of the rows, to try it; `--write` puts the table into bench/FILES.md).
 * NDJSON is copied with the casts that give its numbers their shortest digits. Each run is a process of its own; its most
 * resident memory is read while it runs.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { putSection } from './files-page.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
    scale: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});
const CLI = join(import.meta.dirname, '..', 'dist', 'cli.js');
const folder = mkdtempSync(join(options.dir, 'simd-softmax-copy-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);

const logits = (classes) => `list_transform(range(${classes}), lambda k: ((random() - 0.5) * 16)::FLOAT)`;
const connection = await (await DuckDBInstance.create(':memory:', { memory_limit: '2GB' })).connect();
for (const [name, rows, classes] of [
  ['10.parquet', 1_000_000, 10],
  ['1000.parquet', 30_000, 1000],
  ['long.parquet', 200_000, 1000],
]) {
  const group = classes === 10 ? '' : ', ROW_GROUP_SIZE 8192';
  await connection.run(
    `COPY (SELECT i AS id, ${logits(classes)} AS logits FROM range(${Math.ceil(rows * Number(options.scale))}) t(i)) TO '${at(name)}' (FORMAT parquet${group})`,
  );
}
const columns = Array.from({ length: 10 }, (_, i) => `logits[${i + 1}] AS c${i}`).join(', ');
await connection.run(`COPY (SELECT id, ${columns} FROM '${at('10.parquet')}') TO '${at('10.csv')}'`);
const shortest = 'logits::VARCHAR[]::DOUBLE[] AS logits';
await connection.run(
  `COPY (SELECT id, ${shortest} FROM '${at('10.parquet')}') TO '${at('10.ndjson')}' (FORMAT json)`,
);
connection.disconnectSync();

const CASES = [
  ['Parquet 30 k × 1000', '1000.parquet', '*', 'FORMAT parquet, ROW_GROUP_SIZE 8192'],
  ['Parquet 200 k × 1000', 'long.parquet', '*', 'FORMAT parquet, ROW_GROUP_SIZE 8192'],
  ['Parquet 1 M × 10', '10.parquet', '*', 'FORMAT parquet'],
  ['CSV 1 M × 10', '10.csv', '*', 'FORMAT csv'],
  ['NDJSON 1 M × 10', '10.ndjson', `id, ${shortest}`, 'FORMAT json'],
];
const lines = ['| | COPY | `score` | ratio | memory |', '|---|---|---|---|---|'];
console.log(lines.join('\n'));
for (const [title, name, select, how] of CASES) {
  const format = name.split('.')[1];
  const sql = `COPY (SELECT ${select} FROM '${at(name)}') TO '${at(`copy.${format}`)}' (${how})`;
  const copy = `
    import { DuckDBInstance } from '@duckdb/node-api';
    const connection = await (await DuckDBInstance.create(':memory:', { memory_limit: '400MB' })).connect();
    await connection.run(${JSON.stringify(sql)});`;
  const rounds = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const copied = await run(['--input-type=module', '-e', copy]);
    const scored = await run([CLI, 'score', at(name), '-q', '-o', at(`scores.${format}`)]);
    rounds.push({ copied, scored, ratio: scored.seconds / copied.seconds });
  }
  const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
  const seconds = (of) => median(rounds.map((round) => round[of].seconds)).toFixed(2);
  const memory = Math.max(...rounds.map(({ scored }) => scored.megabytes));
  const ratio = median(rounds.map(({ ratio }) => ratio)).toFixed(2);
  lines.push(`| ${title} | ${seconds('copied')} s | ${seconds('scored')} s | ${ratio} | ${memory} MB |`);
  console.log(lines.at(-1));
}
if (options.write) {
  putSection({
    title: 'Text and Parquet',
    text: `From file to file, beside a plain \`COPY\` by DuckDB; float32 logits and an id. Each run is a process of its own, the two in turns; medians of ${options.rounds} rounds, and the most resident memory of \`score\`.

${lines.join('\n')}`,
    script: 'bench:copy',
    scale: options.scale,
  });
}

function run(args) {
  const start = performance.now();
  const child = spawn(process.execPath, args, { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' });
  let megabytes = 0;
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      megabytes = Math.max(megabytes, Math.round(Number(status.match(/VmHWM:\s*(\d+)/)?.[1] ?? 0) / 1024));
    } catch {}
  }, 50);
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      clearInterval(timer);
      if (code !== 0) return reject(new Error(`Expected exit code 0 but received ${code}`));
      resolve({ seconds: (performance.now() - start) / 1000, megabytes });
    });
  });
}
