// `npm run build:native`: builds the addon with cmake-js. Where there is no compiler or CMake it says so in one line
// and succeeds: the package then works on its pure-TypeScript path.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
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

const lacks = missing();
if (lacks) {
  console.warn(
    `simd-softmax: ${lacks} is missing, so no native addon is built; the pure-TypeScript path serves.`,
  );
} else {
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
