// Builds one of native/test's programs with plain CMake, apart from the addon's own build folder.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Its path. `name` keeps builds with different `settings` (CMake -D definitions) apart. */
export function build(program, name, settings = {}) {
  const folder = `${root}build-test/${name}`;
  const definitions = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
  cmake(['-S', root, '-B', folder, ...definitions]);
  cmake(['--build', folder, '--target', program, '--parallel', '2']);
  return `${folder}/native/test/${program}`;
}

function cmake(args) {
  const { status, error, stdout, stderr } = spawnSync('cmake', args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  throw error ?? new Error(`cmake ${args.join(' ')} failed`);
}
