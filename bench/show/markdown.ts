/** bench/RESULTS.md: one full run as people read it, nothing left out. */
import { markdownTable } from 'markdown-table';
import type { Group } from '../measure/case.js';
import type { CaseResults, Results } from '../measure/results.js';
import { REFERENCE } from '../measure/results.js';
import { plotFile } from './charts.js';
import { SCHEMES } from './colours.js';
import {
  accuracyText,
  type Measured,
  measuredOf,
  ratioText,
  ratioToOurs,
  spreadText,
  timeText,
  titleOf,
  ulpText,
  unitOf,
} from './numbers.js';
import { ranked } from './ranking.js';

const GROUPS: {
  readonly group: Group;
  readonly title: string;
  readonly about: string;
  readonly plot?: string;
}[] = [
  { group: 'shapes', title: 'Shapes', about: 'Rows × classes, along the last axis.', plot: 'classes' },
  { group: 'axes', title: 'Other axes', about: 'Each followed by as much data along the last axis.' },
  {
    group: 'family',
    title: 'The family',
    about:
      'topK, sample and crossEntropy. onnxruntime runs Softmax and TopK in one model for topK; Softmax, then a loop in JavaScript, for sample; LogSoftmax, then a look-up, for crossEntropy. `onnxruntime-node, loops` is what people write without knowing its operators: Softmax, then a loop in JavaScript over all of its output. Of a sample, the distribution of the draws is checked.',
  },
  {
    group: 'calls',
    title: 'One call',
    about: 'A single row, nanoseconds per call; ours is `softmax(x, { out })`, or a prepared `run()`.',
    plot: 'calls',
  },
  {
    group: 'threads',
    title: 'Threads',
    about:
      'onnxruntime-node with as many intra-op threads. [A machine of 16 cores](avx512/threads.txt) has more to show.',
    plot: 'threads',
  },
  {
    group: 'classes',
    title: 'From one class to a million',
    about: 'About a million logits in every batch.',
  },
  {
    group: 'ranges',
    title: 'Error against the range of the logits',
    about: '256 × 1000 logits, uniform in ±range; not timed.',
    plot: 'ranges',
  },
];

/** The page of a run. That of the committed full run shows its plots. */
export function resultsPage(results: Results, of: 'full run' | 'other run'): string {
  const { machine, date, commit, contenders } = results;
  const isFull = of === 'full run';
  const groups = GROUPS.filter(({ group }) => results.cases.some((one) => one.case.group === group));
  return `${[
    '# Results',
    isFull
      ? 'Written by `npm run bench -- --write`; do not edit. One full run, every case and every contender of it.'
      : 'Written by `npm run bench:publish`; do not edit. One run of some cases and contenders, each of them.',
    [
      `- ${machine.cpu}, ${machine.cores} cores${machine.caches.map((cache) => `, ${cache}`).join('')}, ${machine.memoryGiB} GiB`,
      `- ${machine.system}, Node ${machine.node}, V8 ${machine.v8}`,
      `- ${date.slice(0, 10)}, commit ${commit ?? 'unknown'}`,
    ].join('\n'),
    markdownTable([['Contender', 'Version'], ...contenders.map(({ name, version }) => [name, version])]),
    READING,
    '## Overview',
    'Nanoseconds per element (per call for one row), and the largest error.',
    overview(results),
    ...groups.flatMap(({ group, title, about, plot }) => [
      `## ${title}`,
      about,
      ...(plot && isFull ? [picture(plot, title)] : []),
      ...(isSweep(group) ? [sweepTable(results, group)] : []),
      ...detailed(casesIn(results, group)).map(details),
    ]),
  ].join('\n\n')}\n`;
}

/** A picture for each scheme: the page that shows them knows which it has. */
export function picture(chart: string, alt: string, folder = '.'): string {
  const [light, dark] = SCHEMES.map((scheme) => `${folder}/${plotFile(chart, scheme)}`);
  return `<picture>
  <source media="(prefers-color-scheme: dark)" srcset="${dark}">
  <img alt="${alt}" src="${light}">
</picture>`;
}

const READING = `## How to read this

Every contender has a process of its own, runs on one thread (but for "all threads") and takes its turn in every
round. A time is the median of the rounds; the spread is their median absolute deviation; a ratio is the median of
each round's, to \`${REFERENCE}\`, our best kernels on one thread: 2× takes twice as long. Logits are float32 and
uniform in ±10 unless said otherwise. Errors are distances from the exact answer, in units in the last place (ULP),
over up to a million logits of each case; an answer that is wrong is not timed, but told. What a service does once is
not timed: loading models, preparing calls, and making and filling input tensors (which spares onnxruntime and tfjs a
copy, or part of one). Reading the answer back is. memcpy copies the logits (\`Float32Array.set\`): no softmax can be
faster on one thread. \`onnxruntime-node, avx2\` takes the CPU for one without AVX-512, for \`${REFERENCE}, avx2\` to be
compared with.`;

function casesIn({ cases }: Results, group: Group): CaseResults[] {
  return cases.filter((one) => one.case.group === group);
}

const OVERVIEW_CALLS = new Set([4, 10, 100, 1000]);
const OVERVIEW = [
  REFERENCE,
  'onnxruntime-node',
  'onnxruntime-web',
  'tfjs wasm',
  'transformers.js',
  'torch',
  'scipy',
  'plain loop',
  'memcpy',
];

function isInOverview({ group, shape }: CaseResults['case']): boolean {
  return ['shapes', 'axes', 'family'].includes(group) || (group === 'calls' && OVERVIEW_CALLS.has(shape[1]));
}

/** Speed and error in one cell. */
function overview(results: Results): string {
  const names = OVERVIEW.filter((name) => results.contenders.some((one) => one.name === name));
  const cases = results.cases.filter(({ case: of }) => isInOverview(of));
  const rows = cases.map((one) => [
    `${titleOf(one.case)}${one.case.group === 'calls' ? ', ns/call' : ''}`,
    ...names.map((name) => {
      const measured = measuredOf(one, name);
      if (!measured?.time) return '';
      const parts = [timeText(one.case, measured.time), accuracyText(measured.accuracy)];
      const ratio = name === REFERENCE ? undefined : ratioToOurs(one, measured.time);
      return [...parts.filter(Boolean), ...(ratio ? [`**${ratioText(ratio)}**`] : [])].join('<br>');
    }),
  ]);
  return table([['', ...names], ...rows]);
}

type Sweep = 'classes' | 'calls' | 'ranges';

function isSweep(group: Group): group is Sweep {
  return group === 'classes' || group === 'calls' || group === 'ranges';
}

/** The cases with a table of their own: of a sweep, only those that the overview has. */
function detailed(cases: readonly CaseResults[]): CaseResults[] {
  return cases.filter(({ case: of }) => !isSweep(of.group) || isInOverview(of));
}

function details(results: CaseResults): string {
  const rows = ranked(results).map((result) => [
    result.contender === REFERENCE ? `**${REFERENCE}**` : result.contender,
    ...timeCells(results, result),
    ulpText(result.accuracy.maxUlp),
    ulpText(result.accuracy.meanUlp),
  ]);
  const head = ['', unitOf(results.case).name, 'spread', 'to ours', 'max ULP', 'mean ULP'];
  const asides = results.results.flatMap((one) =>
    one.status === 'measured' ? [] : `${one.contender}: ${one.reason}`,
  );
  const note = asides.length > 0 ? `\n\nNot here: ${asides.join('; ')}.` : '';
  return `### ${titleOf(results.case)}\n\n${table([head, ...rows])}${note}`;
}

function timeCells(results: CaseResults, { time }: Measured): string[] {
  if (!time) return ['', '', ''];
  return [timeText(results.case, time), spreadText(time), ratioText(ratioToOurs(results, time))];
}

const SWEEP_HEADS: Record<Sweep, string> = {
  classes: 'classes, ns/element',
  calls: 'classes, ns/call',
  ranges: 'range, max ULP',
};

/** A row per case, a column per contender. */
function sweepTable(results: Results, group: Sweep): string {
  const cases = casesIn(results, group);
  const names = [...new Set(cases.flatMap((one) => one.results.map(({ contender }) => contender)))];
  const rows = cases.map((one) => [
    group === 'ranges' ? `±${one.case.range}` : String(one.case.shape.at(-1)),
    ...names.map((name) => {
      const measured = measuredOf(one, name);
      if (!measured) return '';
      return measured.time ? timeText(one.case, measured.time) : ulpText(measured.accuracy.maxUlp);
    }),
  ]);
  return table([[SWEEP_HEADS[group], ...names], ...rows]);
}

function table([head, ...rows]: string[][]): string {
  return markdownTable([head, ...rows], { align: ['l', ...head.slice(1).map(() => 'r')] });
}
