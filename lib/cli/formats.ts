/** The formats of files, by name and by extension. */
import { readSync } from 'node:fs';
import type { Layout } from './batch.js';
import type { Blocks } from './blocks.js';
import { expectedUsage, systemFailure } from './failure.js';
import { splitMember } from './input.js';
import { openToRead } from './root.js';

export const FORMATS = ['npy', 'npz', 'arrow', 'arrows', 'parquet', 'ndjson', 'json', 'csv', 'tsv'] as const;
export type Format = (typeof FORMATS)[number];

/** Those that DuckDB reads and writes. */
const ENGINE: readonly Format[] = ['parquet', 'ndjson', 'json', 'csv', 'tsv'];

const EXTENSIONS: Readonly<Record<string, Format>> = {
  npy: 'npy',
  npz: 'npz',
  safetensors: 'npy',
  arrow: 'arrow',
  feather: 'arrow',
  ipc: 'arrow',
  arrows: 'arrows',
  parquet: 'parquet',
  parq: 'parquet',
  pq: 'parquet',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
};

/** How files of the formats begin. */
const MAGIC: readonly (readonly [string, Format])[] = [
  ['\x93NUMPY', 'npy'],
  ['ARROW1', 'arrow'],
  ['PAR1', 'parquet'],
];

export function isEngineFormat(format: Format): boolean {
  return ENGINE.includes(format);
}

/** A .npz is read as a .npy is: one of its arrays. */
export function isArray(format: Format): boolean {
  return format === 'npy' || format === 'npz';
}

/** Whether the columns beside the logits are written in the words of Arrow. */
export function takesArrow(format: Format): boolean {
  return format === 'arrow' || format === 'arrows' || format === 'npz';
}

/** By the extension, that of a compressed text without `.gz` or `.zst`; undefined where it is not known. */
export function formatByName(path: string): Format | undefined {
  const [, extension = ''] =
    splitMember(path)
      .file.toLowerCase()
      .match(/\.([^./\\]+?)(\.(gz|zst|zstd))?$/) ?? [];
  const format = Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : undefined;
  return format && compressionByName(path) && !isText(format) ? undefined : format;
}

/** What is also read and written as `.gz` and `.zst`. */
export function isText(format: Format): boolean {
  return format !== 'parquet' && isEngineFormat(format);
}

/** The format that is asked for, or that of the extension, or the one to fall back on. */
export function formatOf(asked: Format | undefined, path: string, otherwise: Format = 'npy'): Format {
  return asked ?? formatByName(path) ?? otherwise;
}

/** How an output is compressed, by its name. */
export function compressionByName(path: string): 'gzip' | 'zstd' | undefined {
  if (/\.gz$/i.test(path)) return 'gzip';
  return /\.zstd?$/i.test(path) ? 'zstd' : undefined;
}

/**
 * The format that is asked for, or that of the extension, or of the first bytes. Without one, stdin is a .npy.
 * @throws Failure where it cannot be told.
 */
export async function inputFormat(asked: Format | undefined, path: string): Promise<Format> {
  const known = asked ?? (path === '-' ? 'npy' : formatByName(path));
  if (known) return isArray(known) ? 'npy' : known;
  const file = await openToRead(path).catch((error) => {
    throw systemFailure(error, 'a readable file', path);
  });
  try {
    const { fd, stats } = file;
    if (stats.isDirectory()) return 'parquet';
    // A pipe that has a name is read as stdin is.
    if (!stats.isFile()) return 'npy';
    const bytes = Buffer.alloc(8);
    const start = bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
    const found = MAGIC.find(([magic]) => start.startsWith(magic));
    if (found) return found[1];
  } finally {
    file.close();
  }
  const extension = path.match(/\.[^./\\]+$/)?.[0];
  throw expectedUsage('--format', path, extension ? `the unknown extension ${extension}` : 'no extension');
}

/** That of the output's extension, or of the input for stdout. */
export function outputFormat(asked: Format | undefined, path: string, input: Format): Format {
  if (asked === undefined && /\.safetensors$/i.test(path))
    throw expectedUsage('.npy', 'an output of arrays', path);
  const known = asked ?? formatByName(path) ?? (/\.[^./\\]+$/.test(path) ? undefined : input);
  if (known === 'json') {
    if (asked ?? formatByName(path)) throw expectedUsage('.ndjson', 'a JSON output', asked ?? path);
    return 'ndjson';
  }
  if (known) return known;
  throw expectedUsage('--output-format', path, `the unknown extension ${path.match(/\.[^./\\]+$/)?.[0]}`);
}

/** Whether an output can go on where an interrupted run stopped; one that cannot begins anew. */
export function canResume(format: Format): boolean {
  return format !== 'npz' && !isEngineFormat(format);
}

/** Whether the rows of an output have all one length. */
export function isUniform(format: Format): boolean {
  return isArray(format) || format === 'csv' || format === 'tsv';
}

/** What --dtype may say of elements of two bytes. */
export const DTYPES = ['bfloat16', 'float16'] as const;
export type Dtype = (typeof DTYPES)[number];

export interface ReaderOptions {
  readonly axis: number;
  /** What elements of two bytes are, where the array does not say it. */
  readonly dtype?: Dtype | undefined;
  /** From the first of these rows up to, not including, the second. */
  readonly rows?: readonly [from: number, to: number] | undefined;
  /** The column or field of the logits. */
  readonly column?: string | undefined;
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
  readonly threads?: number | undefined;
  /** Of text, by the name of the output. */
  readonly compression?: 'gzip' | 'zstd' | undefined;
  /** Of which columns the type is not kept, in a line. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** What the writer of an earlier run left, where the output goes on. */
  readonly resumed?: unknown;
}
