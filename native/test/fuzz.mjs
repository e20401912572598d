// `npm run fuzz -- [minutes] [backend ...]`: native/test/fuzz-arguments.mjs on each backend in turn, for so long in all.
// Ends with what was covered. SIMD_SOFTMAX_TEST_SEED runs a seed again.
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { backend } = createRequire(import.meta.url)('../../dist/index.cjs');
const [minutes = '10', ...asked] = process.argv.slice(2);
const backends = asked.length > 0 ? asked : backend.supported;
const seed = process.env.SIMD_SOFTMAX_TEST_SEED ?? String(Date.now() % 1e9);
console.log(`seed ${seed} (SIMD_SOFTMAX_TEST_SEED), ${minutes} minutes over ${backends.join(', ')}`);

const program = fileURLToPath(new URL('fuzz-arguments.mjs', import.meta.url));
const reports = {};
for (const name of backends) {
  const child = fork(program, [String(Number(minutes) / backends.length)], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, SIMD_SOFTMAX_BACKEND: name, SIMD_SOFTMAX_TEST_SEED: seed },
  });
  child.on('message', (report) => {
    reports[name] = report;
  });
  const [code, signal] = await new Promise((resolve) => child.once('exit', (...how) => resolve(how)));
  if (code === 0 && reports[name] !== undefined) continue;
  console.error(`*** FAILED on ${name}, seed ${seed}: ${signal ?? `exit code ${code}`}`);
  process.exit(1);
}

// A line per operation and option: the calls that returned, by backend.
const cell = (text) => String(text).padStart(11);
const line = (name, numbers) => console.log(`${name.padEnd(34)}${numbers.map(cell).join('')}`);
console.log('\ncalls that returned');
line('', backends);
const lines = new Set();
for (const { covered } of Object.values(reports)) {
  for (const op of Object.keys(covered))
    for (const option of Object.keys(covered[op])) lines.add(`${op} ${option}`);
}
for (const one of [...lines].sort()) {
  const [op, option] = one.split(' ');
  line(
    option === 'calls' ? op : `  ${op} ${option}`,
    backends.map((name) => reports[name].covered[op]?.[option] ?? 0),
  );
}
line(
  'calls in all',
  backends.map((name) => reports[name].calls),
);
