// `npm run test:asan`: the native programs under AddressSanitizer and UndefinedBehaviorSanitizer, then the Node suite
// over an addon built with them. `npm run test:tsan`: the pool and the batches under ThreadSanitizer.
//
// `npm run test:races:asan [minutes]`: native/test/races.mjs over that addon.
//
// Under ASan the suite's random tests are cut down (SIMD_SOFTMAX_TEST_BUDGET, 0.1 unless set); arguments after `--`
// go to vitest.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build, buildAddon, watched } from './program.mjs';
import { requireTools } from './tools.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [sanitizer, ...rest] = process.argv.slice(2);

if (sanitizer === 'thread') {
  requireTools('test:tsan', { 'g++': 'g++', cmake: 'cmake' });
  const settings = {
    CMAKE_BUILD_TYPE: 'Sanitize',
    CMAKE_CXX_COMPILER: 'g++',
    CMAKE_CXX_FLAGS_SANITIZE: '-O1 -g -fsanitize=thread',
  };
  run('pool and batches', build('threads', sanitizer, settings), []);
} else if (sanitizer === 'races') {
  requireTools('test:races:asan', { 'clang++': 'clang', cmake: 'cmake' });
  run('races', process.execPath, [`${root}native/test/races.mjs`, ...rest], { env: watchedAddon() });
} else {
  requireTools('test:asan', { 'clang++': 'clang', cmake: 'cmake' });
  run('pool and batches', build('threads', 'watched', watched), []);
  const hashes = build('hashes', 'watched', watched);
  const { stdout } = spawnSync(hashes, [], { encoding: 'utf8' });
  for (const isa of stdout.trim().split('\n'))
    run(`kernels of ${isa}`, hashes, [isa], { stdio: ['ignore', 'ignore', 'inherit'] });
  testAddon();
}

function testAddon() {
  const vitest = `${root}node_modules/vitest/vitest.mjs`;
  const env = { SIMD_SOFTMAX_TEST_BUDGET: '0.1', ...watchedAddon() };
  run('the Node suite', process.execPath, [vitest, 'run', ...rest], { env });
}

/** Node, and every process that it starts, loads the addon that SIMD_SOFTMAX_ADDON names. */
function watchedAddon() {
  const runtime = `libclang_rt.asan-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so`;
  const { stdout } = spawnSync('clang++', [`-print-file-name=${runtime}`], { encoding: 'utf8' });
  return {
    ...process.env,
    SIMD_SOFTMAX_ADDON: buildAddon('watched', watched),
    LD_PRELOAD: stdout.trim(),
    // Node lets go of nothing when it ends.
    ASAN_OPTIONS: 'detect_leaks=0',
  };
}

function run(what, command, args, options) {
  console.log(`=== ${what} under ${sanitizer}`);
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (status === 0) return;
  console.error(`*** FAILED: ${what} under ${sanitizer} (${signal ?? `exit code ${status}`})`);
  process.exitCode = 1;
}
