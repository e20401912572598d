/** What filters and draws of a row go by: the problem's numbers, or the row's own. */
import type { Filtering } from './filters.js';

/** Where the settings of a row lie: the twin of native/kernels/ops/sample_settings.h. */
export const SETTINGS = {
  keepTop: 0,
  topP: 1,
  minPDepth: 2,
  seedLow: 3,
  seedHigh: 4,
  firstDraw: 5,
  row: 6,
  repetition: 7,
  frequency: 8,
  presence: 9,
  perRow: 10,
} as const;

/** What a problem says of the settings. */
export interface Settled extends Filtering {
  /** Key of the Philox generator: low and high 32 bits. */
  readonly seedLow: number;
  readonly seedHigh: number;
  /** The number of the first draw of each row. */
  readonly firstDraw: number;
  /** What divides positive logits, and multiplies others, of classes in the history or the prompt. */
  readonly repetitionPenalty: number;
  /** What is taken from the logit of a class for each time, and once, that it is in the history. */
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** The same for each row, in the order of SETTINGS; and the number that a row goes by in draws. */
  readonly settings?: Float64Array | undefined;
}

/** Of the open row. */
export class Settings implements Filtering {
  keepTop = 0;
  topP = 1;
  minPDepth = Infinity;
  firstDraw = 0;
  /** The number of the row, for draws. */
  row = 0;
  key: readonly [number, number];
  repetition = 1;
  frequency = 0;
  presence = 0;

  constructor(private readonly problem: Settled) {
    this.keepTop = problem.keepTop;
    this.topP = problem.topP;
    this.minPDepth = problem.minPDepth;
    this.firstDraw = problem.firstDraw;
    this.key = [problem.seedLow, problem.seedHigh];
    this.repetition = problem.repetitionPenalty;
    this.frequency = problem.frequencyPenalty;
    this.presence = problem.presencePenalty;
  }

  open(row: number): void {
    const { settings } = this.problem;
    this.row = row;
    if (settings === undefined) return;
    const at = row * SETTINGS.perRow;
    this.keepTop = settings[at + SETTINGS.keepTop];
    this.topP = settings[at + SETTINGS.topP];
    this.minPDepth = settings[at + SETTINGS.minPDepth];
    this.key = [settings[at + SETTINGS.seedLow], settings[at + SETTINGS.seedHigh]];
    this.firstDraw = settings[at + SETTINGS.firstDraw];
    this.row = settings[at + SETTINGS.row];
    this.repetition = settings[at + SETTINGS.repetition];
    this.frequency = settings[at + SETTINGS.frequency];
    this.presence = settings[at + SETTINGS.presence];
  }
}
