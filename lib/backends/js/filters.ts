import type { Normalizer } from './normalizer.js';
import { keepNucleus, type Nucleus, takeNucleus } from './nucleus.js';
import { Selection } from './selection.js';
import type { Steps } from './steps.js';
import { selectBlock } from './topK.js';
import { Weigher } from './weights.js';

/** What the filters of a row go by. */
export interface Filtering {
  /** How many of the likeliest classes the top-k filter keeps; 0 = no such filter. */
  readonly keepTop: number;
  /** 1 = no top-p filter. */
  readonly topP: number;
  /** How far below the largest logit, at a temperature of 1, a class may be, -ln(minP): Infinity = no min-p filter. */
  readonly minPDepth: number;
}

/** The orders of filters, by their codes in a problem. */
export const ORDERS = ['transformers', 'vllm', 'llama.cpp', 'joint'] as const;

/** Which filter comes when; all but llama.cpp's go by the probabilities at the temperature of the draw. */
const filtersOf = [
  ['topK', 'topP', 'minP'],
  ['minP', 'topK', 'topP'],
  ['topK', 'topP', 'minP'],
  // top-k and top-p both over all classes, and what both leave: the best of what top-p leaves.
  ['topP', 'topK', 'minP'],
] as const;

/**
 * The filters of `sample`: top-k, top-p and min-p. Each keeps the first so many of a row's
 * classes ordered by logit, descending, and by index among equals, so what they leave is a *cut*: the last
 * class kept. Nothing is sorted but the `keepTop` classes.
 */
export class Filters {
  private selection: Selection | undefined;
  private nucleus: Nucleus | undefined;
  private readonly temperature: number;
  private readonly weigher: Weigher;

  /** For rows of up to `length` classes. */
  constructor(
    private readonly length: number,
    temperature: number,
    private readonly order: number,
  ) {
    this.temperature = ORDERS[order] === 'llama.cpp' ? 1 : temperature;
    this.weigher = new Weigher(this.temperature);
  }

  /** Cuts the open row, an ordinary one. */
  *cut(row: Normalizer, { keepTop, topP, minPDepth }: Filtering): Steps {
    this.weigher.open(row.max);
    for (const filter of filtersOf[this.order]) {
      if (filter === 'topK' && keepTop > 0 && keepTop < this.length) yield* this.cutToBest(row, keepTop);
      if (filter === 'topP' && topP < 1) yield* this.cutToShare(row, topP);
      if (filter === 'minP') {
        const least = row.max - this.temperature * minPDepth;
        if (least > row.reader.least) row.reader.cut(least);
      }
      row.changed();
    }
  }

  private *cutToShare(row: Normalizer, topP: number): Steps {
    this.nucleus ??= takeNucleus(this.length);
    yield* this.nucleus.keep(row, this.weigher, topP);
  }

  private *cutToBest(row: Normalizer, keepTop: number): Steps {
    if (this.selection === undefined || this.selection.room < keepTop)
      this.selection = new Selection(keepTop);
    const { selection } = this;
    selection.clear(keepTop);
    while (selectBlock(selection, row)) yield;
    while (selection.sortSome()) yield;
    const worst = selection.count - 1;
    // What an earlier filter took away reads as -Infinity: then fewer than k are left.
    if (selection.logits[worst] > -Infinity)
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
