/** The settings of `sample`: one number for every row or one of each row's own, read and handed to backends. */
import { rangeError, typeError } from '../arguments/errors.js';
import { readInteger, readNumber } from '../arguments/options.js';
import { readSeeds, readSetting, type Seed, type Setting } from '../arguments/perRow.js';
import { isBuildingSnapshot } from '../backends/environment.js';
import type { SampleProblem } from '../backends/js/sample.js';
import { SETTINGS } from '../backends/js/sampleSettings.js';
import type { Draft, Reading } from './operation.js';

export interface TakenSettings {
  readonly topK: Setting;
  readonly topP: Setting;
  readonly minP: Setting;
  readonly seed: Seed;
  readonly offset: Setting;
  readonly repetitionPenalty: Setting;
  readonly frequencyPenalty: Setting;
  readonly presencePenalty: Setting;
}

/** So that every draw of a call has a number that float64 holds. */
const lastOffset = 2 ** 53 - 2 ** 32 - 1;

export function takeSettings(reading: Reading): TakenSettings {
  const take = (name: string, fallback: number, read: (value: unknown, name: string) => number) =>
    reading.take(name, (value, _, request) => readSetting(value, name, request, fallback, read));
  return {
    topK: take('topK', 0, (value, name) => readInteger(value, name, -1)),
    topP: take('topP', 1, (value, name) => readNumber(value, name, 0, 1)),
    minP: take('minP', 0, (value, name) => readNumber(value, name, 0, 1)),
    seed: reading.take('seed', (value, name, request) =>
      value === undefined ? randomKey() : readSeeds(value, name, request),
    ),
    offset: take('offset', 0, (value, name) => readInteger(value, name, 0, lastOffset)),
    repetitionPenalty: take('repetitionPenalty', 1, readPositive),
    frequencyPenalty: take('frequencyPenalty', 0, readFinite),
    presencePenalty: take('presencePenalty', 0, readFinite),
  };
}

/** Writes them down in a problem of so many rows. */
export function poseSettings(problem: Draft<SampleProblem>, taken: TakenSettings, rows: number): void {
  const { topK, topP, minP, seed, offset, repetitionPenalty, frequencyPenalty, presencePenalty } = taken;
  problem.keepTop = keptBy(topK.all, topP.all);
  problem.topP = topP.all || 1;
  problem.minPDepth = depthOf(minP.all);
  problem.seedLow = seed.low;
  problem.seedHigh = seed.high;
  problem.firstDraw = offset.all;
  problem.repetitionPenalty = repetitionPenalty.all;
  problem.frequencyPenalty = frequencyPenalty.all;
  problem.presencePenalty = presencePenalty.all;
  const isEach = topK.each || topP.each || minP.each || seed.each || offset.each;
  const isPenalized = repetitionPenalty.each || frequencyPenalty.each || presencePenalty.each;
  problem.settings = isEach || isPenalized ? listOf(taken, rows) : undefined;
}

/** The settings of each row, one row behind the other. */
function listOf(taken: TakenSettings, rows: number): Float64Array {
  const { topK, topP, minP, seed, offset, repetitionPenalty, frequencyPenalty, presencePenalty } = taken;
  const list = new Float64Array(rows * SETTINGS.perRow);
  for (let row = 0; row < rows; row++) {
    const at = row * SETTINGS.perRow;
    const share = of(topP, row);
    list[at + SETTINGS.keepTop] = keptBy(of(topK, row), share);
    list[at + SETTINGS.topP] = share || 1;
    list[at + SETTINGS.minPDepth] = depthOf(of(minP, row));
    list[at + SETTINGS.seedLow] = seed.each ? seed.each[2 * row] : seed.low;
    list[at + SETTINGS.seedHigh] = seed.each ? seed.each[2 * row + 1] : seed.high;
    list[at + SETTINGS.firstDraw] = of(offset, row);
    list[at + SETTINGS.repetition] = of(repetitionPenalty, row);
    list[at + SETTINGS.frequency] = of(frequencyPenalty, row);
    list[at + SETTINGS.presence] = of(presencePenalty, row);
    // A row with a seed of its own draws as the only one would, wherever it stands.
    list[at + SETTINGS.row] = seed.each ? 0 : row;
  }
  return list;
}

const of = ({ all, each }: Setting, row: number): number => (each ? each[row] : all);

/** How many of the likeliest classes top-k leaves, 0 for all: a topP of 0 leaves the likeliest. */
function keptBy(topK: number, topP: number): number {
  return topP === 0 ? 1 : Math.max(topK, 0);
}

/** How far below the largest logit, at a temperature of 1, a class may be. */
function depthOf(minP: number): number {
  return minP === 0 ? Infinity : 0 - Math.log(minP);
}

/** Goes on to the draws that come after so many of every row. */
export function addDraws(problem: Draft<SampleProblem>, count: number): void {
  const later = (draw: number) => (draw + count) % (lastOffset + 1);
  problem.firstDraw = later(problem.firstDraw);
  const { settings } = problem;
  if (settings === undefined) return;
  for (let at = SETTINGS.firstDraw; at < settings.length; at += SETTINGS.perRow)
    settings[at] = later(settings[at]);
}

function readFinite(value: unknown, name: string): number {
  if (typeof value !== 'number') throw typeError('a finite number', name, value);
  if (!Number.isFinite(value)) throw rangeError('a finite number', name, value);
  return value;
}

function readPositive(value: unknown, name: string): number {
  const expected = 'a finite number greater than 0';
  if (typeof value !== 'number') throw typeError(expected, name, value);
  if (!(value > 0 && value < Infinity)) throw rangeError(expected, name, value);
  return value;
}

/** Random numbers of the system's that no key has used. Asking for all of these takes little longer than asking for two. */
const random = new Uint32Array(2048);
let unused = 0;

/** A key of the generator that nobody can foresee. */
export function randomKey(): Seed {
  if (unused === 0) {
    globalThis.crypto.getRandomValues(random);
    unused = isBuildingSnapshot() ? 2 : random.length; // or every process that restores it would use the same
  }
  unused -= 2;
  return { low: random[unused], high: random[unused + 1], each: undefined };
}
