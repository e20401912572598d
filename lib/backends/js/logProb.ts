import type { Data, Problem } from '../problem.js';
import { block } from './block.js';
import { Normalizer } from './normalizer.js';
import { precedes } from './selection.js';
import { distance, vanishing } from './softmax.js';
import type { Steps } from './steps.js';

export interface LogProbProblem extends Problem {
  /** How many classes are given per row. */
  readonly k: number;
  /** Those classes, [outer, k, inner], or k for all rows; already checked to be classes or `ignoreIndex`. */
  readonly classes: Int32Array;
  readonly classesShared: boolean;
  readonly ignoreIndex: number;
  /** The row is the given classes alone. */
  readonly renormalize: boolean;
  /** [outer, k, inner]; float32 for 16-bit input. */
  readonly out: Data;
  readonly outType: 'float32' | 'float64';
  /** The rank of each class, if wanted: the shape of `out`. */
  readonly ranks?: Uint32Array | undefined;
}

/**
 * The logarithms of the probabilities of given classes: the bits that logSoftmax gives them. An ignored class has 0, one
 * that takes no part -Infinity.
 */
export function* logProb(problem: LogProbProblem, first: number, end: number): Steps {
  const { k, inner, out, type, classes, classesShared, ignoreIndex, renormalize, ranks, temperature } =
    problem;
  const row = new Normalizer(problem);
  const alone = renormalize ? new GivenAlone(problem) : undefined;
  const given = new Int32Array(k);
  const logits = new Float64Array(k);
  for (let r = first; r < end; r++) {
    row.open(r);
    const outer = Math.floor(r / inner);
    const base = outer * k * inner + (r - outer * inner);
    for (let i = 0; i < k; i++) {
      given[i] = classes[classesShared ? i : base + i * inner];
      const takesPart = given[i] !== ignoreIndex && isClass(given[i], row);
      logits[i] = takesPart ? row.reader.logit(given[i]) : -Infinity;
    }
    let good = false;
    let max = 0;
    let logSum = 0;
    if (alone === undefined) {
      while (row.openBlock()) yield;
      good = row.normalize();
      while (row.sumBlock()) yield;
      max = row.max;
      logSum = good ? row.logSum() : 0;
    } else {
      alone.take(given, logits, (one) => one !== ignoreIndex && isClass(one, row));
      while (alone.row.openBlock()) yield;
      good = alone.row.normalize();
      while (alone.row.sumBlock()) yield;
      max = alone.row.max;
      logSum = good ? alone.row.logSum() : 0;
      row.changed();
    }
    logSum = vanishing(logSum, type);
    for (let i = 0; i < k; i++) {
      const at = base + i * inner;
      if (given[i] === ignoreIndex) out[at] = 0;
      else if (!isClass(given[i], row)) out[at] = -Infinity;
      else out[at] = good ? 0 - (distance(max, logits[i], temperature) + logSum) : NaN;
    }
    if (ranks === undefined) continue;
    const ranking = new Ranking(given, logits, (one) => one !== ignoreIndex && isClass(one, row));
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      const count = row.logits(from);
      for (let i = 0; i < count; i++) {
        if (row.reader.takesPart(from + i)) ranking.count(block[i], from + i);
      }
    }
    ranking.write(ranks, base, inner);
  }
}

function isClass(given: number, { reader }: Normalizer): boolean {
  return given >= 0 && given < reader.length && reader.takesPart(given);
}

/** The row of the given classes alone, each once however often it is given. */
class GivenAlone {
  readonly row: Normalizer;
  private readonly x: Float32Array | Float64Array;
  private readonly lengths = new Uint32Array(1);

  constructor({ k, type, temperature, threads }: LogProbProblem) {
    const isDouble = type === 'float64';
    this.x = isDouble ? new Float64Array(k) : new Float32Array(k);
    this.row = new Normalizer({
      x: this.x,
      type: isDouble ? 'float64' : 'float32',
      outer: 1,
      length: k,
      inner: 1,
      temperature,
      threads,
      lengths: this.lengths,
    });
  }

  /** Opens the row of those that take part. */
  take(given: Int32Array, logits: Float64Array, takesPart: (one: number) => boolean): void {
    const seen = new Set<number>();
    for (let i = 0; i < given.length; i++) {
      if (!takesPart(given[i]) || seen.has(given[i])) continue;
      this.x[seen.size] = logits[i];
      seen.add(given[i]);
    }
    this.lengths[0] = seen.size;
    this.row.open(0);
  }
}

/** The ranks of the given classes of one row: 1 and the number of classes that topK would list before. */
class Ranking {
  /** Places of classes that take part, the likeliest first. */
  private readonly order: number[] = [];
  /** How many classes come before each of them and not before the one before. */
  private readonly before: Uint32Array;

  constructor(
    private readonly given: Int32Array,
    private readonly logits: Float64Array,
    takesPart: (one: number) => boolean,
  ) {
    for (let i = 0; i < given.length; i++) if (takesPart(given[i])) this.order.push(i);
    this.order.sort((a, b) =>
      precedes(logits[a], given[a], logits[b], given[b]) ? -1 : given[a] === given[b] ? 0 : 1,
    );
    this.before = new Uint32Array(this.order.length + 1);
  }

  /** Counts a class of the row. */
  count(logit: number, index: number): void {
    const { order, given, logits } = this;
    let [low, high] = [0, order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const place = order[middle];
      if (precedes(logit, index, logits[place], given[place])) high = middle;
      else low = middle + 1;
    }
    this.before[low]++;
  }

  write(ranks: Uint32Array, base: number, stride: number): void {
    for (let i = 0; i < this.given.length; i++) ranks[base + i * stride] = 0;
    let rank = 1;
    this.order.forEach((place, i) => {
      rank += this.before[i];
      ranks[base + place * stride] = rank;
    });
  }
}
