/** `npm run bench:plots`: SVGs for every chart of which the results have the numbers. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Results } from './measure/results.js';
import { drawPlots } from './show/svg.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const program = new Command('npm run bench:plots --')
  .description('Draws the charts as SVG, each for light and for dark ground.')
  .argument('[results.json]', 'what to draw', `${here}results.json`)
  .option('--out <folder>', 'where the folder plots/ goes', here)
  .parse();
const [file] = program.processedArgs as [string];
const { out } = program.opts<{ out: string }>();

if (!existsSync(file)) {
  console.error(`There is no ${file}: run \`npm run bench -- --write\` first, or name another file.`);
  process.exit(1);
}
for (const written of drawPlots(JSON.parse(readFileSync(file, 'utf8')) as Results, out)) console.log(written);
