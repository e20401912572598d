/** What is committed of a full run, besides its JSON: RESULTS.md, the plots, and a part of the README. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Results } from '../measure/results.js';
import { withFront } from './front.js';
import { resultsPage } from './markdown.js';
import { drawPlots } from './svg.js';

const bench = fileURLToPath(new URL('..', import.meta.url));

/** Returns the files that it wrote. */
export function publish(results: Results): string[] {
  const [page, readme] = [`${bench}RESULTS.md`, fileURLToPath(new URL('../../README.md', import.meta.url))];
  writeFileSync(page, resultsPage(results, 'full run'));
  writeFileSync(readme, withFront(readFileSync(readme, 'utf8'), results, 'bench'));
  return [page, readme, ...drawPlots(results, bench)];
}
