/** Rows that the engine writes to a file. */
import type { Format } from '../formats.js';
import { type Engine, literal } from './engine.js';

/** How the engine writes them. */
export interface Copying {
  readonly format: Format;
  /** Lines that are text already. */
  readonly bare: boolean;
  readonly rowBytes: number;
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  /** The names of the columns of a CSV, where they are to be written. */
  readonly header?: readonly string[] | undefined;
  readonly compression?: 'gzip' | 'zstd' | undefined;
}

/** Writes the rows of a SELECT. @returns how many there are. */
export async function copyRows(
  engine: Engine,
  select: string,
  to: string,
  copying: Copying,
  signal?: AbortSignal,
): Promise<number> {
  const copy = (rows: string, options: Copying) =>
    engine.run(`COPY (${rows}) TO ${literal(to)} (${copyOptions(options)}, USE_TMP_FILE false)`, signal);
  const rows = await copy(select, copying);
  const { format, header } = copying;
  // Behind a header the engine ends the last row even where there is none.
  if (rows === 0 && header && (format === 'csv' || format === 'tsv')) {
    await copy(`SELECT ${literal(headerLine(header, format))}`, { ...copying, bare: true });
  }
  return rows;
}

function copyOptions({ format, bare, rowBytes, metadata, header, compression }: Copying): string {
  const packed = compression ? `, COMPRESSION ${compression}` : '';
  if (format === 'parquet') {
    const pairs = [...(metadata ?? [])].map(([key, value]) => `${literal(key)}: ${literal(value)}`);
    const carried = pairs.length > 0 ? `, KV_METADATA {${pairs.join(', ')}}` : '';
    return `FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${groupRows(rowBytes)}${carried}`;
  }
  if (bare) return `FORMAT csv, HEADER false, DELIMITER e'\\x01', QUOTE '', ESCAPE ''${packed}`;
  if (format === 'ndjson') return `FORMAT json, ARRAY false${packed}`;
  // The engine would rename columns of one name, and has none without.
  const prefix = header ? `, PREFIX ${literal(`${headerLine(header, format)}\n`)}, SUFFIX e'\\n'` : '';
  return `FORMAT csv, HEADER false, DELIMITER ${literal(delimiterOf(format))}, QUOTE '"', ESCAPE '"'${prefix}${packed}`;
}

function delimiterOf(format: Format): string {
  return format === 'tsv' ? '\t' : ',';
}

function headerLine(names: readonly string[], format: Format): string {
  const delimiter = delimiterOf(format);
  return names.map((name) => quoted(name, delimiter)).join(delimiter);
}

function quoted(cell: string, delimiter: string): string {
  return cell.includes(delimiter) || /["\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** A group of rows is what a thread holds in memory, and readers take it whole. */
const GROUP_BYTES = 1 << 25;

function groupRows(rowBytes: number): number {
  const rows = Math.floor(GROUP_BYTES / Math.max(1, rowBytes) / 2048) * 2048;
  return Math.max(2048, Math.min(122_880, rows));
}
