/** The order of contenders in a table. */
import type { CaseResults } from '../measure/results.js';
import type { Measured } from './numbers.js';

/** Those with an answer, fastest first; where nothing is timed, most exact first. */
export function ranked({ results }: CaseResults): Measured[] {
  return results
    .filter((result): result is Measured => result.status === 'measured')
    .sort((a, b) => key(a) - key(b));
}

function key({ time, accuracy }: Measured): number {
  return time?.median ?? accuracy.maxUlp ?? 0;
}
