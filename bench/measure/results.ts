/** What a run leaves behind: the JSON that tables, plots, report and comparison are made from. */
import type { Case } from './case.js';

export interface Results {
  readonly format: 1;
  readonly date: string;
  readonly quick: boolean;
  readonly machine: Machine;
  /** Of simd-softmax; with `+` where the working tree had changes. */
  readonly commit: string | null;
  readonly contenders: readonly ContenderInfo[];
  readonly cases: readonly CaseResults[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly caches: readonly string[];
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
}

export type Kind = 'ours' | 'peer' | 'loop' | 'floor';

export interface ContenderInfo {
  readonly name: string;
  readonly kind: Kind;
  readonly version: string;
}

export interface CaseResults {
  readonly case: Case;
  readonly results: readonly Result[];
}

export type Result =
  /** The answer was right; without rounds where only the error was asked for. */
  | {
      readonly contender: string;
      readonly status: 'measured';
      readonly time?: Time;
      readonly accuracy: Accuracy;
    }
  /** Not something this contender does, or not at this size. */
  | { readonly contender: string; readonly status: 'cannot'; readonly reason: string }
  /** It threw, or its answer was wrong; then it is not timed. */
  | { readonly contender: string; readonly status: 'failed'; readonly reason: string };

/** Nanoseconds per call. */
export interface Time {
  readonly median: number;
  /** Median absolute deviation of the rounds. */
  readonly mad: number;
  readonly rounds: readonly number[];
}

/** Distance from the exact answer in units in the last place; null where an answer has no such thing. */
export interface Accuracy {
  readonly maxUlp: number | null;
  readonly meanUlp: number | null;
}

/** The contender that all others are compared with: our best kernels, one thread. */
export const REFERENCE = 'simd-softmax';
