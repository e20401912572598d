/** The numbers behind each chart. */
import { type Group, layoutOf } from '../measure/case.js';
import type { Results } from '../measure/results.js';
import { type Measured, unitOf } from './numbers.js';

export interface Point {
  readonly contender: string;
  readonly x: number;
  readonly y: number;
  /** A chart each. */
  readonly facet: string;
  /** All there is to say about it. */
  readonly measured: Measured;
}

/** Variants of ours that the tables have, and the charts need not. */
const VARIANTS = /, (avx512|avx2|neon|portable|all threads)$/;

export function classesSeries(results: Results): Point[] {
  return points(results, 'classes', ({ shape }) => shape[1], timePer);
}

export function callsSeries(results: Results): Point[] {
  return points(results, 'calls', ({ shape }) => shape[1], timePer);
}

export function rangesSeries(results: Results): Point[] {
  return points(
    results,
    'ranges',
    ({ range }) => range,
    (_, { accuracy }) => accuracy.maxUlp ?? undefined,
  );
}

/** Billions of elements per second. */
export function threadsSeries(results: Results): Point[] {
  return points(
    results,
    'threads',
    ({ threads }) => threads,
    (of, { time }) => time && layoutOf(of).elements / time.median,
  );
}

type Case = Results['cases'][number]['case'];

function timePer(of: Case, { time }: Measured): number | undefined {
  return time && time.median / unitOf(of).perCall;
}

function points(
  results: Results,
  group: Group,
  x: (of: Case) => number,
  y: (of: Case, measured: Measured) => number | undefined,
): Point[] {
  return results.cases
    .filter(({ case: of }) => of.group === group)
    .flatMap(({ case: of, results: all }) =>
      all.flatMap((measured) => {
        if (measured.status !== 'measured' || VARIANTS.test(measured.contender)) return [];
        const value = y(of, measured);
        if (value === undefined) return [];
        return [{ contender: measured.contender, x: x(of), y: value, facet: of.shape.join('×'), measured }];
      }),
    );
}

/** Contenders in the order in which their lines end, highest first. */
export function contendersOf(series: readonly Point[]): string[] {
  return lastPoints(series).map(({ contender }) => contender);
}

/** Where each line ends on the right, highest first. */
export function lastPoints(series: readonly Point[]): Point[] {
  const last = new Map<string, Point>();
  for (const point of series) {
    if (point.x >= (last.get(point.contender)?.x ?? -Infinity)) last.set(point.contender, point);
  }
  return [...last.values()].sort((a, b) => b.y - a.y);
}
