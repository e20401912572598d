/**
 * `npm run test:load -- throughput` and `npm run test:load -- soak [seconds]`, on a Redis of its own: what the queue costs
 * compared with a single `score`, and whether the memory of workers stays flat. Two `score` commands with half of the files
 * each say how much two processes can win on this machine. For the times two cores must be free; the seconds of the
 * processor, of all processes together, say what is to be had where they are not. TMPDIR=/dev/shm leaves the disk out: 6 GB
 * for the large files.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const CLI = join(import.meta.dirname, '../../dist/cli.js');
const [task = 'throughput', seconds = '600'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-load-'));
const children = new Set();

const ROUNDS = Number(process.env.ROUNDS ?? 3);
/** For as long ext4 makes files more slowly, where many are just gone. */
const PAUSE_MS = 6000;

function start(command, args, options = {}) {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], ...options });
  children.add(child);
  let told = '';
  child.stderr.on('data', (chunk) => {
    told += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({ code, told }));
  return { child, ended, told: () => told };
}

/** Says at its end what it took of the processor. */
const TELL = `data:text/javascript,process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  process.stderr.write('cpu ' + (user + system) / 1e6 + '\\n');
});`;

async function run(...args) {
  const begun = performance.now();
  const { code, told } = await start(process.execPath, ['--import', TELL, CLI, ...args]).ended;
  if (code !== 0) throw new Error(`${args.join(' ')}: ${told}`);
  return { seconds: (performance.now() - begun) / 1000, cpu: Number(told.match(/^cpu (.*)$/m)[1]) };
}

/** Seconds of the processor of a process and its children so far. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) / 100;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? own : children.split(' ').reduce((sum, child) => sum + cpuOf(child), own);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function startWorkers(count, url) {
  const workers = Array.from({ length: count }, () => start(process.execPath, [CLI, 'worker', url]));
  for (const worker of workers) while (!worker.told().includes('waiting')) await sleep(50);
  return workers;
}

/** Rows of 250 classes: 1000 bytes each. */
function makeFiles(name, files, megabytes) {
  mkdirSync(join(folder, name));
  const rows = megabytes * 1000;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, 250), }`.padEnd(117).concat('\n');
  const header = Buffer.concat([Buffer.from('\x93NUMPY\x01\0v\0', 'latin1'), Buffer.from(text)]);
  for (let i = 0; i < files; i++) {
    const logits = Float32Array.from({ length: rows * 250 }, (_, at) => ((at * 7919 + i) % 2000) / 100 - 10);
    writeFileSync(join(folder, name, `${i}.npy`), Buffer.concat([header, Buffer.from(logits.buffer)]));
  }
}

async function throughput(url) {
  const sets = [
    ['small', Number(process.env.SMALL_FILES ?? 1000), 1],
    ['large', Number(process.env.LARGE_FILES ?? 60), 50],
  ];
  for (const [name, files, megabytes] of sets) {
    makeFiles(name, files, megabytes);
    const workers = await startWorkers(2, url);
    const others = [server, ...workers.map(({ child }) => child)].map(({ pid }) => pid);
    const cpuOfOthers = () => others.reduce((sum, pid) => sum + cpuOf(pid), 0);
    const score = (numbers, output, ...more) =>
      run('score', `${name}/${numbers}.npy`, '-o', output, '-q', ...more);
    const kinds = {
      one: (output) => score('*', output),
      both: async (output) => {
        const halves = await Promise.all([score('*[02468]', output), score('*[13579]', output)]);
        return {
          seconds: Math.max(...halves.map(({ seconds }) => seconds)),
          cpu: halves.reduce((sum, { cpu }) => sum + cpu, 0),
        };
      },
      queued: async (output) => {
        const before = cpuOfOthers();
        const { seconds, cpu } = await score('*', output, '--queue', url);
        return { seconds, cpu: cpu + cpuOfOthers() - before };
      },
    };
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) {
      const results = {};
      const order = Object.keys(kinds);
      // Each comes first at times.
      order.push(...order.splice(0, round % order.length));
      for (const kind of order) {
        const output = `${name}-${kind}/`;
        mkdirSync(join(folder, output));
        results[kind] = await kinds[kind](output);
        if (readdirSync(join(folder, output)).length !== files)
          throw new Error(`files are missing in ${output}`);
        // The next writes to memory that was in use too, and waits for nothing that this one left to be written.
        rmSync(join(folder, output), { recursive: true });
        spawnSync('sync');
        await sleep(PAUSE_MS);
      }
      rounds.push(results);
    }
    rmSync(join(folder, name), { recursive: true });
    const median = (of) => rounds.map(of).sort((a, b) => a - b)[rounds.length >> 1];
    console.log(
      `${files} files of ${megabytes} MB, medians of ${ROUNDS} rounds; load ${loadavg()[0].toFixed(1)}`,
    );
    for (const [kind, words] of Object.entries(WORDS)) {
      const [seconds, cpu] = [median((round) => round[kind].seconds), median((round) => round[kind].cpu)];
      const times = median(({ one, [kind]: other }) => one.seconds / other.seconds);
      console.log(
        `  ${words}: ${seconds.toFixed(2)} s (${times.toFixed(2)} times), processor ${cpu.toFixed(2)} s`,
      );
    }
    await stopWorkers();
  }
}

const WORDS = { one: 'one score', both: 'two scores, half of the files each', queued: 'two workers' };

async function soak(url, duration) {
  makeFiles('in', 50, 1);
  const [worker] = await startWorkers(1, url);
  const { pid } = worker.child;
  const residents = [];
  const scoring = readFileSync.bind(null, `/proc/${pid}/task/${pid}/children`, 'utf8');
  const resident = (id) =>
    Number(readFileSync(`/proc/${id}/status`, 'utf8').match(/VmRSS:\s*(\d+)/)[1]) / 1024;
  const end = performance.now() + 1000 * duration;
  for (let round = 0; performance.now() < end; round++) {
    // Its outputs are gone each time, so that the same jobs are done anew.
    rmSync(join(folder, 'out'), { recursive: true, force: true });
    await run('score', 'in/*.npy', '-o', 'out/', '-q', '--queue', url);
    const own = [pid, ...scoring().trim().split(' ')].map(resident);
    residents.push(own.reduce((sum, one) => sum + one, 0));
    if (round % 10 === 0)
      console.log(`round ${round}: ${own.map((one) => `${one.toFixed(0)} MB`).join(' + ')}`);
  }
  // The first rounds fill caches.
  const third = Math.floor(residents.length / 3);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [before, after] = [mean(residents.slice(third, 2 * third)), mean(residents.slice(2 * third))];
  console.log(`${residents.length * 50} jobs; memory ${before.toFixed(0)} MB, then ${after.toFixed(0)} MB`);
  if (!(after < before * 1.1)) throw new Error('the memory of a worker grows');
  await stopWorkers();
}

async function stopWorkers() {
  const workers = [...children].filter(
    ({ spawnargs, exitCode }) => spawnargs.includes('worker') && exitCode === null,
  );
  for (const child of workers) child.kill('SIGINT');
  for (const child of workers) if (child.exitCode === null) await once(child, 'close');
}

const port = await freePort();
const url = `redis://127.0.0.1:${port}`;
const { child: server } = start('redis-server', [
  '--port',
  String(port),
  '--bind',
  '127.0.0.1',
  '--save',
  '',
  '--dir',
  folder,
]);
try {
  await sleep(500);
  if (task === 'soak') await soak(url, Number(seconds));
  else await throughput(url);
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
