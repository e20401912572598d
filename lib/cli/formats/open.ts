/** Which file reads and writes a format that DuckDB does not (../duckdb/input.ts); each is loaded when asked for. */
import type { Reader, Writer } from '../batch.js';
import { expected } from '../failure.js';
import type { Format, ReaderOptions, WriterOptions } from '../formats.js';
import type { Bytes } from '../input.js';
import type { Output } from '../output.js';

/** A reader of a format that the engine does not read. */
export async function openReader(format: Format, source: Bytes, options: ReaderOptions): Promise<Reader> {
  switch (format) {
    case 'npy':
      return (await import('./npy.js')).openNpyReader(source, options);
    case 'arrow':
    case 'arrows':
      return (await import('./arrow/reader.js')).openArrowReader(source, options);
    default:
      throw expected('a format with a reader', source.name, format);
  }
}

/** A writer of any format. */
export async function openWriter(format: Format, output: Output, options: WriterOptions): Promise<Writer> {
  switch (format) {
    case 'npy':
      return (await import('./npy.js')).newNpyWriter(output, options);
    case 'npz':
      return (await import('./npz.js')).newNpzWriter(output, options);
    case 'arrow':
    case 'arrows':
      return (await import('./arrow/writer.js')).newArrowWriter(output, options, format === 'arrow');
    default:
      return (await import('../duckdb/writer.js')).newEngineWriter(format, output, options);
  }
}
