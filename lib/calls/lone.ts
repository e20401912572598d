/**
 * Lone rows: one row of up to 512 floats or numbers, and no options but those named here. It is copied to memory that the
 * backend sees, so that neither a problem nor a view is made: the only memory made is the result. Anything else gives
 * undefined, with nothing done; the plans solve it, or word the error.
 *
 * (A closure, for the reason that `plain.ts` gives.)
 */
import { arrayKind, lengthOf, setElements } from '../arguments/elements.js';
import { decided } from '../backends/backend.js';
import { type Scratch, smallElements } from '../backends/problem.js';
import type { Label } from '../ops/classify.js';
import { randomKey } from '../ops/sampleSettings.js';

type Floats = Float32Array | Float64Array;
type TopK = { readonly probabilities: Floats | number[]; readonly indices: Uint32Array | number[] };

export const lone = (() => {
  const most = smallElements;
  const kindOf = arrayKind;
  const countOf = lengthOf;
  const copy = setElements;
  let isDecided = false;
  let scratch: Scratch | undefined;
  /** Of the row in the scratch memory. */
  let type: 'float32' | 'float64' = 'float32';
  let isList = false;

  /** Copies the row to the scratch memory. Its number of classes; 0 where it is no lone row, or there is no such memory. */
  function put(x: unknown): number {
    if (!isDecided) decide();
    if (scratch === undefined) return 0;
    const kind = kindOf(x);
    if (kind === undefined) return putList(x, scratch.logits64);
    if (kind !== 'Float32Array' && kind !== 'Float64Array') return 0;
    const count = countOf(x as Floats);
    if (count === 0 || count > most) return 0;
    isList = false;
    type = kind === 'Float32Array' ? 'float32' : 'float64';
    const to = type === 'float32' ? scratch.logits32 : scratch.logits64;
    // `set` takes 12 ns, whatever the number. The property `length` may lie; an element that is not there is NaN.
    if (count > 8) copy(to, x as Floats);
    else for (let i = 0; i < count; i++) to[i] = (x as Floats)[i];
    return count;
  }

  function putList(x: unknown, to: Float64Array): number {
    if (!Array.isArray(x)) return 0;
    const count = x.length;
    if (count > most) return 0;
    for (let i = 0; i < count; i++) {
      const value: unknown = x[i];
      if (typeof value !== 'number') return 0;
      to[i] = value;
    }
    isList = true;
    type = 'float64';
    return count;
  }

  function decide(): void {
    const { backend, isFinal } = decided();
    scratch = backend.scratch;
    isDecided = isFinal;
  }

  /** The first results: numbers for a list, else an array of the row's type. */
  function results(count: number): Floats | number[] {
    const { results32, results64 } = scratch as Scratch;
    if (isList) return numbersOf(results64, count);
    const from = type === 'float32' ? results32 : results64;
    const to = type === 'float32' ? new Float32Array(count) : new Float64Array(count);
    for (let i = 0; i < count; i++) to[i] = from[i];
    return to;
  }

  function numbersOf(from: Floats | Uint32Array, count: number): number[] {
    const list: number[] = [];
    for (let i = 0; i < count; i++) list.push(from[i]);
    return list;
  }

  /** Finds the k likeliest of the row `x`; its number of classes, or 0. */
  function find(x: unknown, k: unknown): number {
    if (typeof k !== 'number' || !Number.isInteger(k) || k < 1) return 0;
    const count = put(x);
    if (k > count) return 0;
    (scratch as Scratch).solve('topK', type, count, k, 0);
    return count;
  }

  return {
    /** Of an array of numbers: floats go by `solvePlain`. */
    softmax(x: unknown, options: unknown): number[] | undefined {
      if (options !== undefined || !Array.isArray(x)) return undefined;
      const count = put(x);
      if (count === 0) return undefined;
      (scratch as Scratch).solve('softmax', type, count, 0, 0);
      return results(count) as number[];
    },

    topK(x: unknown, k: unknown, options: unknown): TopK | undefined {
      if (options !== undefined || find(x, k) === 0) return undefined;
      const { classes } = scratch as Scratch;
      const count = k as number;
      const probabilities = results(count);
      if (isList) return { probabilities, indices: numbersOf(classes, count) };
      const indices = new Uint32Array(count);
      for (let i = 0; i < count; i++) indices[i] = classes[i];
      return { probabilities, indices };
    },

    /** With the options `labels` and `k` alone, for two classes or more. */
    classify(x: unknown, options: unknown): Label[] | undefined {
      if (typeof options !== 'object' || options === null || Array.isArray(options)) return undefined;
      for (const name in options) if (name !== 'labels' && name !== 'k') return undefined;
      const { labels, k } = options as { readonly labels?: unknown; readonly k?: unknown };
      if (!Array.isArray(labels) || labels.length < 2 || labels.length > most) return undefined;
      for (let i = 0; i < labels.length; i++) if (typeof labels[i] !== 'string') return undefined;
      const listed = k === undefined ? labels.length : k;
      if (find(x, listed) !== labels.length) return undefined;
      const { classes, results32, results64 } = scratch as Scratch;
      const scores = type === 'float32' ? results32 : results64;
      const list: Label[] = [];
      for (let i = 0; i < (listed as number); i++) list.push({ label: labels[classes[i]], score: scores[i] });
      return list;
    },

    /** One class per call, by an unpredictable seed. */
    sample(x: unknown, options: unknown): Uint32Array | number[] | undefined {
      if (options !== undefined) return undefined;
      const count = put(x);
      if (count === 0) return undefined;
      const { low, high } = randomKey();
      const { drawn } = scratch as Scratch;
      (scratch as Scratch).solve('sample', type, count, low, high);
      if (isList) return [drawn[0]];
      const out = new Uint32Array(1);
      out[0] = drawn[0];
      return out;
    },

    /** For one target, a class. */
    crossEntropy(x: unknown, targets: unknown, options: unknown): number | undefined {
      if (options !== undefined) return undefined;
      const kind = kindOf(targets);
      if (kind !== 'Int32Array' && kind !== 'Uint32Array' && !Array.isArray(targets)) return undefined;
      const list = targets as ArrayLike<unknown>;
      if (list.length !== 1) return undefined;
      const target = list[0];
      if (typeof target !== 'number' || !Number.isInteger(target) || target < 0) return undefined;
      const count = put(x);
      if (target >= count) return undefined;
      (scratch as Scratch).classes[0] = target;
      (scratch as Scratch).solve('crossEntropy', type, count, 0, 0);
      return (scratch as Scratch).results64[0];
    },
  };
})();
