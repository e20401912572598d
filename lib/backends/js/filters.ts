import type { Normalizer } from './normalizer.js';
import { keepNucleus, type Nucleus, takeNucleus } from './nucleus.js';
import { Selection } from './selection.js';
import type { Steps } from './steps.js';
import { selectBlock } from './topK.js';
import type { Weigher } from './weights.js';

/** What a problem says of its filters. */
export interface Filtering {
  readonly length: number;
  /** How many of the likeliest classes the top-k filter keeps; 0 = no such filter. */
  readonly keepTop: number;
  /** 1 = no top-p filter. */
  readonly topP: number;
  /** How far below the largest logit a class may be, -T·ln(minP): Infinity = no min-p filter. */
  readonly minPReach: number;
}

/**
 * The filters of `sample`: top-k, top-p and min-p, in that order. Each keeps the first so many of a row's
 * classes ordered by logit, descending, and by index among equals, so what they leave is a *cut*: the last
 * class kept. Nothing is sorted but the `keepTop` classes.
 */
export class Filters {
  private readonly selection: Selection | undefined;
  private readonly nucleus: Nucleus | undefined;

  constructor(private readonly problem: Filtering) {
    const { keepTop, topP, length } = problem;
    if (keepTop > 0 && keepTop < length) this.selection = new Selection(keepTop);
    if (topP < 1) this.nucleus = takeNucleus(length);
  }

  /** Whether there is a filter that takes steps of its own. */
  get isLong(): boolean {
    return this.selection !== undefined || this.nucleus !== undefined;
  }

  /** Cuts the open row, an ordinary one, by top-k and top-p. */
  *cut(row: Normalizer, weigher: Weigher): Steps {
    const { selection, nucleus } = this;
    if (selection) {
      selection.clear();
      while (selectBlock(selection, row)) yield;
      while (selection.sortSome()) yield;
      const worst = selection.count - 1;
      row.reader.cut(selection.logits[worst], selection.classes[worst]);
    }
    row.changed();
    if (nucleus) yield* nucleus.keep(row, weigher, this.problem.topP);
  }

  /** Cuts it by min-p. */
  cutFar(row: Normalizer): void {
    const least = row.max - this.problem.minPReach;
    if (least > row.reader.least) row.reader.cut(least);
    row.changed();
  }

  /** Gives memory back. */
  close(): void {
    if (this.nucleus) keepNucleus(this.nucleus);
  }
}
