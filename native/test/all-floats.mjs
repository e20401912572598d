// `npm run test:all-floats [-- ISA...]`: sigmoid and logSigmoid of all 2^32 floats; see all-floats.cc.
import { spawnSync } from 'node:child_process';
import { buildBesideAddon } from './program.mjs';

const { status } = spawnSync(buildBesideAddon('all-floats'), process.argv.slice(2), { stdio: 'inherit' });
process.exit(status ?? 1);
