// `npm run build:native`: builds the addon with cmake-js. Where there is no compiler or CMake it says so in one line
// and succeeds: the package then works on its pure-TypeScript path.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const runs = (command) => !spawnSync(command, ['--version'], { stdio: 'ignore' }).error;
const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);

function missing() {
  if (!runs('cmake')) return 'CMake';
  if (!compilers.some(runs)) return 'a C++ compiler';
  try {
    createRequire(import.meta.url).resolve('cmake-js/package.json');
    return '';
  } catch {
    return 'cmake-js (npm install --no-save cmake-js node-addon-api)';
  }
}

/** CMake would go on building the sources of the folder that this one was copied or moved from. */
function forgetCopied() {
  const cache = `${root}build/CMakeCache.txt`;
  if (!existsSync(cache)) return;
  const [, from] = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8')) ?? [];
  if (from === undefined || resolve(from) === resolve(root)) return;
  console.warn(`simd-softmax: build/ was made for ${from}; it is made anew.`);
  rmSync(`${root}build`, { recursive: true });
}

const lacks = missing();
if (lacks) {
  console.warn(
    `simd-softmax: ${lacks} is missing, so no native addon is built; the pure-TypeScript path serves.`,
  );
} else {
  forgetCopied();
  const jobs = { ...process.env, CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? '2' };
  const cli = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const options = ['--log-level', 'warn', ...process.argv.slice(2)];
  if (process.platform === 'win32') options.push('--generator', 'Ninja'); // else it looks for Visual Studio
  const done = spawnSync(process.execPath, [cli, 'build', ...options], {
    cwd: root,
    env: jobs,
    encoding: 'utf8',
  });
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout}${done.stderr}`);
    console.error('simd-softmax: the native addon could not be built (see above).');
    process.exit(process.env.CI ? 1 : 0);
  }
  console.log('simd-softmax: native addon built in build/Release.');
}
