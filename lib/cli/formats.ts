/** The formats of files, by name and by extension. */
import type { Layout, Reader, Writer } from './batch.js';
import type { Blocks } from './blocks.js';
import { expectedUsage } from './failure.js';
import { newNpyWriter, openNpyReader } from './formats/npy.js';
import type { Bytes } from './input.js';
import type { Output } from './output.js';

export const FORMATS = ['npy'] as const;
export type Format = (typeof FORMATS)[number];

const EXTENSIONS: Readonly<Record<string, Format>> = { npy: 'npy' };

/** The format that is asked for, or that of the extension, or the one to fall back on. */
export function formatOf(asked: Format | undefined, path: string, otherwise: Format = 'npy'): Format {
  const extension = path.match(/\.([^./\\]+)$/)?.[1].toLowerCase() ?? '';
  return asked ?? (Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : otherwise);
}

export interface ReaderOptions {
  readonly axis: number;
  /** From the first of these rows up to, not including, the second. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  /** The column or field of the logits. */
  readonly column?: string | undefined;
  /** The columns of a CSV that are no classes. */
  readonly keep?: readonly string[] | undefined;
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
  switch (format) {
    case 'npy':
      return openNpyReader(source, options);
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
  /** Whether the output goes on where an earlier run stopped. */
  readonly resumed: boolean;
}

export async function openWriter(format: Format, output: Output, options: WriterOptions): Promise<Writer> {
  switch (format) {
    case 'npy':
      return newNpyWriter(output, options);
  }
}
