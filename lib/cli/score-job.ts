/** What a run is asked for, as plain data, and what follows from it alone. */
import { expectedUsage } from './failure.js';
import { type Dtype, type Format, isUniform } from './formats.js';
import type { Operation } from './scoring.js';
import { truthColumn } from './truth.js';

/** What to do with rows that cannot be scored. */
export const ERROR_MODES = ['fail', 'skip', 'nan'] as const;
export type ErrorMode = (typeof ERROR_MODES)[number];

/** A job as plain data. */
export interface ScoreJob {
  /** A path, or `-` for stdin. */
  readonly input: string;
  /** Default: by the extension of the input, npy for stdin. */
  readonly format?: Format | undefined;
  /** A path, or `-` for stdout. Default: the scores are only counted and shown. */
  readonly output?: string | undefined;
  /** Default: by the extension of the output, that of the input for stdout. */
  readonly outputFormat?: Format | undefined;
  /** From the first of these rows up to, not including, the second. Default: all. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  readonly op?: Operation | undefined;
  /** Which axis of a .npy holds the classes. Default: -1. */
  readonly axis?: number | undefined;
  /** What elements of two bytes of a .npy are, where it does not say so itself. */
  readonly dtype?: Dtype | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  /** The column or field of the logits, or columns, one per class, with commas between. Default: what can be no other. */
  readonly column?: string | undefined;
  /** The columns of a CSV or Parquet file that are no classes. */
  readonly keep?: readonly string[] | undefined;
  /** Whether the first line of a CSV names its columns. Default: where that cannot be wrong. */
  readonly header?: boolean | undefined;
  /** What stands between the cells of a CSV. Default: the only one that can be. */
  readonly delimiter?: string | undefined;
  /** The path of the class names, one per line. */
  readonly labels?: string | undefined;
  /** The path of a .npy with the true class of each row, or `column:NAME`. */
  readonly truth?: string | undefined;
  /**
   * Rows that cannot be read, and rows that come out as NaN: `fail` ends the run at the first, `skip` leaves them out,
   * `nan` writes them as NaN. Default: the former end the run, the latter are written and counted.
   */
  readonly errors?: ErrorMode | undefined;
  /** Goes on where an interrupted run with this option stopped, and can be gone on with itself. Default: false. */
  readonly resume?: boolean | undefined;
  /** Bytes of output that an interruption may cost a run with `resume`. Default: 256 MiB, or what 2 seconds write. */
  readonly journalBytes?: number | undefined;
  readonly threads?: number | undefined;
  /** How many rows to keep for printing, and classes of each. Default: 0, 5. */
  readonly shown?: number | undefined;
  /** Bytes of logits that are read at a time, a few of which are in memory. Default: 4 MiB. */
  readonly blockBytes?: number | undefined;
}

export interface ScoreProgress {
  /** Rows of the input that are done. */
  readonly rows: number;
  /** Undefined while it is not known. */
  readonly total: number | undefined;
  /** Rows that an earlier run had done. */
  readonly resumed: number;
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
  /** How many processes of a queue are at it. */
  readonly workers?: number | undefined;
}

export interface ScoreFileOptions extends ScoreJob {
  /** Ends the run with the signal's reason; nothing is left behind, or with `resume` what it takes to go on. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each block. */
  readonly onProgress?: ((progress: ScoreProgress) => void) | undefined;
  /** What was chosen without being told, in a line. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/** Options that an input of the format cannot have. */
export function refuseUseless(
  { axis = -1, dtype, column, keep, header, delimiter, truth }: ScoreJob,
  format: Format,
): void {
  const text = format === 'csv' || format === 'tsv';
  if (format !== 'npy' && axis !== -1) throw expectedUsage('a .npy input', '--axis', format);
  if (format !== 'npy' && dtype !== undefined) throw expectedUsage('a .npy input', '--dtype', format);
  if (column !== undefined && format === 'npy')
    throw expectedUsage('an input with columns', '--column', format);
  if (keep && format === 'npy') throw expectedUsage('an input with columns', '--keep', format);
  if (keep && !text && format !== 'parquet') {
    throw expectedUsage('--column with the name of the logits', format, `--keep ${keep}`);
  }
  if (keep && column !== undefined) throw expectedUsage('--column or --keep', 'the columns', 'both');
  if (header !== undefined && !text) throw expectedUsage('a CSV input', '--header', format);
  if (delimiter !== undefined && !text) throw expectedUsage('a CSV input', '--delimiter', format);
  if (truthColumn(truth) !== undefined && format === 'npy') {
    throw expectedUsage('an input with columns', '--truth', truth);
  }
}

/** Whether all rows must have one length: as columns, as an array, or because the names of the classes say so. */
export function needsUniform({ op = 'softmax', topK, labels }: ScoreJob, to: Format | undefined): boolean {
  if (labels !== undefined) return true;
  return to !== undefined && isUniform(to) && op !== 'logsumexp' && topK === undefined;
}

/** What a job writes of each row. */
export function contentOf(op: Operation, topK: number | undefined, classes: number | undefined) {
  if (op === 'logsumexp') return { content: 'one', width: 1, name: 'logsumexp' } as const;
  const name = op === 'softmax' ? 'probabilities' : 'log_probabilities';
  if (topK === undefined) return { content: 'all', width: classes ?? 0, name } as const;
  return { content: 'top', width: Math.min(topK, classes ?? topK), name: 'score' } as const;
}
