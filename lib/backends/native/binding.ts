/** What native/binding.cc exports. */
import type { Backend, Data } from '../problem.js';

/** The arrays of a problem, in the order that the addon names them; undefined for those that it lacks. */
export type Arrays = readonly (Data | Uint32Array | Int32Array | Uint8Array | undefined)[];

export interface Addon {
  /** Kernel tables that this machine runs, best first. */
  readonly isas: readonly string[];
  /** Threads that this process may use. */
  readonly threads: number;
  /** The names that a call goes by: see native/call.h. */
  readonly call: CallNames;
  pin(header: Float64Array, logits: Float64Array, results: Float64Array, classes: Uint32Array): void;
  solve(...arrays: Arrays): void;
  solveScratch(): void;
  prepare(...arrays: Arrays): number;
  solvePrepared(): void;
  release(): void;
  submit(landed: () => void, ...arrays: Arrays): number;
  cancel(): void;
  areShares(data: Data, type: number): boolean;
  longest(list: Uint32Array, between: boolean): number;
  countClasses: NonNullable<Backend['countClasses']>;
  weighClasses: NonNullable<Backend['weighClasses']>;
  tally: NonNullable<Backend['tally']>;
  /** What is pinned: kept here, since a process that both imports and requires this package loads one addon twice. */
  memory?: Memory;
}

/** Each list in the order in which the C++ side has it. */
export interface CallNames {
  /** The numbers of the header. */
  readonly numbers: readonly string[];
  /** The element types. */
  readonly types: readonly string[];
  readonly operations: readonly OperationNames[];
}

/** What an operation takes besides its rows. */
export interface OperationNames {
  readonly name: string;
  readonly numbers: readonly string[];
  readonly arrays: readonly string[];
}

/** What both sides read and write. */
export interface Memory {
  readonly header: Float64Array;
  /** The scratch area: where small rows are copied, and where their results come from. */
  readonly logits: Float64Array;
  readonly results: Float64Array;
  /** Class indices beside them. */
  readonly classes: Uint32Array;
}
