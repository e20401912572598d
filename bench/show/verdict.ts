/** Tells a change of ours from a change of the machine, and both from noise. */
import { median, medianAbsoluteDeviation } from 'simple-statistics';
import type { Case } from '../measure/case.js';
import type { Accuracy, CaseResults, Results, Time } from '../measure/results.js';
import { measuredOf } from './numbers.js';

export interface Change {
  readonly case: Case;
  readonly contender: string;
  readonly before: Time | undefined;
  readonly after: Time | undefined;
  /** After over before, where both are timed: less than 1 is faster. */
  readonly ratio: number | undefined;
  /** The same of the contenders that did not change, in this case: how the machine fared. */
  readonly drift: number;
  /** The relative change, beside the drift, that noise alone may well cause. */
  readonly noise: number;
  readonly verdict: 'faster' | 'slower' | 'same' | 'not timed';
  readonly accuracy: 'more exact' | 'less exact' | 'same';
}

/** From median absolute deviation to the standard error of a median, for normally distributed times. */
const STANDARD_ERROR = 1.4826 * 1.2533;
/** How many standard errors make a change. */
const CONFIDENCE = 4;
/** A single round tells nothing of its noise; this is taken for it. */
const UNKNOWN_ERROR = 0.05;
/** With fewer, there is no telling the machine from the contender. */
const LEAST_OTHERS = 3;

interface Drift {
  readonly ratio: number;
  readonly error: number;
}

/** The contenders that `isUnchanged` names are the yardstick: the same code before and after. */
export function compare(
  before: Results,
  after: Results,
  threshold: number,
  isUnchanged: (contender: string) => boolean,
): Change[] {
  const earlier = new Map(before.cases.map((one) => [one.case.id, one]));
  return after.cases.flatMap((now) => {
    const then = earlier.get(now.case.id);
    if (!then) return [];
    const drift = driftOf(then, now, isUnchanged);
    return now.results.flatMap(({ contender }) => {
      const [a, b] = [measuredOf(then, contender), measuredOf(now, contender)];
      if (!a || !b) return [];
      return [
        {
          case: now.case,
          contender,
          before: a.time,
          after: b.time,
          drift: drift.ratio,
          ...change(a.time, b.time, drift, threshold),
          accuracy: accuracyChange(a.accuracy, b.accuracy),
        },
      ];
    });
  });
}

function driftOf(then: CaseResults, now: CaseResults, isUnchanged: (contender: string) => boolean): Drift {
  const logs = now.results.flatMap(({ contender }) => {
    const [a, b] = [measuredOf(then, contender)?.time, measuredOf(now, contender)?.time];
    return a && b && isUnchanged(contender) ? [Math.log(b.median / a.median)] : [];
  });
  if (logs.length < LEAST_OTHERS) return { ratio: 1, error: 0 };
  return {
    ratio: Math.exp(median(logs)),
    error: (STANDARD_ERROR * medianAbsoluteDeviation(logs)) / Math.sqrt(logs.length),
  };
}

function change(
  a: Time | undefined,
  b: Time | undefined,
  drift: Drift,
  threshold: number,
): Pick<Change, 'ratio' | 'noise' | 'verdict'> {
  if (!a || !b) return { ratio: undefined, noise: 0, verdict: 'not timed' };
  const ratio = b.median / a.median;
  const own = ratio / drift.ratio;
  const noise = Math.max(threshold, CONFIDENCE * Math.hypot(errorOf(a), errorOf(b), drift.error));
  const verdict = Math.abs(Math.log(own)) <= noise ? 'same' : own < 1 ? 'faster' : 'slower';
  return { ratio, noise, verdict };
}

function errorOf({ median: middle, mad, rounds }: Time): number {
  return rounds.length < 2 ? UNKNOWN_ERROR : (STANDARD_ERROR * mad) / middle / Math.sqrt(rounds.length);
}

function accuracyChange(a: Accuracy, b: Accuracy): Change['accuracy'] {
  if (a.maxUlp === null || b.maxUlp === null || Math.abs(a.maxUlp - b.maxUlp) < 0.005) return 'same';
  return a.maxUlp < b.maxUlp ? 'less exact' : 'more exact';
}
