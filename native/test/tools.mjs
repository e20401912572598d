// What a script cannot do without.
import { spawnSync } from 'node:child_process';

/** Ends the process, saying what is missing, unless each tool runs; `tools` leads from their names to Debian's packages. */
export function requireTools(what, tools) {
  const missing = Object.keys(tools).filter((tool) => spawnSync(tool, ['--version']).error);
  if (missing.length === 0) return;
  const packages = missing.map((tool) => tools[tool]).join(' ');
  console.warn(`SKIPPED ${what}: ${missing.join(', ')} not found; apt-get install ${packages}`);
  process.exit(process.env.CI_REQUIRE === '1' ? 1 : 0);
}
