import type { ElementType } from '../problem.js';
import { type Adjusted, patchesOf } from './adjustments.js';
import { Filters, filters as hasFilters } from './filters.js';
import { Normalizer } from './normalizer.js';
import { uniform } from './philox.js';
import { Settings, type Settled } from './sampleSettings.js';
import { distance, vanishing } from './softmax.js';
import type { Steps } from './steps.js';
import { NO_CLASS } from './topK.js';
import { Segments, Weigher } from './weights.js';

export interface SampleProblem extends Adjusted, Settled {
  /** Class indices, [rows, count]. */
  readonly out: Uint32Array;
  readonly count: number;
  /** Of the filters: a place in ORDERS. */
  readonly order: number;
  /** The natural log of the probability each draw had, after the filters: the shape of `out`. */
  readonly logProbabilities?: Float32Array | Float64Array | undefined;
  readonly logProbabilitiesType?: ElementType | undefined;
  /** The same before bias, penalties, temperature and filters. */
  readonly rawLogProbabilities?: Float32Array | Float64Array | undefined;
  readonly rawType?: ElementType | undefined;
}

/**
 * `count` draws from each row, by the inverse of the cumulative distribution: draw d of row r gives the first
 * class at which the running sum of the weights that the filters leave exceeds u·(the whole sum), where u in
 * [0, 1) is Philox's uniform number of (seed, r, first draw + d). Every backend draws the same classes (weights.ts).
 *
 * A row that has no probabilities (a NaN or +Infinity in it, or nothing above -Infinity) gives no class.
 */
export function* sample(problem: SampleProblem, first: number, end: number): Steps {
  const filters = new Filters(problem.length, problem.temperature, problem.order);
  try {
    yield* draw(problem, first, end, filters);
    if (problem.rawLogProbabilities) yield* weighRaw(problem, problem.rawLogProbabilities, first, end);
  } finally {
    filters.close();
  }
}

/** Draws between two steps, by the classes that they look at; and results that are all the same. */
const stepClasses = 2 ** 17;
const stepFill = 2 ** 20;

function* draw(problem: SampleProblem, first: number, end: number, filters: Filters): Steps {
  const { out, count, temperature, logProbabilities } = problem;
  const logType = logProbabilities && (logProbabilities instanceof Float64Array ? 'float64' : 'float32');
  const row = new Normalizer(problem);
  const weigher = new Weigher(temperature);
  const segments = new Segments(row, weigher);
  const settings = new Settings(problem);
  for (let r = first; r < end; r++) {
    row.open(r);
    settings.open(r);
    row.reader.patches = patchesOf(problem, row.reader, settings);
    while (row.openBlock()) yield;
    if (row.kind !== 'ordinary' || temperature === 0) {
      const good = row.kind === 'ordinary';
      for (let at = r * count; at < (r + 1) * count; at += stepFill) {
        if (at > r * count) yield;
        const to = Math.min(at + stepFill, (r + 1) * count);
        out.fill(good ? row.argmax : NO_CLASS, at, to);
        logProbabilities?.fill(good ? 0 : NaN, at, to);
      }
      continue;
    }
    weigher.open(row.max);
    if (hasFilters(settings) && !filters.cutShort(row, settings)) yield* filters.cut(row, settings);
    let logTotal = 0;
    if (logType) {
      const good = row.normalize();
      while (row.sumBlock()) yield;
      if (good) logTotal = vanishing(row.logSum(), logType);
      row.changed();
    }
    segments.open();
    while (segments.addBlock()) yield;
    for (let draw = 0; draw < count; ) {
      if (draw > 0) yield;
      draw = drawSome(problem, settings, row, segments, r, draw, logTotal);
    }
  }
}

/** Draws from the open row, from draw `first` on, until a step should end; the draw to go on with. */
function drawSome(
  problem: SampleProblem,
  settings: Settings,
  row: Normalizer,
  segments: Segments,
  r: number,
  first: number,
  logTotal: number,
): number {
  const { out, count, temperature, logProbabilities } = problem;
  const { key, firstDraw } = settings;
  const { total, reach } = segments;
  const end = Math.min(count, first + Math.max(1, Math.floor(stepClasses / reach)));
  for (let draw = first; draw < end; draw++) {
    const drawn = segments.find(uniform(settings.row, firstDraw + draw, key) * total);
    out[r * count + draw] = drawn;
    if (!logProbabilities) continue;
    logProbabilities[r * count + draw] =
      0 - (distance(row.max, row.reader.logit(drawn), temperature) + logTotal);
  }
  return end;
}

/** The log-probabilities of the classes drawn, by the rows as they are in memory and at a temperature of 1. */
function* weighRaw(
  problem: SampleProblem,
  logs: Float32Array | Float64Array,
  first: number,
  end: number,
): Steps {
  const { out, count } = problem;
  const type = logs instanceof Float64Array ? 'float64' : 'float32';
  const row = new Normalizer({ ...problem, temperature: 1 });
  for (let r = first; r < end; r++) {
    row.open(r);
    while (row.openBlock()) yield;
    const good = row.normalize();
    while (row.sumBlock()) yield;
    const logTotal = good ? vanishing(row.logSum(), type) : NaN;
    for (let at = r * count; at < (r + 1) * count; at++) {
      if (at > r * count && (at - r * count) % stepFill === 0) yield;
      const index = out[at];
      logs[at] = index < row.length ? 0 - (distance(row.max, row.reader.logit(index), 1) + logTotal) : NaN;
    }
    row.changed();
  }
}
