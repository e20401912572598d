/** fitTemperature: the least mean log loss over temperatures, by Newton's method on 1/T, in which it is convex. */
import { rangeError } from '../arguments/errors.js';
import { readAbortable } from '../arguments/options.js';
import { SLOPED, type SlopeProblem } from '../backends/js/slope.js';
import { refuseLost } from '../backends/memory.js';
import { parted } from '../ops/all.js';
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

/** A temperature that was looked at, as the logarithm of 1/T; the ends are there before they are looked at. */
interface Place {
  readonly at: number;
  readonly mean?: Mean;
}

const hottest = 100;
const coldest = 0.01;
const reach = Math.log(hottest / coldest) / 2;

/** A step of ln T this small leaves an error of its square: it is the last. */
const lastStep = 1e-5;

/** Each pass but the first few halves the range at least, or Newton's steps have converged long before. */
const mostPasses = 64;

/** Asks for the mean at one temperature after another, and returns the one where it is least. */
function* search(): Generator<number, TemperatureFit, Mean> {
  const before = yield 1;
  let here: Place = { at: 0, mean: before };
  let low: Place = { at: -reach };
  let high: Place = { at: reach };
  if (!Number.isFinite(before.loss)) {
    high = here;
    here = { at: -reach, mean: yield hottest };
    if (!Number.isFinite(here.mean?.loss)) throw rangeError('a finite mean log loss', 'x', before.loss);
  }
  const found = (at: number, logLoss: number, converged: boolean): TemperatureFit => {
    const temperature = at === reach ? coldest : at === -reach ? hottest : Math.exp(-at);
    return { temperature, logLoss, logLossBefore: before.loss, converged };
  };
  let width = 2 * reach;
  for (let pass = 0; pass < mostPasses; pass++) {
    const { at, mean } = here as Required<Place>;
    const { loss, slope, curvature } = mean;
    if (slope === 0) return found(at, loss, true);
    if (slope > 0 || !Number.isFinite(loss)) {
      if (at === -reach) return found(at, loss, false);
      high = here;
    } else {
      if (at === reach) return found(at, loss, false);
      low = here;
    }
    // Newton's step in 1/T.
    const step = -slope / curvature;
    const next = Math.log(Math.max(Math.exp(at) + step, 0));
    if (Math.abs(next - at) < lastStep && next > -reach && next < reach)
      return found(next, loss + step * (slope / 2), true);
    const halved = high.at - low.at <= width / 2;
    width = high.at - low.at;
    const end = slope < 0 ? high : low;
    let to = next;
    if (!(next > low.at && next < high.at)) to = end.mean === undefined ? end.at : (low.at + high.at) / 2;
    else if (pass > 0 && !halved) to = end.mean === undefined ? end.at : (low.at + high.at) / 2;
    here = { at: to, mean: yield to === reach ? coldest : to === -reach ? hottest : Math.exp(-to) };
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
  const planned = plan(parted.fitTemperature, x, targets, options);
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
  const planned = plan(parted.fitTemperature, x, targets, rest);
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
