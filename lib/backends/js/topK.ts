import type { TopKProblem } from '../problem.js';
import { BLOCK, block } from './block.js';
import { Normalizer } from './normalizer.js';
import { store } from './rows.js';
import { Selection } from './selection.js';

/** The class index where a row has fewer than k classes that take part; its probability is 0. */
export const NO_CLASS = 0xffffffff;

/** The k largest logits of each row, descending, and their probabilities: the bits that softmax gives them. */
export function topK(problem: TopKProblem, first: number, end: number): void {
  const { k, inner, out, outType, indices, logNormalizer } = problem;
  const row = new Normalizer(problem);
  const selection = new Selection(k);
  for (let r = first; r < end; r++) {
    row.open(r);
    select(selection, row);
    const good = row.normalize(logNormalizer?.[logNormalizer.length === 1 ? 0 : r]);
    const { count, logits, classes } = selection;
    if (good) row.termsOf(logits, count);
    else logits.fill(NaN);
    logits.fill(0, count);
    const outer = Math.floor(r / inner);
    const base = outer * k * inner + (r - outer * inner);
    for (let place = 0; place < k; place++) {
      indices[base + place * inner] = place < count ? classes[place] : NO_CLASS;
    }
    for (let from = 0; from < k; from += BLOCK) {
      const part = logits.subarray(from, from + BLOCK);
      block.set(part);
      row.changed();
      store(good ? row.total : 1, part.length, out, outType, base + from * inner, inner);
    }
  }
}

/** Leaves the selection sorted, with the largest logits of the open row that take part. */
export function select(selection: Selection, row: Normalizer): void {
  const { reader } = row;
  selection.clear();
  for (let from = 0; from < row.length; from += BLOCK) {
    const count = row.logits(from);
    let least = selection.least;
    for (let i = 0; i < count; i++) {
      const x = block[i];
      if (x <= least) continue;
      if (x === -Infinity && !reader.takesPart(from + i)) continue;
      selection.offer(x, from + i);
      least = selection.least;
    }
  }
  selection.sort();
}
