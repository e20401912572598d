import type { Data, Problem } from '../problem.js';
import { block } from './block.js';
import { twoSum } from './doubleDouble.js';
import { decodingTable } from './half.js';
import { Losses } from './losses.js';
import { Normalizer } from './normalizer.js';
import { store } from './rows.js';
import { coefficientRoom } from './scratch.js';
import { distance } from './softmax.js';
import type { Steps } from './steps.js';

export interface CrossEntropyProblem extends Problem {
  /** A class index per row, already checked to be a class or `ignoreIndex`. */
  readonly targets?: Int32Array | undefined;
  /** Instead of `targets`: a distribution per row, the layout and type of `x`. */
  readonly targetProbabilities?: Data | undefined;
  readonly ignoreIndex: number;
  /** In [0, 1]. */
  readonly labelSmoothing: number;
  /** One weight per class. */
  readonly weights?: Float64Array | undefined;
  /** The loss of every row, before any reduction; 0 for an ignored row. Where `summed`, their exact sum. */
  readonly out: Float64Array;
  readonly summed: boolean;
  /** Where d(loss)/dx goes, if wanted: the layout and type of `x`; may be `x` itself. */
  readonly gradient?: Data | undefined;
  /** Every row's gradient is multiplied by this (1 over the mean's denominator, say). */
  readonly gradientScale: number;
}

/**
 * Each row's loss, Σ a_i·(-log p_i), and its gradient, (Σa·p_j - a_j)/T. The coefficients a are torch's: for a
 * class target y, (1-ε)·w_y at y and ε/K·w_i everywhere; for a distribution q, w_i·((1-ε)·q_i + ε/K); K is the
 * number of classes that take part. A class without weight costs nothing, however improbable: 0·∞ is 0 here.
 */
export function* crossEntropy(problem: CrossEntropyProblem, first: number, end: number): Steps {
  const { targets, ignoreIndex, out, summed, gradient, type } = problem;
  const row = new Normalizer(problem);
  const coefficients = new Coefficients(problem, row);
  const { stride } = row.reader;
  const losses = new Losses(out, summed, first);
  for (let r = first; r < end; r++) {
    row.open(r);
    while (row.openBlock()) yield;
    coefficients.open();
    while (coefficients.countBlock()) yield;
    const ignored = targets !== undefined && targets[r] === ignoreIndex;
    let weight = 0;
    if (ignored) losses.put(r, 0);
    else if (row.kind === 'ordinary' || row.kind === 'nothing') {
      while (coefficients.measureBlock(r)) yield;
      const { sum, distances } = coefficients;
      weight = sum;
      const good = row.normalize();
      while (row.sumBlock()) yield;
      losses.put(r, good ? distances + sum * row.logSum() : distances);
    } else losses.put(r, NaN);
    if (!gradient) continue;
    for (let from = 0; from < row.length; from += row.size) {
      if (from > 0) yield;
      let count: number;
      if (ignored) count = row.blanks(from, 0, 0);
      else if (row.kind === 'ordinary') count = gradientOf(problem, row, coefficients, r, from, weight);
      else count = row.blanks(from, NaN, 0);
      store(1, count, gradient, type, row.reader.base + from * stride, stride);
    }
  }
  losses.end();
}

/**
 * Replaces terms t of sum S by scale·((A - a)·t - a·(S - t))/S/T. So written, the class that has all the
 * weight keeps the bits of p - 1: its S - t is the sum of the others.
 */
function gradientOf(
  problem: CrossEntropyProblem,
  row: Normalizer,
  coefficients: Coefficients,
  r: number,
  from: number,
  weight: number,
): number {
  const { temperature, gradientScale } = problem;
  const count = row.terms(from);
  const a = coefficients.fill(r, from, count);
  const { total, rest, argmax } = row;
  for (let i = 0; i < count; i++) {
    const t = block[i];
    const others = from + i === argmax ? rest : total - t;
    block[i] = (gradientScale * (((weight - a[i]) * t - a[i] * others) / total)) / temperature;
  }
  row.changed();
  if (row.reader.masked) for (let i = 0; i < count; i++) if (!row.reader.takesPart(from + i)) block[i] = 0;
  return count;
}

/** The coefficients a of a row, block by block. */
class Coefficients {
  private readonly block: Float64Array;
  private classes = 0;
  private counted = 0;
  private measured = 0;
  private readonly weights = new Sum();
  private readonly products = new Sum();

  constructor(
    private readonly problem: CrossEntropyProblem,
    private readonly row: Normalizer,
  ) {
    this.block = coefficientRoom(Math.min(problem.length, row.size));
  }

  open(): void {
    this.classes = 0;
    this.counted = 0;
    this.measured = 0;
    this.weights.clear();
    this.products.clear();
  }

  /** Counts the classes of the next block that take part, where they share the smoothing; true while there is another. */
  countBlock(): boolean {
    const { length, size, reader } = this.row;
    if (this.problem.labelSmoothing === 0 || this.counted >= length) return false;
    this.classes += reader.participants(this.counted, Math.min(length - this.counted, size));
    this.counted += size;
    return this.counted < length;
  }

  fill(r: number, from: number, count: number): Float64Array {
    const { targets, targetProbabilities, labelSmoothing, weights, type } = this.problem;
    const { reader } = this.row;
    const a = this.block;
    const even = labelSmoothing === 0 ? 0 : labelSmoothing / this.classes;
    if (targetProbabilities) {
      const values = type === 'float16' || type === 'bfloat16' ? decodingTable(type) : undefined;
      const { base, stride } = reader;
      for (let i = 0, at = base + from * stride; i < count; i++, at += stride) {
        const q = targetProbabilities[at];
        a[i] = (1 - labelSmoothing) * (values ? values[q] : q) + even;
      }
    } else a.fill(even, 0, count);
    if (reader.masked) for (let i = 0; i < count; i++) if (!reader.takesPart(from + i)) a[i] = 0;
    if (targets) {
      const place = targets[r] - from;
      if (place >= 0 && place < count) a[place] += 1 - labelSmoothing;
    }
    if (weights) for (let i = 0; i < count; i++) a[i] *= weights[from + i];
    return a;
  }

  /** Σ a_i of what has been measured of the open row, and Σ a_i·(max - x_i)/T. */
  get sum(): number {
    return this.weights.value;
  }

  get distances(): number {
    return this.products.value;
  }

  /** Measures the next block of row `r`; true while there is another. */
  measureBlock(r: number): boolean {
    const { row, measured: from } = this;
    const { targets, labelSmoothing, weights: ofClass } = this.problem;
    if (from >= row.length) return false;
    const count = row.logits(from);
    this.measured += count;
    if (targets !== undefined && labelSmoothing === 0) {
      // No other class has a coefficient.
      const target = targets[r];
      if (target >= from && target < from + count) this.add(target - from, ofClass?.[target] ?? 1);
    } else {
      const a = this.fill(r, from, count);
      for (let i = 0; i < count; i++) this.add(i, a[i]);
    }
    return this.measured < row.length;
  }

  /** Adds the coefficient of a class in the block. */
  private add(place: number, a: number): void {
    if (a === 0) return;
    const { max } = this.row;
    const x = block[place];
    this.weights.add(a);
    this.products.add(a * (x === -Infinity ? Infinity : distance(max, x, this.problem.temperature)));
  }
}

/** A sum that keeps what each addition rounds off. */
class Sum {
  private high = 0;
  private low = 0;

  clear(): void {
    this.high = 0;
    this.low = 0;
  }

  add(x: number): void {
    const { high, low } = twoSum(this.high, x);
    this.high = high;
    this.low += low;
  }

  get value(): number {
    return Number.isFinite(this.high) ? this.high + this.low : this.high;
  }
}
