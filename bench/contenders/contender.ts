/** What every contender has to offer; `child.ts` runs one in a process of its own. */
import type { Case, Logits } from '../measure/case.js';

export interface Contender {
  readonly version: string;
  /** Sets up the call to be measured: everything that a service would do once, and not for every request. */
  prepare(of: Case, logits: Logits): Prepared | Cannot | Promise<Prepared | Cannot>;
}

export interface Prepared {
  /** One whole call, from logits in memory to an answer in memory; a promise where the API gives one. */
  run(): unknown;
  /** What the latest run found. */
  answer(): Answer;
  close?(): void;
}

export interface Cannot {
  readonly cannot: string;
}

export interface Answer {
  /** Probabilities; losses for crossEntropy, or the gradient where it is asked for. */
  readonly values: ArrayLike<number>;
  /** Classes, for topK and sample. */
  readonly indices?: ArrayLike<number | bigint> | undefined;
}

export const cannot = (why: string): Cannot => ({ cannot: why });
