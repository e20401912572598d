// `npm run test:bits`: whether every ISA of this CPU gives the bits that it gave before, and that the others give.
// `npm run test:arm64`: the same for AArch64, cross-compiled and run under qemu.
//
// `--update` rewrites the expected hashes. `--optimise O3`, or another compiler by CXX, may not change a bit.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { build, buildBesideAddon } from './program.mjs';
import { requireTools } from './tools.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    update: { type: 'boolean' },
    optimise: { type: 'string' },
  },
});
const arm64 = positionals[0] === 'arm64' && process.arch !== 'arm64';
const [compiler, emulator] = ['aarch64-linux-gnu-g++', 'qemu-aarch64-static'];

if (arm64)
  requireTools('arm64', {
    [compiler]: 'g++-aarch64-linux-gnu',
    [emulator]: 'qemu-user-static',
    cmake: 'cmake',
  });
const { optimise = 'O2' } = values; // as it ships
const asShipped = !arm64 && !process.env.CXX && values.optimise === undefined;
const hashes = asShipped
  ? buildBesideAddon('hashes')
  : build('hashes', [arm64 ? 'arm64' : process.arch, process.env.CXX, optimise].filter(Boolean).join('-'), {
      CMAKE_BUILD_TYPE: 'Bits',
      CMAKE_CXX_FLAGS_BITS: `-${optimise}`,
      ...(arm64 && {
        CMAKE_SYSTEM_NAME: 'Linux',
        CMAKE_SYSTEM_PROCESSOR: 'aarch64',
        CMAKE_CXX_COMPILER: compiler,
        CMAKE_EXE_LINKER_FLAGS: '-static',
      }),
    });
/** Processes that share the problems of an ISA: more than cores, since some problems take longer. */
const SHARES = 8;
const isas = await run([]);
const built = arm64 || process.arch === 'arm64' ? ['neon'] : ['avx512', 'avx2', 'portable'];
let [passed, failed] = [0, 0];
for (const isa of built) {
  if (isas.includes(isa)) await compare(isa);
  else console.warn(`*** SKIPPED ${isa}: this CPU does not have it ***`);
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;

async function compare(isa) {
  const expected = new URL(isa === 'portable' ? 'hashes-portable.txt' : 'hashes.txt', import.meta.url);
  const lines = await hashesOf(isa);
  const sets = values.update && (isa === isas[0] || isa === 'portable'); // the others must still agree
  if (sets) writeFileSync(expected, `${lines.join('\n')}\n`);
  const before = readFileSync(expected, 'utf8').trim().split('\n');
  const differing = lines.filter((line) => !before.includes(line));
  const missing = before.length - (lines.length - differing.length);
  passed += lines.length - differing.length;
  failed += Math.max(differing.length, missing);
  if (differing.length === 0 && missing === 0)
    return console.log(`${isa}: ${lines.length} hashes, all as expected`);
  console.error(
    `${isa}: ${differing.length} hashes are not as expected; problem by problem: ${hashes} ${isa} OP TYPE GROUP`,
  );
  for (const line of differing) console.error(`  ${line}`);
}

/** In the order in which a single process prints them. */
async function hashesOf(isa) {
  const lines = [];
  const shares = Array(SHARES).keys();
  const lanes = Array.from({ length: Math.min(availableParallelism(), SHARES) }, async () => {
    for (const share of shares) {
      const own = await run([isa, `${share}`, `${SHARES}`]);
      own.forEach((line, i) => {
        lines[i * SHARES + share] = line;
      });
    }
  });
  await Promise.all(lanes);
  return lines;
}

/** The lines that the program prints. It fails where a promise is broken that needs no expected hash. */
function run(args) {
  const [command, ...rest] = arm64 ? [emulator, hashes, ...args] : [hashes, ...args];
  return new Promise((resolve, reject) => {
    execFile(command, rest, (error, stdout, stderr) => {
      process.stderr.write(stderr);
      // It ends with 1 where it has told what is broken.
      if (error && error.code !== 1) return reject(error);
      if (error) process.exitCode = 1;
      resolve(stdout.trim().split('\n'));
    });
  });
}
