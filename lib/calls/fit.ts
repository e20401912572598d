/** fitTemperature: the least mean log loss over temperatures. It is convex in 1/T, where the search takes its steps. */
import { rangeError } from '../arguments/errors.js';
import { readAbortable } from '../arguments/options.js';
import { refuseLost } from '../backends/asyncCopies.js';
import { SLOPED, type SlopeProblem } from '../backends/js/slope.js';
import { fitTemperature as declared } from '../ops/fitTemperature.js';
import type { Draft } from '../ops/operation.js';
import { partsOf } from '../ops/parts.js';
import type { TemperatureFit } from '../types/evaluation.js';
import { type Plan, plan } from './plan.js';
import { Sums } from './sums.js';

/** The mean over the rows at one temperature: the log loss, and its first and second derivative in 1/T. */
interface Mean {
  readonly loss: number;
  readonly slope: number;
  readonly curvature: number;
}

/** A temperature that was looked at, as the logarithm of 1/T. */
interface Place {
  readonly at: number;
  readonly mean: Mean;
}

const hottest = 100;
const coldest = 0.01;
const reach = Math.log(hottest / coldest) / 2;

/** A step of ln T this small leaves an error of its square: it is the last. */
const lastStep = 1e-5;

/** The first step of ln T goes so far at most; the second, if it has to go on, to the end. */
const firstStep = 3;

/** After so many steps that do not halve the range between two places, it is halved. */
const mostSlow = 3;

/** Over 2640 sets of logits, of all sizes and sharpness, it took 4.7 passes on average and 11 at most. */
const mostPasses = 64;

const temperatureAt = (at: number): number =>
  at === reach ? coldest : at === -reach ? hottest : Math.exp(-at);

/** Where the slope would be 0 if it were a line in 1/T: Newton's step. */
function byNewton({ at, mean: { slope, curvature } }: Place): number {
  return Number.isFinite(curvature) ? Math.log(Math.max(Math.exp(at) - slope / curvature, 0)) : NaN;
}

/**
 * Where the slope would be 0 if it were (a + b t) / (1 + c t) in t = 1/T: it levels off at both ends as such a quotient does,
 * where lines lead far away. The quotient has the slope and curvature here, and the slope at another place.
 */
function byQuotient({ at, mean: { slope, curvature } }: Place, other: Place): number {
  const far = Math.exp(other.at) - Math.exp(at);
  const c = (slope + curvature * far - other.mean.slope) / (far * (other.mean.slope - slope));
  return Math.log(Math.max(Math.exp(at) - slope / (curvature + slope * c), 0));
}

/** Asks for the mean at one temperature after another, and returns the one where it is least. */
function* search(): Generator<number, TemperatureFit, Mean> {
  const before = yield 1;
  const found = (at: number, logLoss: number, converged: boolean): TemperatureFit => {
    return { temperature: temperatureAt(at), logLoss, logLossBefore: before.loss, converged };
  };
  let here: Place = { at: 0, mean: before };
  let last: Place | undefined;
  /** Below and above the best, as far as is known. */
  let low: Place | undefined;
  let high: Place | undefined;
  if (!Number.isFinite(before.loss)) {
    high = here;
    here = { at: -reach, mean: yield hottest };
    if (!Number.isFinite(here.mean.loss)) throw rangeError('a finite mean log loss', 'x', before.loss);
  }
  let width = Infinity;
  let slow = 0;
  for (let pass = 0; pass < mostPasses; pass++) {
    const { at, mean } = here;
    const { loss, slope } = mean;
    if (slope === 0) return found(at, loss, true);
    if (slope > 0 || !Number.isFinite(loss)) {
      if (at === -reach) return found(at, loss, false);
      high = here;
    } else {
      if (at === reach) return found(at, loss, false);
      low = here;
    }
    const newton = byNewton(here);
    if (Math.abs(newton - at) < lastStep && newton > -reach && newton < reach)
      return found(newton, loss + (Math.exp(newton) - Math.exp(at)) * (slope / 2), true);

    const from = low?.at ?? -reach;
    const to = high?.at ?? reach;
    const isBetween = (place: number) => place > from && place < to;
    const other = low && high ? (here === low ? high : low) : last;
    let next = other === undefined ? newton : byQuotient(here, other);
    if (!isBetween(next)) next = newton;
    if (low === undefined || high === undefined) {
      const towards = slope < 0 ? 1 : -1;
      const isFirst = last === undefined;
      if (isFirst && !(Math.abs(next - at) <= firstStep)) next = at + towards * firstStep;
      else if (!isFirst || !isBetween(next)) next = towards * reach;
    } else {
      slow = to - from > width / 2 ? slow + 1 : 0;
      if (slow === 0) width = to - from;
      if (!isBetween(next) || slow === mostSlow) {
        next = (from + to) / 2;
        width = to - from;
        slow = 0;
      }
    }
    last = here;
    here = { at: next, mean: yield temperatureAt(next) };
  }
  throw new Error('the search for a temperature did not end');
}

/** The problem of a call that has rows to judge, its temperature still to be set. */
function problemOf({ problem }: Plan): Draft<SlopeProblem> {
  const { targets, ignoreIndex } = problem as SlopeProblem;
  if (targets.every((target) => target === ignoreIndex))
    throw rangeError('at least one row that is not ignored', 'targets', targets);
  return problem as SlopeProblem;
}

function addRows(sums: Sums, { out }: SlopeProblem): void {
  for (let i = 0; i < SLOPED; i++) sums.addAll(i, out, i, SLOPED);
}

function meanOf(sums: Sums, { targets, ignoreIndex }: SlopeProblem): Mean {
  let rows = 0;
  for (let i = 0; i < targets.length; i++) if (targets[i] !== ignoreIndex) rows++;
  return { loss: sums.value(0) / rows, slope: sums.value(1) / rows, curvature: sums.value(2) / rows };
}

export function fitAtOnce(x: unknown, targets: unknown, options: unknown): TemperatureFit {
  const planned = plan(declared, x, targets, options);
  const problem = problemOf(planned);
  const steps = search();
  let step = steps.next();
  while (step.done !== true) {
    problem.temperature = step.value;
    refuseLost(problem);
    const sums = new Sums(SLOPED);
    for (const part of partsOf(problem)) {
      planned.backend.run(part);
      addRows(sums, part);
    }
    step = steps.next(meanOf(sums, problem));
  }
  planned.finish();
  return step.value;
}

export async function fitInTurns(x: unknown, targets: unknown, options: unknown): Promise<TemperatureFit> {
  const { signal, rest } = readAbortable(options);
  const planned = plan(declared, x, targets, rest);
  const problem = problemOf(planned);
  const steps = search();
  let step = steps.next();
  while (step.done !== true) {
    problem.temperature = step.value;
    const sums = new Sums(SLOPED);
    for (const part of partsOf(problem)) {
      await planned.backend.runAsync(part, signal);
      addRows(sums, part);
    }
    step = steps.next(meanOf(sums, problem));
  }
  planned.finish();
  return step.value;
}
