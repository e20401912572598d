// What a script cannot do without.
import { spawnSync } from 'node:child_process';

/** Says what is not done, and why. Where CI is set the tools have to be there, so that no skipped check looks green. */
export function skip(what, why) {
  console.warn(`*** SKIPPED ${what}: ${why} ***`);
  if (process.env.CI) process.exitCode = 1;
}

/** Ends the process, saying what is missing, unless each tool runs; `tools` leads from their names to Debian's packages. */
export function requireTools(what, tools) {
  const missing = Object.keys(tools).filter(
    (tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error,
  );
  if (missing.length === 0) return;
  skip(what, `apt-get install ${missing.map((tool) => tools[tool]).join(' ')}`);
  process.exit();
}
