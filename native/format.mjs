// `npm run format`: lays out the C++ of native/ with clang-format; `--check` only says what it would change.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
  /\.(cc|h)$/.test(path),
);
const how = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];

const { error, status } = spawnSync('clang-format', [...how, ...sources], { cwd: folder, stdio: 'inherit' });
if (error) {
  console.warn('*** SKIPPED the layout of C++: there is no clang-format (apt-get install clang-format). ***');
} else process.exit(status);
