/** `npm run bench:plots`: an SVG for every chart of which the results have the numbers. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Results } from './measure/results.js';
import { CHARTS } from './show/charts.js';
import { svgOf } from './show/svg.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const program = new Command('npm run bench:plots --')
  .description('Draws the charts as SVG, for light and dark ground.')
  .argument('[results.json]', 'what to draw', `${here}results.json`)
  .option('--out <folder>', 'where to', `${here}plots`)
  .parse();
const [file] = program.processedArgs as [string];
const { out } = program.opts<{ out: string }>();

if (!existsSync(file)) {
  console.error(`There is no ${file}: run \`npm run bench -- --write\` first, or name another file.`);
  process.exit(1);
}
const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
mkdirSync(out, { recursive: true });
for (const chart of CHARTS) {
  const points = chart.series(results);
  if (points.length === 0) console.log(`${chart.name}: not measured`);
  else {
    writeFileSync(`${out}/${chart.name}.svg`, svgOf(chart, points));
    console.log(`${out}/${chart.name}.svg`);
  }
}
