import { block } from './block.js';
import type { Normalizer } from './normalizer.js';
import { roundingOf } from './nucleus.js';
import type { Weigher } from './weights.js';

/** Rows of up to so many classes are filtered by comparing each with each. */
export const mostFew = 16;

/**
 * The filters on a row of few classes. Each class is told how many come before it, and what these weigh: then a filter is
 * but a number of classes to keep. Comparisons become numbers: as branches they would be predicted wrongly half the time.
 */
export class FewClasses {
  private readonly logits = new Float64Array(mostFew);
  /** As rounded in Nucleus, so that their sums are exact. */
  private readonly weights = new Float64Array(mostFew);
  private readonly ranks = new Int32Array(mostFew);
  private readonly before = new Float64Array(mostFew);
  private count = 0;
  private kept = 0;

  /** Reads the open row; leaves its weights in the block. */
  read(row: Normalizer, weigher: Weigher): void {
    const { logits, weights, ranks, before } = this;
    const count = row.logits(0);
    for (let i = 0; i < count; i++) logits[i] = block[i];
    weigher.weigh(count);
    row.changed();
    const magic = roundingOf(row.reader.valid);
    let finite = 0;
    for (let i = 0; i < count; i++) {
      const logit = logits[i];
      const weight = block[i] + magic - magic;
      let rank = 0;
      let sum = 0;
      for (let j = 0; j < i; j++) {
        const isBefore = Number(logits[j] >= logit);
        rank += isBefore;
        sum += isBefore * weights[j];
        ranks[j] += 1 - isBefore;
        before[j] += (1 - isBefore) * weight;
      }
      weights[i] = weight;
      ranks[i] = rank;
      before[i] = sum;
      finite += Number(logit > -Infinity);
    }
    this.count = count;
    this.kept = finite;
  }

  keepBest(keepTop: number): void {
    this.kept = Math.min(this.kept, keepTop);
  }

  /** Keeps the fewest of the best whose weights add up to `topP` of what was kept. */
  keepShare(topP: number): void {
    const { weights, ranks, before, count, kept } = this;
    let total = 0;
    for (let i = 0; i < count; i++) total += Number(ranks[i] < kept) * weights[i];
    const target = topP * total;
    let needed = 0;
    for (let i = 0; i < count; i++) needed += Number(before[i] < target);
    this.kept = Math.min(kept, Math.max(needed, 1));
  }

  keepFrom(least: number): void {
    const { logits, count } = this;
    let kept = 0;
    for (let i = 0; i < count; i++) kept += Number(logits[i] >= least);
    this.kept = Math.min(this.kept, kept);
  }

  /** Cuts the row to what is kept; leaves weights of 0 for all others where those read are `drawn` by. */
  cut(row: Normalizer, drawn: boolean): void {
    const { logits, ranks, count, kept } = this;
    let last = 0;
    for (let i = 0; i < count; i++) {
      if (ranks[i] === kept - 1) last = i;
      block[i] *= Number(ranks[i] < kept);
    }
    row.cut(logits[last], last);
    if (drawn) row.hold('weights', 0);
  }
}
