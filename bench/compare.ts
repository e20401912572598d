/** `npm run bench:compare A.json B.json`: what changed from A to B, and whether it is more than noise. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Results } from './measure/results.js';
import { comparisonTable } from './show/comparison.js';
import { compare } from './show/verdict.js';

const program = new Command('npm run bench:compare --')
  .description(
    'Tells what became faster and slower from one run to another, case by case. The contenders that are not ours tell how the machine fared meanwhile; a verdict is about what is left beside that, and beside the noise of both runs.',
  )
  .argument('<A.json>', 'results of the run before')
  .argument('<B.json>', 'results of the run after')
  .option('--all', 'every contender, not only ours', false)
  .option('--threshold <percent>', 'changes below this are no change, whatever the noise', '3')
  .option('--fail', 'exit with 1 if one of ours became slower or less exact', false)
  .parse();
const { all, threshold, fail } = program.opts<{ all: boolean; threshold: string; fail: boolean }>();
const [before, after] = program.args.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results);

const ours = new Set(after.contenders.filter(({ kind }) => kind === 'ours').map(({ name }) => name));
const changes = compare(before, after, Number(threshold) / 100, (contender) => !ours.has(contender));
const shown = changes.filter(({ contender }) => all || ours.has(contender));
console.log(shown.length > 0 ? comparisonTable(shown) : 'The two runs have no case in common.');
if (before.machine.cpu !== after.machine.cpu || before.machine.node !== after.machine.node)
  console.log(`Another machine or Node: ${describe(before)} before, ${describe(after)} after.`);
const worse = changes.filter(
  ({ contender, verdict, accuracy }) =>
    ours.has(contender) && (verdict === 'slower' || accuracy === 'less exact'),
);
if (fail && worse.length > 0) process.exitCode = 1;

function describe({ machine }: Results): string {
  return `${machine.cpu}, Node ${machine.node}`;
}
