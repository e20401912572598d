/** Why the addon could not be loaded, in two lines: what was looked for, and what to do about it here. */
import { binaryName, type Places, target } from './places.js';

/** A binary, or its place, that was there and did not serve. */
export interface Failure {
  readonly path: string;
  readonly error: unknown;
}

export function complaint(places: Places, failures: readonly Failure[]): Error {
  const { libc, others } = places;
  const machine = `${target()}${libc ? ` (${libc})` : ''}`;
  const [first] = failures;
  const why =
    first !== undefined ? `${first.path}: ${messageOf(first.error)}` : (others[0] ?? lookedFor(places));
  return new Error(
    `No native addon for ${machine} on ${runtime()}: ${why}\nTo have it here: ${advice(places, first)}`,
    first === undefined ? {} : { cause: first.error },
  );
}

function lookedFor({ libc, folder, root }: Places): string {
  const name = `${libc === undefined ? 'simd-softmax.*' : binaryName(libc)}.node`;
  if (root !== undefined) return `there is no prebuilds/${target()}/${name} in ${root}, nor build/Release`;
  if (folder === undefined)
    return 'this code is part of a bundle whose own place is unknown, so nothing was looked for';
  return `this code is part of a bundle, and neither node_modules/simd-softmax nor ${name} lies in ${folder} or, for the former, above`;
}

/** One way, the one that fits what went wrong. */
function advice({ libc, root, others }: Places, failure: Failure | undefined): string {
  const { code, name, message } = (failure?.error ?? {}) as {
    code?: string;
    name?: string;
    message?: string;
  };
  if (code === 'ERR_DLOPEN_DISABLED')
    return 'permission' in process && process.permission
      ? 'start Node with --allow-addons'
      : 'start Node without --no-addons';
  if (name === 'NotCapable' || (inDeno() && /permission|--allow-/i.test(message ?? '')))
    return 'start Deno with --allow-ffi --allow-read';
  if (code === 'ERR_ACCESS_DENIED') return `start Node with --allow-fs-read=${root ?? failure?.path}`;
  if (failure !== undefined || others.length > 0)
    return 'install simd-softmax again, in this version and with all of its files';
  if (root === undefined) return keepOutOfBundle(libc);
  return 'build it, with CMake and a C++ compiler: npm install --no-save cmake-js node-addon-api && npm explore simd-softmax -- npm run build:native';
}

function keepOutOfBundle(libc: Places['libc']): string {
  const file = `prebuilds/${target()}/${binaryName(libc ?? 'glibc')}.node of the package`;
  if (process.getBuiltinModule('node:sea')?.isSea())
    return `put ${file} beside the executable, or make it an asset of that file name`;
  const line =
    typeof __webpack_require__ === 'undefined'
      ? "external: ['simd-softmax'] (esbuild, rollup; ssr.external in Vite)"
      : "externals: { 'simd-softmax': 'commonjs simd-softmax' }";
  return `keep the package out of the bundle, ${line}, with node_modules in reach; or put ${file} beside the bundle`;
}

/** What webpack puts in a bundle. */
declare const __webpack_require__: unknown;

const inDeno = (): boolean => 'Deno' in globalThis;

function runtime(): string {
  const { Bun, Deno } = globalThis as { Bun?: { version: string }; Deno?: { version: { deno: string } } };
  if (Deno !== undefined) return `Deno ${Deno.version.deno}`;
  return Bun === undefined ? `Node ${process.version}` : `Bun ${Bun.version}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0] : String(error);
}
