/** Stands in for `addon.ts` where there is no Node: browsers, and runtimes that cannot load native code. */
import type { Addon } from './binding.js';

export const addon: Addon | null = null;
export const loadError: Error | null = new Error(
  'This runtime has no native addons, so pure TypeScript serves.',
);

/** Never called: there is no addon to call it with. */
export function nativeBackend(): never {
  throw loadError;
}
