/**
 * `evaluate` of a Parquet, beside `SELECT sum(list_sum(logits))` by DuckDB: `npm run bench:evaluate` (`-- --rounds 5
 * --dir /tmp`; `--scale 0.1` for so many of the rows; `--write` puts the table into bench/FILES.md). Each run is a process
 * of its own. Start-up is aside: the time that the same command takes for ten rows.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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
const CLASSES = 10;
const folder = mkdtempSync(join(options.dir, 'simd-softmax-evaluate-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);

const connection = await (await DuckDBInstance.create(':memory:', { memory_limit: '2GB' })).connect();
const logits = `list_transform(range(${CLASSES}), lambda k: ((random() - 0.5) * 16)::FLOAT)`;
const sizes = { many: Math.ceil(1_000_000 * Number(options.scale)), few: 10 };
for (const [name, rows] of Object.entries(sizes)) {
  const select = `SELECT (i * 7919) % ${CLASSES} AS label, ${logits} AS logits FROM range(${rows}) t(i)`;
  await connection.run(`COPY (${select}) TO '${at(`${name}.parquet`)}' (FORMAT parquet)`);
}
connection.disconnectSync();

const sum = (path) => `
  import { DuckDBInstance } from '@duckdb/node-api';
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const reader = await connection.runAndReadAll("SELECT sum(list_sum(logits)) FROM '${path}'");
  if (!Number.isFinite(reader.getRows()[0][0])) throw new Error('no sum');`;
const COMMANDS = {
  sum: (path) => ['--input-type=module', '-e', sum(path)],
  evaluate: (path) => [CLI, 'evaluate', path, '--truth', 'column:label', '--json'],
};

const rounds = [];
for (let round = 0; round < Number(options.rounds); round++) {
  const taken = {};
  for (const [name, command] of Object.entries(COMMANDS)) {
    const few = await run(command(at('few.parquet')));
    const many = await run(command(at('many.parquet')));
    if (name === 'evaluate' && JSON.parse(many.stdout).rows !== sizes.many)
      throw new Error('rows are missing');
    taken[name] = { seconds: many.seconds - few.seconds, start: few.seconds };
  }
  rounds.push({ ...taken, ratio: taken.evaluate.seconds / taken.sum.seconds });
}
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const ms = (of) => `${(1000 * median(rounds.map(of))).toFixed(0)} ms`;
const lines = [
  '| Parquet 1 M × 10 | the file | start-up, aside |',
  '|---|---|---|',
  `| \`SELECT sum(list_sum(logits))\` | ${ms(({ sum }) => sum.seconds)} | ${ms(({ sum }) => sum.start)} |`,
  `| \`simd-softmax evaluate\` | ${ms(({ evaluate }) => evaluate.seconds)} | ${ms(({ evaluate }) => evaluate.start)} |`,
  `| ratio | ${median(rounds.map(({ ratio }) => ratio)).toFixed(2)} | |`,
];
console.log(lines.join('\n'));
if (options.write) {
  putSection({
    title: 'Evaluate',
    text: `Each run is a process of its own, the two in turns; medians of ${options.rounds} rounds. Start-up is what ten rows take. Neither side
has a warm run: what is compiled, and memory that is new to the process, counts for both.

${lines.join('\n')}`,
    script: 'bench:evaluate',
    scale: options.scale,
  });
}

async function run(args) {
  const start = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].on('data', (chunk) => {
      told[name] += chunk;
    });
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`Expected exit code 0 but received ${code}: ${told.stderr}`);
  return { seconds: (performance.now() - start) / 1000, stdout: told.stdout };
}
