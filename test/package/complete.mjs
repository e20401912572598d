/**
 * What a package has to hold, and what of it this tree lacks. npm runs this file before `npm pack` and `npm publish`: without
 * the WebAssembly modules or the binaries both would pack a package that works, slowly. `npm pack` wants the binary of this
 * platform, `npm publish` those of all.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file for each platform that has an addon (docs/platforms.md). */
export const BINARIES = [
  'linux-x64/simd-softmax.glibc.node',
  'linux-x64/simd-softmax.musl.node',
  'linux-arm64/simd-softmax.glibc.node',
  'linux-arm64/simd-softmax.musl.node',
  'darwin-x64/simd-softmax.node',
  'darwin-arm64/simd-softmax.node',
  'win32-x64/simd-softmax.node',
  'win32-arm64/simd-softmax.node',
].map((binary) => `prebuilds/${binary}`);

export const WANTED = [
  ...['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'CMakeLists.txt', 'native/build.mjs'],
  ...['index', 'promises', 'duckdb', 'wasm'].flatMap((name) =>
    ['js', 'cjs', 'd.ts', 'd.cts'].map((extension) => `dist/${name}.${extension}`),
  ),
  ...['dist/cli.js', 'dist/simd-softmax.wasm', 'dist/simd-softmax.relaxed.wasm'],
];

const { platform, arch } = process;

/** The line that names what a tree lacks; undefined where it is whole. `command`: what npm is asked to do. */
export function complaint(root, command) {
  const own = BINARIES.filter((binary) => binary.startsWith(`prebuilds/${platform}-${arch}/`));
  const binaries = command === 'publish' ? BINARIES : [];
  const missing = [...WANTED, ...binaries].filter((path) => !existsSync(join(root, path)));
  // One C library's will do.
  if (command !== 'publish' && !own.some((binary) => existsSync(join(root, binary))))
    missing.push(own[0] ?? 'prebuilds');
  if (missing.length === 0) return undefined;
  return `simd-softmax cannot be packed, it lacks ${missing.join(', ')}: npm run build:wasm, npm run build:ts, npm run prebuild`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // npm also packs what it installs from git, for which `prepare` has just built what it can.
  const command = process.argv[2] ?? process.env.npm_command ?? 'pack';
  const problem =
    command === 'install' ? undefined : complaint(fileURLToPath(new URL('../..', import.meta.url)), command);
  if (problem !== undefined) {
    console.error(problem);
    process.exitCode = 1;
  }
}
