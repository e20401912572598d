/** One table per case: speed, spread, ratio and error of every contender, fastest first. */
import type { CaseResults, ContenderInfo } from '../measure/results.js';
import { REFERENCE } from '../measure/results.js';
import { ruled } from './frame.js';
import {
  type Measured,
  ratioText,
  ratioToOurs,
  spreadText,
  timeText,
  titleOf,
  ulpText,
  unitOf,
} from './numbers.js';
import { paint } from './paint.js';
import { ranked } from './ranking.js';

export function caseTable(results: CaseResults, contenders: readonly ContenderInfo[]): string {
  const of = results.case;
  const isTimed = of.group !== 'ranges';
  const table = ruled([
    titleOf(of),
    ...(isTimed ? [unitOf(of).name, 'spread', 'to ours'] : []),
    'max ULP',
    'mean ULP',
  ]);
  for (const result of ranked(results)) {
    table.push([
      nameText(result.contender, contenders),
      ...(isTimed ? timeCells(results, result) : []),
      ulpText(result.accuracy.maxUlp),
      ulpText(result.accuracy.meanUlp),
    ]);
  }
  return [table.toString(), ...asides(results)].join('\n');
}

function nameText(name: string, contenders: readonly ContenderInfo[]): string {
  const kind = contenders.find((one) => one.name === name)?.kind;
  if (kind === 'floor') return paint('dim', name);
  if (kind !== 'ours') return name;
  return paint('cyan', name === REFERENCE ? paint('bold', name) : name);
}

function timeCells(results: CaseResults, { time }: Measured): string[] {
  if (!time) return ['', '', ''];
  return [timeText(results.case, time), spreadText(time), ratioText(ratioToOurs(results, time))];
}

/** Who is missing, and why. */
function asides({ results }: CaseResults): string[] {
  const failed = results.flatMap((one) =>
    one.status === 'failed' ? [`  ${paint('red', one.contender)}: ${one.reason}`] : [],
  );
  const unable = results.flatMap((one) =>
    one.status === 'cannot' ? [`${one.contender} (${one.reason})`] : [],
  );
  return unable.length === 0 ? failed : [...failed, paint('dim', `  not here: ${unable.join(', ')}`)];
}
