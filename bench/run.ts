/** `npm run bench`: measures everything, prints a table per case, and leaves the results as JSON. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { buildContenders } from './measure/build.js';
import type { Case, Group } from './measure/case.js';
import { fullRun, quickRun } from './measure/cases.js';
import { type ContenderSpec, contenders } from './measure/contenders.js';
import { commit, machine } from './measure/machine.js';
import type { CaseResults, Results } from './measure/results.js';
import { type Effort, FULL, Lineup, QUICK } from './measure/rounds.js';
import { publish } from './show/publish.js';
import { caseTable } from './show/terminal.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const { quick, write, json, only, contender, list } = new Command('npm run bench --')
  .description('Measures simd-softmax and its peers: speed and error of each, shape by shape.')
  .option('--quick', 'a sample of the cases in under a minute; the full run takes seventeen', false)
  .option(
    '--write',
    'write what is committed: bench/results.json, bench/RESULTS.md, the plots, the part of the README',
    false,
  )
  .option('--json <file>', 'where the results go otherwise', `${here}latest.json`)
  .option(
    '--only <text...>',
    'only the cases whose name has one of these in it, such as "shapes:" or "1×128256"',
  )
  .option('--contender <text...>', 'only the contenders whose name has one of these in it, and simd-softmax')
  .option('--list', 'list the cases and contenders, and measure nothing', false)
  .parse()
  .opts<{
    quick: boolean;
    write: boolean;
    json: string;
    only?: string[];
    contender?: string[];
    list: boolean;
  }>();

const cases = (quick ? quickRun() : fullRun()).filter(({ id }) => has(id, only));
const specs = contenders().filter(({ name }) => has(name, contender) || name === 'simd-softmax');
if (list) {
  console.log([...cases.map(({ id }) => id), '', ...specs.map(({ name }) => name)].join('\n'));
} else if (write && (quick || only !== undefined || contender !== undefined)) {
  console.error('--write is for a full run: without --quick, --only and --contender.');
  process.exitCode = 1;
} else {
  const results = await measure(cases, specs, quick ? QUICK : FULL);
  const file = write ? `${here}results.json` : json;
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  console.log(`\nResults: ${[file, ...(write ? publish(results) : [])].join('\n')}`);
  const failures = failuresOfOurs(results);
  if (failures.length > 0) {
    console.error(`\nOurs failed:\n${failures.join('\n')}`);
    process.exitCode = 1;
  }
}

/** Whether a name has one of the texts in it; without texts, every name is wanted. */
function has(name: string, texts: readonly string[] | undefined): boolean {
  return texts === undefined || texts.some((text) => name.includes(text));
}

async function measure(
  cases: readonly Case[],
  specs: readonly ContenderSpec[],
  effort: Effort,
): Promise<Results> {
  const start = performance.now();
  const done: CaseResults[] = [];
  const versions = new Map<string, string>();
  const infos = () =>
    specs.map(({ name, kind }) => ({ name, kind, version: versions.get(name) ?? 'did not load' }));
  const folder = mkdtempSync(`${tmpdir()}/simd-softmax-bench-`);
  try {
    const built = await buildContenders();
    for (const groups of lineupsOf(cases, effort)) {
      const lineup = new Lineup(specs, groups, effort, built, folder);
      for (const of of cases.filter(({ group }) => groups.includes(group))) {
        const results = await lineup.run(of);
        for (const [name, version] of lineup.versions) versions.set(name, version);
        done.push(results);
        console.log(`\n${caseTable(results, infos())}`);
      }
      lineup.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`\n${done.length} cases in ${seconds} s, ${machine().cpu}, Node ${process.version}`);
  return {
    format: 1,
    date: new Date().toISOString(),
    quick: effort.quick,
    machine: machine(),
    commit: commit(),
    contenders: infos(),
    cases: done,
  };
}

function failuresOfOurs({ contenders, cases }: Results): string[] {
  const ours = new Set(contenders.filter(({ kind }) => kind === 'ours').map(({ name }) => name));
  return cases.flatMap(({ case: of, results }) =>
    results.flatMap((one) =>
      one.status === 'failed' && ours.has(one.contender)
        ? [`  ${of.id}: ${one.contender}: ${one.reason}`]
        : [],
    ),
  );
}

/**
 * New processes for every group, lest what a JavaScript engine learnt from one slows another down; but a quick run
 * has no time for that.
 */
function lineupsOf(cases: readonly Case[], { quick }: Effort): Group[][] {
  const groups = [...new Set(cases.map(({ group }) => group))];
  return quick ? [groups] : groups.map((group) => [group]);
}
