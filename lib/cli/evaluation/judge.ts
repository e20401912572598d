/** What sees the rows of a pass, and what a pass is told and tells. */
import type { Batch, Layout } from '../batch.js';
import type { ScoreFileOptions } from '../score-job.js';
import type { Count, newCount } from '../tally.js';

export interface PassOptions
  extends Pick<
    ScoreFileOptions,
    | ('input' | 'format' | 'axis' | 'dtype' | 'column' | 'keep' | 'header' | 'delimiter' | 'labels')
    | ('errors' | 'threads' | 'blockBytes' | 'signal' | 'onProgress' | 'onNotice')
  > {
  /** A path, or `column:NAME`. */
  readonly truth: string;
  /** The target of rows that are not judged. */
  readonly ignoreIndex: number;
  /** Whether rows have to come in their order, and with their numbers. */
  readonly numbered: boolean;
}

/** What is known before the first row. */
export interface Opened {
  readonly name: string;
  readonly layout: Layout;
  readonly labels: readonly string[] | undefined;
  readonly bad: ReturnType<typeof newCount>;
}

/**
 * Sees the batches one at a time. The targets may be changed. With the synchronous library it is done when it returns, with
 * the other when what it returns settles.
 */
export type Judge = (batch: Batch, targets: Int32Array) => unknown;

/** What both libraries have. */
export type Library = typeof import('../../index.js') | typeof import('../../promises.js');

/** Makes what judges, once the input is open. */
export type Begin = (opened: Opened, library: Library) => Judge;

export interface Passed extends Pick<Opened, 'labels'> {
  /** Undefined where rows differ in length. */
  readonly classes: number | undefined;
  /** Rows of the input. */
  readonly rows: number;
  /** Rows that could not be read, or were left out. */
  readonly bad: Count;
  /** Of the input. */
  readonly bytes: number | undefined;
}
