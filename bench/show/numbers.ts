/** Numbers as people read them. */
import { median } from 'simple-statistics';
import type { Case } from '../measure/case.js';
import { layoutOf } from '../measure/case.js';
import type { Accuracy, CaseResults, Result, Time } from '../measure/results.js';
import { REFERENCE } from '../measure/results.js';

export type Measured = Extract<Result, { status: 'measured' }>;

/** Three significant digits, without an exponent up to a million. */
export function digits(x: number): string {
  if (x === 0) return '0';
  if (!Number.isFinite(x)) return String(x);
  if (x >= 1e6) return x.toExponential(1).replace('e+', 'e');
  if (x >= 100) return Math.round(x).toString();
  return x.toPrecision(x < 0.01 ? 1 : x < 0.1 ? 2 : 3);
}

/** What the time of a case is told in: calls of one row in ns per call, all else in ns per element. */
export function unitOf(of: Case): { name: string; perCall: number } {
  return of.group === 'calls'
    ? { name: 'ns/call', perCall: 1 }
    : { name: 'ns/element', perCall: layoutOf(of).elements };
}

export function timeText(of: Case, time: Time): string {
  return digits(time.median / unitOf(of).perCall);
}

/** The spread of the rounds, as a share of their median. */
export function spreadText({ median, mad }: Time): string {
  return `±${((100 * mad) / median).toFixed(mad / median < 0.0995 ? 1 : 0)}%`;
}

export function ulpText(ulp: number | null): string {
  if (ulp === null) return '–';
  return ulp < 10 ? ulp.toFixed(2) : digits(ulp);
}

export function accuracyText({ maxUlp }: Accuracy): string {
  return maxUlp === null ? '' : `${ulpText(maxUlp)} ULP`;
}

export function measuredOf(results: CaseResults, contender: string): Measured | undefined {
  const result = results.results.find((one) => one.contender === contender);
  return result?.status === 'measured' ? result : undefined;
}

/**
 * How many times our time a contender takes: the median of the ratios of each round, since what slows the machine down
 * for a second slows down all who take a turn in it.
 */
export function ratioToOurs(results: CaseResults, { rounds }: Time): number | undefined {
  const ours = measuredOf(results, REFERENCE)?.time?.rounds ?? [];
  const ratios = rounds.slice(0, ours.length).map((round, i) => round / ours[i]);
  return ratios.length > 0 ? median(ratios) : undefined;
}

export function ratioText(ratio: number | undefined): string {
  if (ratio === undefined) return '';
  return `${ratio < 10 ? ratio.toFixed(2) : digits(ratio)}×`;
}

/** Shape and what else is unusual about a case, without its group. */
export function titleOf(of: Case): string {
  return of.id.slice(of.id.indexOf(': ') + 2);
}
