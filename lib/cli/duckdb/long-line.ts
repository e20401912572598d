/**
 * Whether a CSV has a line that is longer than the engine takes. DuckDB 1.5.6 refuses such a line by name, but not the last
 * one: where that goes past the end of a buffer, it is left out without a word.
 */
import { open } from 'node:fs/promises';
import { expected, type Failure } from '../failure.js';
import { type Engine, EngineError, pathLiteral } from './engine.js';
import type { Compression } from './head.js';

/** As NDJSON may have. */
export const MOST_LINE_BYTES = 16_000_000;
/** @param where that a longer line is. */
export function longLine(name: string, where: string): Failure {
  return expected(`lines of at most ${MOST_LINE_BYTES} bytes`, name, `a longer one ${where}`.trim());
}

const BUFFER_BYTES = 2 * MOST_LINE_BYTES;
/** What tells the engine. */
export const LINE_OPTIONS = `max_line_size = ${MOST_LINE_BYTES}, buffer_size = ${BUFFER_BYTES}`;

const [NEWLINE, RETURN] = Buffer.from('\n\r');
const CHUNK = 1 << 18;

/** Where the last line break of a chunk is; -1 without one. */
export function lastBreak(chunk: Uint8Array): number {
  return Math.max(chunk.lastIndexOf(NEWLINE), chunk.lastIndexOf(RETURN));
}

/** Sees a text go by. */
export interface Lines {
  add(chunk: Uint8Array): void;
  /** The bytes of the longest line that was not whole in a chunk; 0 where there was none. */
  readonly longest: number;
}

export function newLines(): Lines {
  let begun = 0;
  let longest = 0;
  return {
    add(chunk) {
      const [newline, carriage] = [chunk.indexOf(NEWLINE), chunk.indexOf(RETURN)];
      const first = newline < 0 || carriage < 0 ? Math.max(newline, carriage) : Math.min(newline, carriage);
      begun += first < 0 ? chunk.length : first;
      longest = Math.max(longest, begun);
      if (first < 0) return;
      begun = chunk.length - 1 - lastBreak(chunk);
    },
    get longest() {
      return longest;
    },
  };
}

/** @param lines what has seen the text, where it came out of gzip. */
export async function hasLongLine(
  engine: Engine,
  path: string,
  compression: Compression,
  lines: Lines,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (compression === 'zstd') return await hasLongLineInZstd(engine, path, signal);
  if (compression === 'none') await addEnd(path, lines);
  return lines.longest > MOST_LINE_BYTES;
}

/** Nothing is lost in the first buffer, nor before the last line. */
async function addEnd(path: string, lines: Lines): Promise<void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size <= BUFFER_BYTES) return;
    const chunk = Buffer.alloc(CHUNK);
    for (let at = size - MOST_LINE_BYTES - 2 * CHUNK; at < size; at += CHUNK) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
      lines.add(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** On one thread the engine loses nothing. A delimiter that is in no text leaves lines whole. */
async function hasLongLineInZstd(engine: Engine, path: string, signal?: AbortSignal): Promise<boolean> {
  const options =
    `columns = {'line': 'VARCHAR'}, header = false, delim = e'\\x01\\x02\\x03\\x04', quote = '', escape = '', ` +
    `auto_detect = false, compression = 'zstd', parallel = false, ${LINE_OPTIONS}`;
  try {
    await engine.texts(`SELECT count(*)::VARCHAR FROM read_csv(${pathLiteral(path)}, ${options})`, signal);
    return false;
  } catch (error) {
    if (error instanceof EngineError && error.message.includes('CSV Error')) return true;
    throw error;
  }
}
