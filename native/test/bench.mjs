// `npm run bench:native [-- ISA...]`: the kernels alone; see bench.cc.
import { spawnSync } from 'node:child_process';
import { build } from './program.mjs';

const { status } = spawnSync(build('bench', process.arch), process.argv.slice(2), { stdio: 'inherit' });
process.exit(status ?? 1);
