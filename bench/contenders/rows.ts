/** Contenders that know rows, and one row at a time. */
import { allocate, type Case, type Logits, layoutOf } from '../measure/case.js';
import { type Cannot, cannot, type Prepared } from './contender.js';

/** Every call maps `softmax` over the rows; what form a row has is the contender's own. */
export function rowByRow<Row extends ArrayLike<number>>(
  of: Case,
  logits: Logits,
  rowOf: (logits: Logits) => Row,
  softmax: (row: Row) => ArrayLike<number>,
  mostElements = Infinity,
): Prepared | Cannot {
  if (of.op !== 'softmax') return cannot('measured for softmax only');
  const { rows, classes, inner, elements } = layoutOf(of);
  if (inner > 1) return cannot('knows the last axis only');
  if (elements > mostElements) return cannot('would take too long');
  const inputs = Array.from({ length: rows }, (_, row) =>
    rowOf(logits.subarray(row * classes, (row + 1) * classes)),
  );
  let latest: ArrayLike<number>[] = [];
  return {
    run: () => {
      latest = inputs.map(softmax);
    },
    answer: () => {
      const values = allocate('float64', elements);
      for (const [row, output] of latest.entries()) values.set(output, row * classes);
      return { values };
    },
  };
}
