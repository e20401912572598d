/**
 * `npm run release:check`: what must hold before a release, told line by line; exit code 1 where anything is amiss. It
 * builds nothing, and asks no network. The release workflow builds the binaries of all platforms and packs them together.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BINARIES, WANTED } from './complete.mjs';
import { expectEqual, finish, node, npm, proof, root, work } from './packed.mjs';

const read = (path) => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const tool = (...path) => join(root, 'node_modules', ...path);

for (const binary of BINARIES) {
  await proof(`${binary} is there`, () => {
    const path = join(root, binary);
    if (!existsSync(path)) throw `missing: npm run prebuild on such a machine, or the release workflow`;
    return `${(statSync(path).size / 1e6).toFixed(2)} MB`;
  });
}

await proof('the versions agree: package.json, the lock file, dist, the changelog', () => {
  const lock = JSON.parse(read('package-lock.json'));
  const [, newest] = read('CHANGELOG.md').match(/^## (\d+\.\d+\.\d+\S*)/m) ?? [];
  const built = existsSync(join(root, 'dist/cli.js'))
    ? node([join(root, 'dist/cli.js'), '--version']).trim()
    : 'none';
  const others = {
    'package-lock.json': lock.version,
    'the package of the lock file': lock.packages[''].version,
    'dist/cli.js --version': built,
    'the newest entry of CHANGELOG.md': newest,
  };
  const differing = Object.entries(others).filter(([, version]) => version !== manifest.version);
  if (differing.length > 0) {
    throw `Expected ${manifest.version} as in package.json but received ${differing.map(([name, version]) => `${version} in ${name}`).join(', ')}`;
  }
  return manifest.version;
});

await proof('the changelog of this version is dated', () => {
  const line = read('CHANGELOG.md').match(/^## .*$/m)?.[0] ?? 'nothing';
  if (!/^## \d+\.\d+\.\d+\S* \(\d{4}-\d{2}-\d{2}\)$/.test(line))
    throw `Expected '## ${manifest.version} (YYYY-MM-DD)' but received '${line}'`;
  return line.slice(3);
});

await proof('package.json names a repository, a homepage and an address for bugs', () => {
  const missing = ['repository', 'homepage', 'bugs'].filter((name) => !manifest[name]);
  if (missing.length > 0) throw `missing: ${missing.join(', ')} (CONTRIBUTING, "Before publishing")`;
});

await proof('dist is newer than lib', () => {
  const newest = (folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
      .reduce((a, b) => Math.max(a, b), 0);
  const built = existsSync(join(root, 'dist/index.js')) ? statSync(join(root, 'dist/index.js')).mtimeMs : 0;
  if (built < newest('lib')) throw 'older: npm run build:ts';
});

const [packed] = JSON.parse(
  npm(['pack', '--json', '--ignore-scripts', '--pack-destination', work], { cwd: root }),
);
console.log(`\n${packed.filename}, ${(packed.size / 1e6).toFixed(2)} MB, ${packed.files.length} files:`);
for (const { path, size } of packed.files) console.log(`    ${String(size).padStart(9)}  ${path}`);
console.log();

const paths = packed.files.map(({ path }) => path);
await proof('the tarball holds what it should, and nothing else', () => {
  const missing = WANTED.filter((path) => !paths.includes(path));
  if (missing.length > 0) throw `missing: ${missing.join(', ')}`;
  const stray = paths.filter(
    (path) =>
      !/^(dist|prebuilds|native)\//.test(path) &&
      !['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'CMakeLists.txt'].includes(path),
  );
  expectEqual(stray.join(', '), '', 'other files');
  return `${paths.filter((path) => path.endsWith('.node')).length} binaries`;
});

const tarball = join(work, packed.filename);
await proof('publint has nothing to say', () => {
  node([tool('publint/src/cli.js'), tarball, '--strict'], { cwd: root });
});
await proof('the types are right for every way of importing', () => {
  const modules = ['simd-softmax.wasm', 'simd-softmax.relaxed.wasm'];
  const attw = tool('@arethetypeswrong/cli/dist/index.js');
  node([attw, tarball, '--no-emoji', '--exclude-entrypoints', ...modules], { cwd: root });
});

finish();
