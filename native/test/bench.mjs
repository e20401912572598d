// `npm run bench:native [-- ISA...]`: the kernels alone; see bench.cc. `npm run bench:threads`: see bench-threads.cc.
import { spawnSync } from 'node:child_process';
import { build } from './program.mjs';

const [program, ...rest] = process.argv.slice(2);
const { status } = spawnSync(build(program, process.arch), rest, { stdio: 'inherit' });
process.exit(status ?? 1);
