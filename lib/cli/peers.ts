/** Libraries that the package does not bring along: whoever wants their formats installs them. */
import { createRequire } from 'node:module';
import { Failure } from './failure.js';

/** What `import` and `require` say. */
const NOT_FOUND = new Set<unknown>(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']);

export async function needPeer<Module>(
  names: readonly string[],
  format: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && NOT_FOUND.has(error.code))) throw error;
    const command = `npm install ${names.join(' ')}`;
    throw new Failure(`Expected ${names.join(' and ')} for ${format} but received none (${command})`);
  }
}

/** A CommonJS package of many files: `import` reads each of them twice, to know its names before it runs. */
export function requirePeer<Module>(name: string): Module {
  return createRequire(import.meta.url)(name);
}
