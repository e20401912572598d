import type { SampleProblem } from '../problem.js';
import type { Normalizer } from './normalizer.js';
import { Nucleus } from './nucleus.js';
import { Selection } from './selection.js';
import { select } from './topK.js';
import type { Weigher } from './weights.js';

/**
 * The filters of `sample`: top-k, top-p and min-p, in that order. Each keeps the first so many of a row's
 * classes ordered by logit, descending, and by index among equals, so what they leave is a *cut*: the last
 * class kept. Nothing is sorted but the `keepTop` classes.
 */
export class Filters {
  private readonly selection: Selection | undefined;
  private readonly nucleus: Nucleus | undefined;

  constructor(private readonly problem: SampleProblem) {
    const { keepTop, topP, length } = problem;
    if (keepTop > 0 && keepTop < length) this.selection = new Selection(keepTop);
    if (topP < 1) this.nucleus = new Nucleus(length);
  }

  /** Cuts the open row, an ordinary one. */
  cut(row: Normalizer, weigher: Weigher): void {
    const { reader } = row;
    const { topP, minPReach } = this.problem;
    if (this.selection) {
      select(this.selection, row);
      const worst = this.selection.count - 1;
      reader.cut(this.selection.logits[worst], this.selection.classes[worst]);
    }
    row.changed();
    this.nucleus?.keep(row, weigher, topP);
    if (row.max - minPReach > reader.least) reader.cut(row.max - minPReach);
    row.changed();
  }
}
