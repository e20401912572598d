// Builds one of native/test's programs, or the addon itself, with plain CMake, apart from the addon's own build folder.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Its path. `name` keeps builds with different `settings` (CMake -D definitions) apart. */
export function build(program, name, settings = {}) {
  return `${make(program, name, settings)}/native/test/${program}`;
}

/** Its path, of the very objects that `npm run build:native` made, which it brings up to date. */
export function buildBesideAddon(program) {
  if (!existsSync(`${root}build/CMakeCache.txt`)) return build(program, process.arch);
  cmake(['--build', `${root}build`, '--target', program, '--parallel', '2']);
  return `${root}build/native/test/${program}`;
}

/** The path of the addon. */
export function buildAddon(name, settings = {}) {
  const { include_dir: headers } = createRequire(import.meta.url)('node-api-headers');
  return `${make('simd_softmax', name, { CMAKE_JS_INC: headers, ...settings })}/simd_softmax.node`;
}

/**
 * Settings under which clang builds with AddressSanitizer and UndefinedBehaviorSanitizer, and so that libFuzzer can see
 * its way. All who watch for errors in memory share this one build. Instrumented, the kernels take clang 14 a minute
 * each to compile with -O0, and more than seven with -O1.
 */
export const watched = {
  CMAKE_BUILD_TYPE: 'Watched',
  CMAKE_CXX_COMPILER: 'clang++',
  // A kernel has no vtable, and is compiled without what `vptr` reads.
  CMAKE_CXX_FLAGS_WATCHED:
    '-O0 -gline-tables-only -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all',
  // The addon finds the runtime in the process that it is loaded into.
  CMAKE_SHARED_LINKER_FLAGS: '-shared-libasan',
};

/** Where builds of that name are. */
export function folderOf(name) {
  return `${root}build-test/${name}`;
}

function make(target, name, settings) {
  const folder = folderOf(name);
  const definitions = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
  cmake(['-S', root, '-B', folder, ...definitions]);
  cmake(['--build', folder, '--target', target, '--parallel', '2']);
  return folder;
}

function cmake(args) {
  const { status, error, stdout, stderr } = spawnSync('cmake', args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  throw error ?? new Error(`cmake ${args.join(' ')} failed`);
}
