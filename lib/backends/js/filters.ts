import { FewClasses, mostFew } from './fewClasses.js';
import type { Normalizer } from './normalizer.js';
import { keepNucleus, type Nucleus, takeNucleus } from './nucleus.js';
import { cutToBest } from './quickSelect.js';
import { Selection } from './selection.js';
import type { Steps } from './steps.js';
import { mostOffered, selectBlock } from './topK.js';
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

/** Of more classes for each that top-k keeps, a heap has little to do. */
const mostPerBest = 32;

type Filter = 'topK' | 'topP' | 'minP';

/**
 * The filters of `sample`: top-k, top-p and min-p. Each keeps the first so many of a row's
 * classes ordered by logit, descending, and by index among equals, so what they leave is a *cut*: the last
 * class kept. Nothing is sorted but few classes.
 */
export class Filters {
  private selection: Selection | undefined;
  private nucleus: Nucleus | undefined;
  private few: FewClasses | undefined;
  private readonly temperature: number;
  private readonly weigher: Weigher;

  /** For rows of up to `length` classes. */
  constructor(
    private readonly length: number,
    private readonly drawn: number,
    private readonly order: number,
  ) {
    this.temperature = ORDERS[order] === 'llama.cpp' ? 1 : drawn;
    this.weigher = new Weigher(this.temperature);
  }

  /** Cuts the open row, an ordinary one, where that takes but one step; else does nothing, and says false. */
  cutShort(row: Normalizer, filtering: Filtering): boolean {
    if (row.length > mostOffered) return false;
    this.weigher.open(row.max);
    if (row.length <= mostFew) this.cutFew(row, filtering);
    else
      for (const filter of filtersOf[this.order]) {
        if (!this.applies(filter, filtering)) continue;
        const { keepTop } = filtering;
        if (filter === 'topK') {
          if (keepTop * mostPerBest > row.length && keepTop < row.length && cutToBest(row, keepTop)) continue;
          const selection = this.openSelection(keepTop);
          while (selectBlock(selection, row));
          this.cutToSelection(row, selection);
        } else if (filter === 'topP') this.openNucleus(row).keepOfBlock(row, this.weigher, filtering.topP);
        else this.cutToLeast(row, filtering);
      }
    return true;
  }

  /** Cuts the open row, an ordinary one. */
  *cut(row: Normalizer, filtering: Filtering): Steps {
    this.weigher.open(row.max);
    for (const filter of filtersOf[this.order]) {
      if (!this.applies(filter, filtering)) continue;
      if (filter === 'topK') {
        const selection = this.openSelection(filtering.keepTop);
        while (selectBlock(selection, row)) yield;
        this.cutToSelection(row, selection);
      } else if (filter === 'topP') yield* this.openNucleus(row).keep(row, this.weigher, filtering.topP);
      else this.cutToLeast(row, filtering);
    }
  }

  private applies(filter: Filter, { keepTop, topP, minPDepth }: Filtering): boolean {
    if (filter === 'topK') return keepTop > 0 && keepTop < this.length;
    return filter === 'topP' ? topP < 1 : minPDepth < Infinity;
  }

  private cutFew(row: Normalizer, filtering: Filtering): void {
    this.few ??= new FewClasses();
    const { few } = this;
    few.read(row, this.weigher);
    for (const filter of filtersOf[this.order]) {
      if (!this.applies(filter, filtering)) continue;
      if (filter === 'topK') few.keepBest(filtering.keepTop);
      else if (filter === 'topP') few.keepShare(filtering.topP);
      else few.keepFrom(this.leastOf(row, filtering));
    }
    few.cut(row, this.temperature === this.drawn);
  }

  private openNucleus(row: Normalizer): Nucleus {
    this.nucleus ??= takeNucleus(Math.min(this.length, row.size));
    return this.nucleus;
  }

  private openSelection(keepTop: number): Selection {
    if (this.selection === undefined || this.selection.room < keepTop)
      this.selection = new Selection(keepTop);
    this.selection.clear(keepTop);
    return this.selection;
  }

  private cutToSelection(row: Normalizer, { logits, classes, worst }: Selection): void {
    // What an earlier filter took away reads as -Infinity: then fewer than k are left.
    if (logits[worst] > -Infinity) row.cut(logits[worst], classes[worst]);
  }

  private cutToLeast(row: Normalizer, filtering: Filtering): void {
    const least = this.leastOf(row, filtering);
    if (least > row.reader.least) row.cut(least);
  }

  private leastOf({ max }: Normalizer, { minPDepth }: Filtering): number {
    return max - this.temperature * minPDepth;
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
