/** `npm run bench:publish`: makes anew what is committed of a full run, from its bench/results.json. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Results } from './measure/results.js';
import { publish } from './show/publish.js';

const file = fileURLToPath(new URL('results.json', import.meta.url));
if (!existsSync(file)) {
  console.error(`There is no ${file}: run \`npm run bench -- --write\` first.`);
  process.exit(1);
}
for (const written of publish(JSON.parse(readFileSync(file, 'utf8')) as Results)) console.log(written);
