// `npm run prebuild [-- <target> [<out> [<folder to build in> [<ISA>]]]]`: builds the binary that ships for a target, by
// prebuildify over cmake-js, into <out>/prebuilds/<target>/. It works in a folder of its own, so that build/, which the tests use, stays as it is.
// With an ISA: its kernels alone, for check-prebuilds.mjs.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { requireTools } from './test/tools.mjs';

/** What a target needs besides this machine's own tools. */
const crosses = {
  'linux-arm64': {
    apt: 'g++-aarch64-linux-gnu',
    compiler: 'aarch64-linux-gnu-g++',
    strip: 'aarch64-linux-gnu-strip',
  },
  'win32-x64': {
    apt: 'g++-mingw-w64-x86-64-posix',
    compiler: 'x86_64-w64-mingw32-g++-posix',
    strip: 'x86_64-w64-mingw32-strip',
  },
};

const root = fileURLToPath(new URL('..', import.meta.url));
const here = `${process.platform}-${process.arch}`;
const [target = here, out = root, folder = `${root}build-prebuild/${target}`, isa] = process.argv.slice(2);
const cross = target === here ? undefined : crosses[target];
if (target !== here && cross === undefined) {
  console.error(
    `Expected one of ${[here, ...Object.keys(crosses)].join(', ')} for target but received ${target}`,
  );
  process.exit(2);
}
if (cross !== undefined) requireTools(`the prebuild of ${target}`, { [cross.compiler]: cross.apt });

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const part of ['package.json', 'CMakeLists.txt', 'native'])
  cpSync(root + part, `${folder}/${part}`, { recursive: true });

const [platform, arch] = target.split('-');
const require = createRequire(import.meta.url);
const cmakeJs = [
  `"${process.execPath}" "${require.resolve('cmake-js/bin/cmake-js')}" rebuild --log-level warn --arch ${arch}`,
  ...(isa ? [`--CDISAS=${isa}`] : []),
  ...(process.platform === 'win32' ? ['--generator Ninja'] : []), // else it looks for Visual Studio
  ...(cross ? [`--CDCMAKE_TOOLCHAIN_FILE="${root}native/toolchains/${target}.cmake"`] : []),
].join(' ');
const { status } = spawnSync(
  process.execPath,
  [
    require.resolve('prebuildify/bin.js'),
    ...['--napi', '--strip', '--cwd', folder, '--out', out, '--platform', platform, '--arch', arch],
    ...(platform === 'linux' ? ['--tag-libc'] : []),
    ...(cross ? ['--strip-bin', cross.strip] : []),
    // prebuildify builds with node-gyp; cmake-js has built before it asks.
    ...['--preinstall', cmakeJs, '--node-gyp', 'echo', '--quiet'],
  ],
  {
    stdio: 'inherit',
    env: { ...process.env, CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? '2' },
  },
);
if (status !== 0 || !existsSync(`${out}/prebuilds/${target}`)) process.exit(status || 1);
console.log(`simd-softmax: prebuilds/${target} is built.`);
