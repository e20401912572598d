/**
 * The temperature of a file, which may be larger than memory. Rows that fit in memory are fitted there. Of more, a sample
 * gives the first guess, and each pass over the file brings it closer: two or three are enough.
 *
 * With s = ln(1/T), the mean log loss L has the slope L - H, where H is the mean entropy: an evaluation gives both. L is
 * convex in 1/T, so its slope changes sign once.
 */
import type { EvaluationResult } from '../../index.js';
import { expected, Failure } from '../failure.js';
import type { Sample } from './sample.js';

export interface Fit {
  readonly temperature: number;
  /** False where the best lies beyond 0.01 or 100. */
  readonly converged: boolean;
  /** The evaluation at that temperature. */
  readonly after: EvaluationResult;
}

/** The range of `fitTemperature`, as s. */
const LEAST = Math.log(1 / 100);
const MOST = Math.log(1 / 0.01);
/** Six digits of a temperature. */
const CLOSE = 5e-7;
const MOST_PASSES = 12;
/** The slope of the slope, by a difference: wide enough that its rounding, 1e-16, does not matter. */
const STEP = 1e-3;

/** What is told of an evaluation that is fitted, beside its rows. */
export interface Terms {
  readonly k: number | undefined;
  readonly bins: number | undefined;
  readonly threads: number | undefined;
}

type Library = typeof import('../../promises.js');

const temperatureOf = (s: number) => (s === MOST ? 0.01 : s === LEAST ? 100 : Math.exp(-s));

/** @param pass evaluates the whole file at a temperature. */
export async function fitFile(
  { fitTemperature, evaluate }: Library,
  sample: Sample,
  before: EvaluationResult,
  terms: Terms,
  pass: (temperature: number) => Promise<EvaluationResult>,
): Promise<Fit> {
  if (before.rows === 0) throw expected('rows with a true class', '--fit-temperature', 'none');
  if (Number.isNaN(before.logLoss)) {
    throw expected(
      'rows of finite log loss',
      '--fit-temperature',
      'rows of NaN (--errors skip leaves them out)',
    );
  }
  const { x, targets, options } = sample.problem();
  const { threads } = terms;
  const guess = await fitTemperature(x, targets, { ...options, threads }).catch((error) => {
    if (!(error instanceof RangeError)) throw error;
    const received = `a true class of probability 0 at every temperature, or rows beyond numbers`;
    throw new Failure(`Expected rows of finite log loss for --fit-temperature but received ${received}`);
  });
  if (sample.whole) {
    const { temperature, converged } = guess;
    return {
      temperature,
      converged,
      after: await evaluate(x, targets, { ...options, ...terms, temperature }),
    };
  }

  async function slopeInSample(s: number): Promise<number> {
    const { logLoss, entropy } = await evaluate(x, targets, {
      ...{ ...options, threads, k: 1, bins: 1, confusion: false },
      temperature: Math.exp(-s),
    });
    return logLoss - entropy;
  }
  let at = -Math.log(guess.temperature);
  at = at > MOST - CLOSE ? MOST : at < LEAST + CLOSE ? LEAST : at;
  let rise = ((await slopeInSample(at + STEP)) - (await slopeInSample(at - STEP))) / (2 * STEP);
  let [low, high] = [LEAST, MOST];
  const unseen = new Set([LEAST, MOST]);
  let last: { readonly at: number; readonly slope: number } | undefined;
  for (let passes = 1; ; passes++) {
    const temperature = temperatureOf(at);
    const after = await pass(temperature);
    unseen.delete(at);
    const slope = after.logLoss - after.entropy;
    const up = !(slope <= 0);
    if ((at === MOST && !up) || (at === LEAST && up)) return { temperature, converged: false, after };
    if (up) high = at;
    else low = at;
    if (last) rise = (slope - last.slope) / (at - last.at);
    let next = at - slope / rise;
    if (next >= high && unseen.has(high)) next = high;
    else if (next <= low && unseen.has(low)) next = low;
    else if (!(next >= low && next <= high)) next = (low + high) / 2;
    if (Math.abs(next - at) < CLOSE || passes === MOST_PASSES) return { temperature, converged: true, after };
    last = { at, slope };
    at = next;
  }
}
