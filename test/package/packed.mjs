/** The package as users get it: packed, and installed into an empty folder. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const here = `${process.platform}-${process.arch}`;

export const work = mkdtempSync(join(tmpdir(), 'simd-softmax-package-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

/** What a command printed; throws, with all of it, where the command fails. */
export function run(command, args, options = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: 600_000,
    ...options,
  });
  if (status === 0) return stdout;
  throw (
    error ?? new Error(`${command} ${args.join(' ')}: ${signal ?? `exit code ${status}`}\n${stdout}${stderr}`)
  );
}

export const node = (args, options) => run(process.execPath, args, options);

/** Where npm runs this script it says where it is; else it is looked up. */
export const npmCli =
  process.env.npm_execpath ??
  realpathSync(
    process.env.PATH.split(delimiter)
      .map((folder) => join(folder, 'npm'))
      .find(existsSync),
  );
export const npm = (args, options) => node([npmCli, ...args], options);

/** Packs the package as it stands built, and tells what npm tells of it. */
export function pack() {
  if (!existsSync(join(root, 'prebuilds', here))) {
    console.log(`prebuilds/${here} is missing: building it`);
    node([join(root, 'native', 'prebuild.mjs')], { stdio: 'inherit', timeout: 0 });
  }
  const [packed] = JSON.parse(
    npm(['pack', '--json', '--ignore-scripts', '--pack-destination', work], { cwd: root }),
  );
  return { ...packed, path: join(work, packed.filename) };
}

/** A PATH with Node and a shell on it, and neither compiler, CMake nor Python. */
export function barePath() {
  const folder = join(work, 'bin');
  mkdirSync(folder, { recursive: true });
  const links = { node: process.execPath, sh: '/bin/sh' };
  for (const [name, to] of Object.entries(links))
    if (!existsSync(join(folder, name))) symlinkSync(to, join(folder, name));
  return folder;
}

/** A new folder with the packed package in its node_modules. */
export function install(tarball, name, path = barePath()) {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  const env = { ...process.env, PATH: path };
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', tarball], {
    cwd: folder,
    env,
  });
  return folder;
}

/** The prebuilt binaries of this machine in an installed package. */
export function prebuilds(folder) {
  const at = join(folder, 'node_modules', 'simd-softmax', 'prebuilds', here);
  return existsSync(at) ? readdirSync(at).map((name) => join(at, name)) : [];
}

let passed = 0;
let failed = 0;

/** One proof: a name that reads as a promise, and a function that throws where it is broken. */
export async function proof(promise, prove) {
  const start = performance.now();
  try {
    const note = await prove();
    passed++;
    console.log(
      `  ✓ ${promise}${note ? ` (${note})` : ''} ${((performance.now() - start) / 1000).toFixed(1)} s`,
    );
  } catch (error) {
    failed++;
    console.log(`  ✗ ${promise}\n${String(error?.stack ?? error).replace(/^/gm, '      ')}`);
  }
}

/** Ends the script as .ci/run reads it. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}

export function expectEqual(received, expected, what) {
  if (received !== expected) throw new Error(`Expected ${expected} for ${what} but received ${received}`);
}

/** Throws unless every check of smoke.mjs passed, on the backend expected. */
export function expectSmoke(printed, kind) {
  const report = JSON.parse(printed.trim().split('\n').at(-1));
  if (report.failures.length > 0) throw new Error(report.failures.join('\n'));
  expectEqual(report.backend.kind, kind, `backend.kind (${report.backend.loadError})`);
  return report;
}
