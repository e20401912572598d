import { spawnSync } from 'node:child_process';
import { build, watched } from './program.mjs';
const hashes = build('hashes', 'watched', watched);
const { stdout } = spawnSync(hashes, [], { encoding: 'utf8' });
for (const isa of stdout.trim().split('\n')) { const r = spawnSync(hashes, [isa], { stdio: ['ignore', 'ignore', 'inherit'] }); console.log(isa, r.status); }
