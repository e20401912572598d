/** The sections of bench/FILES.md that scripts write one by one, each with the machine that it was measured on. */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';

/** Puts a section in the place of the one with its title, or behind the others, which stay. */
export function putSection({ title, text, script, scale }) {
  const page = join(import.meta.dirname, 'FILES.md');
  const machine = `${cpus()[0].model.trim()}, ${availableParallelism()} cores, Node ${process.version}, load average at the end ${loadavg()[0].toFixed(1)}`;
  const section = `## ${title}

${text}

${machine}. Measured by \`npm run ${script} -- --write\`${scale === '1' ? '' : `, with ${scale} of the rows`}.
`;
  const parts = readFileSync(page, 'utf8').split(/(?=^## )/m);
  const place = parts.findIndex((part) => part.startsWith(`## ${title}\n`));
  parts.splice(place < 0 ? parts.length : place, 1, section);
  writeFileSync(page, `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`);
}
