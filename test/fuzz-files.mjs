/**
 * Damages valid files of every format and scores them: `npm run fuzz:files` (`-- --minutes 30 --seed 1 --format parquet`).
 *
 * Right is a result, or one line of what was expected. Wrong is a crash, a hang, another error, more than 1 GB of memory,
 * or an output of other rows than the report tells of, or than the input has (./fuzz-rows.mjs). The file that did it stays in
 * the folder that is named at the end. Files are scored in a process that ends when one of them ends it.
 */
import { fork } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    format: { type: 'string' },
  },
});
const ROOT = join(import.meta.dirname, '..');
const HARNESS = join(ROOT, 'build', 'fuzz-files.mjs');
/** Of a processor; a process that idles has ten times as long, for the machine may have others before it. */
const SECONDS = 20;
const MOST_MB = 1000;
/** So many are scored by a process. */
const CASES = 400;

const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-fuzz-'));
const at = (name) => join(folder, name);
process.on('exit', () => rmSync(at('work'), { recursive: true, force: true }));
mkdirSync(at('work'));

let state = Number(options.seed) >>> 0;
function random(below) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

await build({
  stdin: {
    contents: `
      import { printable } from './lib/cli/failure.ts';
      import { scoreFile } from './lib/cli/score-file.ts';
      import { wrongRows } from './test/fuzz-rows.mjs';
      process.on('message', async (job) => {
        let answer = 'scored';
        try {
          const report = await scoreFile(job);
          answer = (await wrongRows(job, report)) ?? answer;
        } catch (error) {
          answer = error?.exitCode ? 'refused' : String(error?.stack ?? error);
          // The command line prints no control characters, whatever a file has for names.
          if (answer === 'refused' && /\\n/.test(printable(error.message))) answer = 'more than a line: ' + error.message;
        }
        const memory = require('node:fs').readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\\s*(\\d+)/)?.[1];
        process.send({ answer, mb: Number(memory ?? 0) / 1024 });
      });`,
    resolveDir: ROOT,
    loader: 'ts',
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  banner: { js: "import { createRequire as r_ } from 'node:module'; const require = r_(import.meta.url);" },
  alias: { '#addon': join(ROOT, 'lib/backends/native/addon.ts') },
  external: ['@duckdb/*', '@uwdata/flechette', 'node-gyp-build'],
  // In the project, whose packages it finds from there.
  outfile: HARNESS,
  logLevel: 'error',
});

let child;
let scoredByChild = 0;
const valid = await validFiles();
const chosen = valid.filter((path) => !options.format || basename(path).includes(options.format));
const OUTPUTS = ['out.parquet', 'out.ndjson', 'out.csv', 'out.npy', 'out.npz', 'out.arrow', undefined];
const counts = new Map();
const wrong = [];
const end = performance.now() + Number(options.minutes) * 60_000;
let cases = 0;
while (performance.now() < end) {
  const source = chosen[random(chosen.length)];
  const bytes = damaged(readFileSync(source));
  const input = at(join('work', basename(source)));
  writeFileSync(input, bytes);
  const output = OUTPUTS[random(OUTPUTS.length)];
  const errors = [undefined, 'skip', 'nan', 'fail'][random(4)];
  const several = /(stored|deflated)\.npz$|tensors\.safetensors$/.test(input);
  const member = several ? ['#logits', '#columns', '#half', '#brain'][random(4)] : '';
  const dtype = input.includes('bfloat16') ? 'bfloat16' : undefined;
  const job = {
    input: input + member,
    dtype,
    output: output && at(join('work', output)),
    errors,
    shown: output ? 0 : 3,
  };
  const { answer, mb } = await scored(job);
  cases++;
  const kind = answer === 'scored' || answer === 'refused' ? answer : 'wrong';
  const key = `${basename(source)} ${kind}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
  if (kind === 'wrong' || mb > MOST_MB) {
    const kept = at(`wrong-${wrong.length}-${basename(source)}`);
    copyFileSync(input, kept);
    wrong.push({ kept, output, errors, answer: answer.slice(0, 300), mb: Math.round(mb) });
    console.log(wrong.at(-1));
    stop();
  }
}
stop();
for (const [key, count] of [...counts].sort()) console.log(`${key}: ${count}`);
console.log(`${cases} files, ${wrong.length} wrong${wrong.length > 0 ? `, in ${folder}` : ''}`);
if (wrong.length === 0) rmSync(folder, { recursive: true, force: true });
rmSync(HARNESS, { force: true });
process.exitCode = wrong.length > 0 ? 1 : 0;

function stop() {
  child?.kill('SIGKILL');
  child = undefined;
  scoredByChild = 0;
}

/** What became of a job. */
function scored(job) {
  if (scoredByChild++ >= CASES) stop();
  child ??= fork(HARNESS, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const current = child;
  return new Promise((resolve) => {
    const done = (outcome) => {
      clearInterval(timer);
      current.off('message', done);
      current.off('exit', died);
      resolve(outcome);
    };
    const died = (code, signal) => done({ answer: `the process ended: ${signal ?? code}`, mb: 0 });
    const start = performance.now();
    const before = secondsOf(current.pid);
    const timer = setInterval(() => {
      const idle = performance.now() - start > 10_000 * SECONDS;
      if (idle || secondsOf(current.pid) - before > SECONDS)
        done({ answer: `no answer in ${SECONDS} s`, mb: 0 });
    }, 1000);
    current.once('message', done);
    current.once('exit', died);
    current.send(job);
  });
}

/** What a process has had of the processors. */
function secondsOf(pid) {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/.*\) /s, '')
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

function damaged(bytes) {
  const copy = Buffer.from(bytes);
  for (let times = 1 + random(4); times > 0; times--) {
    const place = random(copy.length);
    switch (random(6)) {
      case 0:
        copy[place] ^= 1 << random(8);
        break;
      case 1:
        copy[place] = random(256);
        break;
      case 2:
        copy.fill([0, 0xff, 0x7f, 0x80][random(4)], place, Math.min(copy.length, place + 1 + random(16)));
        break;
      case 3:
        // Directories stand at the end.
        copy[Math.max(0, copy.length - 1 - random(Math.min(copy.length, 400)))] = random(256);
        break;
      case 4:
        copy.copy(copy, place, random(copy.length), random(copy.length));
        break;
      default:
        if (random(3) === 0) return copy.subarray(0, place);
        copy.writeUInt32LE(random(2 ** 32), Math.max(0, Math.min(copy.length - 4, place)));
    }
  }
  return copy;
}

async function validFiles() {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const rows = `SELECT i AS id, 'text ' || i % 7 AS name, DATE '2024-01-01' + (i % 30)::INTEGER AS day, (i / 7)::DECIMAL(18, 3) AS price, {'a': i, 'b': [i::VARCHAR]} AS pair, list_transform(range(5), lambda k: sin(i * 5 + k)::FLOAT) AS logits FROM range(300) t(i)`;
  const wide = `SELECT i AS id, ${Array.from({ length: 5 }, (_, k) => `sin(i * 5 + ${k}) AS c${k}`).join(', ')} FROM range(300) t(i)`;
  const written = [];
  const copy = async (name, sql, how) => {
    await connection.run(`COPY (${sql}) TO '${at(name)}' (${how})`);
    written.push(at(name));
  };
  for (const codec of ['uncompressed', 'snappy', 'zstd', 'gzip', 'brotli', 'lz4_raw']) {
    await copy(`${codec}.parquet`, rows, `FORMAT parquet, COMPRESSION ${codec}`);
  }
  await copy('v2.parquet', rows, 'FORMAT parquet, PARQUET_VERSION v2, ROW_GROUP_SIZE 2048');
  await copy('a.csv', wide, 'FORMAT csv');
  await copy('a.tsv', wide, `FORMAT csv, DELIMITER '\t'`);
  await copy('a.ndjson', rows, 'FORMAT json');
  await copy('a.json', rows, 'FORMAT json, ARRAY true');
  await copy('zstd.ndjson', rows, 'FORMAT json, COMPRESSION zstd');
  await copy('zstd.csv', wide, 'FORMAT csv, COMPRESSION zstd');
  connection.disconnectSync();
  for (const name of ['a.csv', 'a.ndjson']) {
    writeFileSync(at(`gzip-${name}`), gzipSync(readFileSync(at(name))));
    written.push(at(`gzip-${name}`));
  }
  for (const name of ['a.npy', 'a.arrow', 'a.arrows']) {
    const { answer } = await scored({ input: at('snappy.parquet'), output: at(name), op: 'log-softmax' });
    if (answer !== 'scored') throw new Error(answer);
    written.push(at(name));
  }
  // What other tools wrote: Arrow of every type, Parquet with its schema, arrays in every form.
  for (const cases of ['cases', 'polars']) {
    for (const name of readdirSync(join(ROOT, 'test', cases))) {
      if (!/\.(arrows?|parquet|npy|npz|safetensors)$/.test(name)) continue;
      copyFileSync(join(ROOT, 'test', cases, name), at(name));
      written.push(at(name));
    }
  }
  return written;
}
