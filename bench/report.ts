/** `npm run bench:report`: one HTML file with the charts, the numbers on hover, and every table. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { build } from 'esbuild';
import { chartStyle } from './show/colours.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const program = new Command('npm run bench:report --')
  .description('Writes an HTML page of the results that needs nothing but a browser.')
  .argument('[results.json]', 'what to show; default: the full run, or else the latest')
  .option('--out <file>', 'where to', `${here}report.html`)
  .parse();
const [asked] = program.processedArgs as [string | undefined];
const { out } = program.opts<{ out: string }>();
const file = asked ?? [`${here}results.json`, `${here}latest.json`].find((one) => existsSync(one));

if (file === undefined) {
  console.error('There are no results yet: run `npm run bench` first.');
  process.exit(1);
}
const { outputFiles } = await build({
  entryPoints: [`${here}show/page.ts`],
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  platform: 'browser',
  // Of the measuring code the page needs types and names only.
  logLevel: 'warning',
});
const data = JSON.stringify(JSON.parse(readFileSync(file, 'utf8')));
const page = readFileSync(`${here}show/page.html`, 'utf8')
  .replace('/* style */', () => chartStyle('auto'))
  .replace('"the results"', () => asScript(data))
  .replace('/* script */', () => asScript(outputFiles[0].text));
writeFileSync(out, page);
console.log(out);

/** Text that may stand inside a script element. */
function asScript(text: string): string {
  return text.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
}
