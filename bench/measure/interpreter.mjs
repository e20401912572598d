import { spawnSync } from 'node:child_process';

/** Where Python may be: the environment variable PYTHON names the only one. */
export const interpreters = process.env.PYTHON ? [process.env.PYTHON] : ['python3', '/usr/bin/python3'];

/**
 * The first interpreter that can run `code`, which imports what is needed.
 * @param {string} code
 * @returns {string | undefined}
 */
export function interpreterFor(code) {
  return interpreters.find((name) => spawnSync(name, ['-c', code]).status === 0);
}
