/**
 * `npm run bench:publish`: makes anew what is committed of a full run, from its bench/results.json; or the page of any
 * other run, such as one on another machine.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Results } from './measure/results.js';
import { resultsPage } from './show/markdown.js';
import { publish } from './show/publish.js';

const [file, page] = new Command('npm run bench:publish --')
  .description('Makes RESULTS.md, the plots and the table of the README anew, or the page of one other run.')
  .argument('[results.json]', 'the run', fileURLToPath(new URL('results.json', import.meta.url)))
  .argument('[page.md]', 'write this page of it, and nothing else')
  .parse().processedArgs as [string, string | undefined];

const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
if (page === undefined) for (const written of publish(results)) console.log(written);
else writeFileSync(page, resultsPage(results, 'other run'));
