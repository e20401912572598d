/** The formats of files, by name and by extension. */
import type { Layout, Reader, Writer } from './batch.js';
import type { Blocks } from './blocks.js';
import { expectedUsage } from './failure.js';
import { openArrowReader } from './formats/arrow/reader.js';
import { newArrowWriter } from './formats/arrow/writer.js';
import { newCsvWriter, openCsvReader } from './formats/csv.js';
import { newNdjsonWriter, openNdjsonReader } from './formats/ndjson.js';
import { newNpyWriter, openNpyReader } from './formats/npy.js';
import { newParquetWriter, openParquetReader } from './formats/parquet.js';
import type { Bytes } from './input.js';
import type { Output } from './output.js';

export const FORMATS = ['npy', 'arrow', 'arrows', 'parquet', 'ndjson', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

const EXTENSIONS: Readonly<Record<string, Format>> = {
  npy: 'npy',
  arrow: 'arrow',
  feather: 'arrow',
  ipc: 'arrow',
  arrows: 'arrows',
  parquet: 'parquet',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  csv: 'csv',
};

/** The format that is asked for, or that of the extension, or the one to fall back on. */
export function formatOf(asked: Format | undefined, path: string, otherwise: Format = 'npy'): Format {
  const extension = path.match(/\.([^./\\]+)$/)?.[1].toLowerCase() ?? '';
  return asked ?? (Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : otherwise);
}

/** Whether an output can go on where an interrupted run stopped; one that cannot begins anew. */
export function canResume(format: Format): boolean {
  return format !== 'parquet';
}

/** Whether the rows of an output have all one length. */
export function isUniform(format: Format): boolean {
  return format === 'npy' || format === 'csv';
}

export interface ReaderOptions {
  readonly axis: number;
  /** From the first of these rows up to, not including, the second. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  /** The column or field of the logits. */
  readonly column?: string | undefined;
  /** The columns of a CSV that are no classes. */
  readonly keep?: readonly string[] | undefined;
  /** Whether all rows must be as long as the first, where the format itself leaves that open. */
  readonly uniform: boolean;
  /** How many bytes of logits to read at a time. */
  readonly blockBytes: number;
  readonly blocks: Blocks;
  /** Rows to pass over: those that an interrupted run has done. */
  readonly done: number;
  /** A row that cannot be read: told what to do with it, or throws. */
  onBadRow(row: number, what: string, received: string): 'skip' | 'nan';
}

export function openReader(format: Format, source: Bytes, options: ReaderOptions): Promise<Reader> {
  if (format !== 'npy' && options.axis !== -1) {
    throw expectedUsage('a .npy input', '--axis', format);
  }
  if (options.keep && format !== 'csv') throw expectedUsage('a CSV input', '--keep', format);
  if (options.column !== undefined && format === 'npy') {
    throw expectedUsage('an input with columns', '--column', format);
  }
  switch (format) {
    case 'npy':
      return openNpyReader(source, options);
    case 'arrow':
    case 'arrows':
      return openArrowReader(source, options);
    case 'parquet':
      return openParquetReader(source, options);
    case 'ndjson':
      return openNdjsonReader(source, options);
    case 'csv':
      return openCsvReader(source, options);
  }
}

export interface WriterOptions {
  readonly layout: Layout;
  /** What is written of each row: all its scores, the best `width` with their classes, or one value. */
  readonly content: 'all' | 'top' | 'one';
  readonly width: number;
  /** What the column of the scores is called. */
  readonly name: string;
  readonly labels?: readonly string[] | undefined;
  /** Whether rows may be left out. */
  readonly skips: boolean;
  /** What the writer of an earlier run left, where the output goes on. */
  readonly resumed?: unknown;
}

export async function openWriter(format: Format, output: Output, options: WriterOptions): Promise<Writer> {
  switch (format) {
    case 'npy':
      return newNpyWriter(output, options);
    case 'arrow':
      return newArrowWriter(output, options, true);
    case 'arrows':
      return newArrowWriter(output, options, false);
    case 'parquet':
      return newParquetWriter(output, options);
    case 'ndjson':
      return newNdjsonWriter(output, options);
    case 'csv':
      return newCsvWriter(output, options);
  }
}
