import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** The command line and the README are tested as users run them, from dist/: it must be what lib/ says. */
export function setup(): void {
  const built = join(ROOT, 'dist', 'cli.js');
  const sources = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' });
  const newest = Math.max(...sources.map((path) => statSync(join(ROOT, 'lib', path)).mtimeMs));
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return;
  console.log('dist/ is missing or older than lib/: building it');
  // Without cleaning: another process may be running what stands there.
  const tsup = join(ROOT, 'node_modules', 'tsup', 'dist', 'cli-default.js');
  execFileSync(process.execPath, [tsup, '--no-clean'], { cwd: ROOT, stdio: 'inherit' });
}
