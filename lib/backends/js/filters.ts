import type { Normalizer } from './normalizer.js';
import { keepNucleus, type Nucleus, takeNucleus } from './nucleus.js';
import { Selection } from './selection.js';
import type { Steps } from './steps.js';
import { selectBlock } from './topK.js';
import type { Weigher } from './weights.js';

/** What the filters of a row go by. */
export interface Filtering {
  /** How many of the likeliest classes the top-k filter keeps; 0 = no such filter. */
  readonly keepTop: number;
  /** 1 = no top-p filter. */
  readonly topP: number;
  /** How far below the largest logit, at a temperature of 1, a class may be, -ln(minP): Infinity = no min-p filter. */
  readonly minPDepth: number;
}

/**
 * The filters of `sample`: top-k, top-p and min-p, in that order. Each keeps the first so many of a row's
 * classes ordered by logit, descending, and by index among equals, so what they leave is a *cut*: the last
 * class kept. Nothing is sorted but the `keepTop` classes.
 */
export class Filters {
  private selection: Selection | undefined;
  private nucleus: Nucleus | undefined;

  /** For rows of up to `length` classes. */
  constructor(
    private readonly length: number,
    private readonly temperature: number,
  ) {}

  /** Cuts the open row, an ordinary one. */
  *cut(row: Normalizer, weigher: Weigher, { keepTop, topP, minPDepth }: Filtering): Steps {
    if (keepTop > 0 && keepTop < this.length) yield* this.cutToBest(row, keepTop);
    row.changed();
    if (topP < 1) {
      this.nucleus ??= takeNucleus(this.length);
      yield* this.nucleus.keep(row, weigher, topP);
    }
    const least = row.max - this.temperature * minPDepth;
    if (least > row.reader.least) row.reader.cut(least);
    row.changed();
  }

  private *cutToBest(row: Normalizer, keepTop: number): Steps {
    if (this.selection === undefined || this.selection.room < keepTop)
      this.selection = new Selection(keepTop);
    const { selection } = this;
    selection.clear(keepTop);
    while (selectBlock(selection, row)) yield;
    while (selection.sortSome()) yield;
    const worst = selection.count - 1;
    row.reader.cut(selection.logits[worst], selection.classes[worst]);
  }

  /** Gives memory back. */
  close(): void {
    if (this.nucleus) keepNucleus(this.nucleus);
  }
}

/** Whether there is any filter. */
export function filters({ keepTop, topP, minPDepth }: Filtering): boolean {
  return keepTop > 0 || topP < 1 || minPDepth < Infinity;
}
