// `npm run fuzz:kernels [-- MINUTES]`: fuzz-kernels.cc under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer,
// ten minutes unless told. What it learnt stays in build-test/watched/corpus, so that the next run goes on from there.
// `npm run fuzz:kernels -- FILE` runs again what a failure left.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { build, folderOf, watched } from './program.mjs';
import { requireTools } from './tools.mjs';

requireTools('fuzz:kernels', { 'clang++': 'clang', cmake: 'cmake' });
const program = build('fuzz-kernels', 'watched', watched);
const [argument = '10'] = process.argv.slice(2);
const folder = folderOf('watched');
const corpus = `${folder}/corpus`;
mkdirSync(corpus, { recursive: true });
const fuzz = [
  corpus,
  `-max_total_time=${60 * Number(argument)}`,
  '-max_len=4096',
  '-timeout=60',
  '-print_final_stats=1',
  `-artifact_prefix=${folder}/`,
];
const { status } = spawnSync(program, existsSync(argument) ? [argument] : fuzz, { stdio: 'inherit' });
process.exit(status ?? 1);
