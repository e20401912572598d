/** The table of `npm run bench:compare`. */
import { ruled } from './frame.js';
import { ratioText, timeText, unitOf } from './numbers.js';
import { paint } from './paint.js';
import type { Change } from './verdict.js';

export function comparisonTable(changes: readonly Change[]): string {
  const table = ruled(
    ['case', 'contender', 'before', 'after', '', 'ratio', 'machine', 'noise', 'verdict', 'error'],
    2,
  );
  for (const { case: of, contender, before, after, ratio, drift, noise, verdict, accuracy } of changes) {
    table.push([
      of.id,
      contender,
      before ? timeText(of, before) : '',
      after ? timeText(of, after) : '',
      before ? unitOf(of).name : '',
      ratioText(ratio),
      ratio === undefined ? '' : ratioText(drift),
      ratio === undefined ? '' : `±${(100 * noise).toFixed(0)}%`,
      VERDICTS[verdict],
      accuracy === 'same' ? '' : paint(accuracy === 'less exact' ? 'red' : 'green', accuracy),
    ]);
  }
  const count = (verdict: Change['verdict']) => changes.filter((one) => one.verdict === verdict).length;
  return `${table.toString()}\n\n${count('faster')} faster, ${count('slower')} slower, ${count('same')} the same.`;
}

const VERDICTS: Record<Change['verdict'], string> = {
  faster: paint('green', 'faster'),
  slower: paint('red', 'slower'),
  same: paint('dim', 'same'),
  'not timed': '',
};
