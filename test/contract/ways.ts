/** The two faces of every function; the contract holds for both. */
import * as sync from '../../lib/index.js';
import * as promises from '../../lib/promises.js';

export const backendName = sync.backend.isa;

export const ways = [
  ['synchronously', sync],
  ['as a promise', promises],
] as const;
