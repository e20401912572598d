import type { Backend } from './problem.js';

export function nativeBackend(isa: string): Backend {
  throw new Error(`no native backend ${isa} yet`);
}
