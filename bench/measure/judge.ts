/** Holds an answer to the exact one, by the oracle of the tests. */
import { type Exact, exactRow, ulpDistance } from '../../test/oracle.js';
import type { Answer } from '../contenders/contender.js';
import { type Case, type Layout, type Logits, layoutOf, targetOf } from './case.js';
import type { Accuracy } from './results.js';

/** Rows are judged that are spread evenly over the case, whole unless one alone has more classes, up to so many. */
const JUDGED_ELEMENTS = { full: 2 ** 20, quick: 2 ** 16 };

/** Beyond this share of the row's largest probability an answer is not inexact but wrong. */
const TOLERANCE = 1e-2;

export type Verdict = { readonly accuracy: Accuracy } | { readonly wrong: string };

interface JudgedRow {
  readonly row: number;
  readonly softmax: Exact;
  readonly logSoftmax: Exact;
}

export class Judge {
  private readonly layout: Layout;
  private readonly rows: readonly JudgedRow[];
  /** From one judged class to the next. */
  private readonly step: number;

  constructor(
    private readonly of: Case,
    private readonly logits: Logits,
    quick: boolean,
  ) {
    this.layout = layoutOf(of);
    const { rows, classes } = this.layout;
    const elements = quick ? JUDGED_ELEMENTS.quick : JUDGED_ELEMENTS.full;
    // Odd, so that every lane of a vector is judged.
    this.step = 2 * Math.floor(classes / elements / 2) + 1;
    const count = Math.min(rows, Math.max(1, Math.floor(elements / classes)));
    this.rows = Array.from({ length: count }, (_, n) => {
      const row = Math.floor((n * rows) / count);
      const { softmax, logSoftmax } = exactRow(this.logitsOf(row));
      return { row, softmax, logSoftmax };
    });
  }

  /** Answers of a wider type are rounded to that of the case first, so that all are judged alike. */
  verdict(given: Answer): Verdict {
    const answer = { ...given, values: this.rounded(given.values) };
    switch (this.of.op) {
      case 'softmax':
        return this.probabilities(answer.values);
      case 'topK':
        return this.topK(answer);
      case 'crossEntropy':
        return this.of.gradient ? this.gradient(answer.values) : this.losses(answer.values);
      case 'sample':
        return this.draws(Array.from(answer.indices ?? [], Number));
    }
  }

  private probabilities(values: ArrayLike<number>): Verdict {
    const { elements, classes, inner } = this.layout;
    if (values.length !== elements) return { wrong: `${values.length} values instead of ${elements}` };
    for (let i = 0; i < elements; i++) {
      if (!(values[i] >= 0 && values[i] <= 1.001)) return { wrong: `${values[i]} at ${i}` };
    }
    const tally = new Tally();
    for (const { row, softmax } of this.rows) {
      const start = this.startOf(row);
      let largest = 0;
      for (let j = 0; j < classes; j++) largest = Math.max(largest, toNumber(softmax, j));
      for (let j = classes - 1; j >= 0; j -= this.step) {
        const value = values[start + j * inner];
        if (Math.abs(value - toNumber(softmax, j)) > TOLERANCE * largest)
          return { wrong: `${value} instead of ${toNumber(softmax, j)} in row ${row}, class ${j}` };
        tally.add(ulpDistance(value, softmax, j, this.of.dtype));
      }
    }
    return { accuracy: tally.accuracy() };
  }

  private topK({ values, indices }: Answer): Verdict {
    const { k, dtype } = this.of;
    const tally = new Tally();
    for (const { row, softmax } of this.rows) {
      const logits = this.logitsOf(row);
      const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
      for (let n = 0; n < k; n++) {
        const index = Number(indices?.[row * k + n]);
        if (index !== order[n]) return { wrong: `class ${index} instead of ${order[n]} in row ${row}` };
        tally.add(ulpDistance(values[row * k + n], softmax, index, dtype));
      }
    }
    return { accuracy: tally.accuracy() };
  }

  private losses(values: ArrayLike<number>): Verdict {
    const tally = new Tally();
    for (const { row, logSoftmax } of this.rows) {
      const target = targetOf(row, this.layout.classes);
      const exact = toNumber(logSoftmax, target);
      if (!(Math.abs(values[row] + exact) <= TOLERANCE * Math.max(1, -exact)))
        return { wrong: `${values[row]} instead of ${-exact} in row ${row}` };
      tally.add(ulpDistance(-values[row], logSoftmax, target, this.of.dtype));
    }
    return { accuracy: tally.accuracy() };
  }

  /** Of the mean loss: a row's probabilities, less 1 at the target, over the number of rows (a power of 2: exact). */
  private gradient(values: ArrayLike<number>): Verdict {
    const { rows, classes, elements } = this.layout;
    if (values.length !== elements) return { wrong: `${values.length} values instead of ${elements}` };
    const tally = new Tally();
    for (const { row, softmax } of this.rows) {
      const target = targetOf(row, classes);
      for (let j = classes - 1; j >= 0; j -= this.step) {
        const probability = values[row * classes + j] * rows + (j === target ? 1 : 0);
        const exact = toNumber(softmax, j);
        if (!(Math.abs(probability - exact) <= TOLERANCE * (j === target ? 1 : exact)))
          return { wrong: `${probability} instead of ${exact} in row ${row}, class ${j}` };
        // Near the target, the error is that of a difference from 1.
        if (j !== target) tally.add(ulpDistance(probability, softmax, j, this.of.dtype));
      }
    }
    return { accuracy: tally.accuracy() };
  }

  /** Draws are right if the mean of their log-probabilities is near its expectation, the negated entropy. */
  private draws(indices: ArrayLike<number>): Verdict {
    const rows = new Map(this.rows.map((judged) => [judged.row, judged]));
    let sum = 0;
    let expected = 0;
    let variance = 0;
    let count = 0;
    const moments = new Map(this.rows.map(({ row, logSoftmax }) => [row, momentsOf(logSoftmax)]));
    for (let n = 0; n < indices.length; n++) {
      const judged = rows.get(n % this.layout.rows);
      if (judged === undefined) continue;
      if (!(indices[n] < this.layout.classes)) return { wrong: `class ${indices[n]}` };
      const moment = moments.get(judged.row)!;
      sum += toNumber(judged.logSoftmax, indices[n]);
      expected += moment.mean;
      variance += moment.variance;
      count++;
    }
    const sigmas = Math.abs(sum - expected) / Math.sqrt(variance);
    if (!(sigmas < 6))
      return { wrong: `${count} draws are ${sigmas.toFixed(1)} sigmas from their distribution` };
    return { accuracy: { maxUlp: null, meanUlp: null } };
  }

  private rounded(values: ArrayLike<number>): ArrayLike<number> {
    const isOfTheType = this.of.dtype === 'float64' || values instanceof Float32Array;
    return isOfTheType ? values : Float32Array.from(values);
  }

  private startOf(row: number): number {
    const { classes, inner } = this.layout;
    return Math.floor(row / inner) * classes * inner + (row % inner);
  }

  private logitsOf(row: number): Logits {
    const { classes, inner } = this.layout;
    const start = this.startOf(row);
    if (inner === 1) return this.logits.subarray(start, start + classes);
    return Float64Array.from({ length: classes }, (_, j) => this.logits[start + j * inner]);
  }
}

class Tally {
  private max = 0;
  private sum = 0;
  private count = 0;

  add(ulp: number): void {
    if (ulp > this.max) this.max = ulp;
    this.sum += ulp;
    this.count++;
  }

  accuracy(): Accuracy {
    return { maxUlp: this.max, meanUlp: this.sum / this.count };
  }
}

function toNumber(exact: Exact, at: number): number {
  return exact.high[at] * 2 ** -exact.scale[at];
}

/** Mean and variance of the log-probability of a draw. */
function momentsOf(logSoftmax: Exact): { mean: number; variance: number } {
  let mean = 0;
  let square = 0;
  for (let j = 0; j < logSoftmax.high.length; j++) {
    const log = toNumber(logSoftmax, j);
    mean += Math.exp(log) * log;
    square += Math.exp(log) * log * log;
  }
  return { mean, variance: square - mean * mean };
}
