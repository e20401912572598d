/** What the README shows of a full run: one plot, one table, and where they come from. */
import { markdownTable } from 'markdown-table';
import type { CaseResults, Results } from '../measure/results.js';
import { REFERENCE } from '../measure/results.js';
import { picture } from './markdown.js';
import { digits, measuredOf, timeText } from './numbers.js';

const BEGIN = '<!-- bench -->';
const END = '<!-- /bench -->';

const COLUMNS = [
  { name: REFERENCE, head: 'simd-softmax' },
  { name: `${REFERENCE}, all threads`, head: 'all threads' },
  { name: 'onnxruntime-node', head: 'onnxruntime-node' },
  { name: 'tfjs wasm', head: 'tfjs wasm' },
  { name: 'transformers.js', head: 'transformers.js' },
  { name: 'torch', head: 'PyTorch' },
  { name: 'scipy', head: 'SciPy' },
  { name: 'plain loop', head: 'plain loop' },
];

/** By the ids of cases: every kind of shape, and those where ours loses. */
const ROWS = new Map([
  ['shapes: softmax 1024×4', '1024×4'],
  ['shapes: softmax 100000×10', '100000×10'],
  ['shapes: softmax 32768×32', '32768×32'],
  ['shapes: softmax 1024×128', '1024×128'],
  ['shapes: softmax 4096×1000', '4096×1000'],
  ['shapes: softmax 1×128256', '1×128256'],
  ['axes: softmax 64×21×64×64, axis 1', '64×21×64×64, axis 1'],
  ['family: topK 32×128256, k=5', 'topK, 32×128256, k=5'],
  ['family: sample 32×128256', 'sample, 32×128256'],
  ['calls: softmax 1×4', 'one call of 1×4, ns per call'],
  ['calls: softmax 1×1000', 'one call of 1×1000, ns per call'],
]);

/** The README with the part between the two comments made anew; `folder` leads from it to the benchmark. */
export function withFront(readme: string, results: Results, folder: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new RangeError(`Expected ${BEGIN} and ${END} for the README`);
  const [before, after] = [readme.slice(0, begin + BEGIN.length), readme.slice(end)];
  return `${before}\n${front(results, folder)}\n${after}`;
}

function front(results: Results, folder: string): string {
  const { machine, date, contenders } = results;
  const columns = COLUMNS.filter(({ name }) => contenders.some((one) => one.name === name));
  const cases = new Map(results.cases.map((one) => [one.case.id, one]));
  const rows = [...ROWS].flatMap(([id, title]) => {
    const one = cases.get(id);
    return one ? [[title, ...columns.map(({ name }) => cell(one, name))]] : [];
  });
  const ours = contenders.find(({ name }) => name === REFERENCE)?.version;
  const align = ['l', ...columns.map(() => 'r')];
  return [
    picture('classes', 'Time per logit against the number of classes, a line per library', folder),
    markdownTable([['rows×classes', ...columns.map(({ head }) => head)], ...rows], { align }),
    `Nanoseconds per logit, and the largest error in units in the last place (ULP). The logits are float32, within ±10. Only the second column uses several threads. ${REFERENCE} ${ours} on ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${date.slice(0, 10)}: \`npm run bench -- --write\`. [bench/RESULTS.md](${folder}/RESULTS.md) has every shape, every contender and the spread.`,
  ].join('\n\n');
}

/** Speed, and error below it. */
function cell(one: CaseResults, name: string): string {
  const measured = measuredOf(one, name);
  if (!measured?.time) return '';
  const { time, accuracy } = measured;
  const text = timeText(one.case, time);
  if (accuracy.maxUlp === null) return text;
  const ulp = accuracy.maxUlp < 10 ? accuracy.maxUlp.toFixed(1) : digits(accuracy.maxUlp);
  return `${name === REFERENCE ? `**${text}**` : text}<br><sub>${ulp}\u00a0ULP</sub>`;
}
