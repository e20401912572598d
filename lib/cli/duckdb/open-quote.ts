/**
 * Whether a CSV ends inside quotes, or has a record that is longer than the engine takes. Where rows that cannot be read are
 * passed over, DuckDB 1.5.6 takes all that follows such a quote for one cell, and loses it without a word where that is longer
 * than a buffer, or makes a row of each line in it: a quote too many would be half the rows.
 */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { expected } from '../failure.js';
import type { Compression } from './head.js';
import { lastBreak, longLine, MOST_LINE_BYTES } from './long-line.js';
import type { Place } from './relation.js';

const [QUOTE, NEWLINE, RETURN, SPACE] = Buffer.from('"\n\r ');
const CHUNK = 1 << 18;
const SHOWN = 20;

/** @throws Failure where it does; the signal's reason where it is aborted. */
export async function refuseOpenQuote(
  { path, name }: Place,
  delimiter: string,
  compression: Compression,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = delimiter.charCodeAt(0);
  const isBorder = (byte: number) => byte === end || byte === NEWLINE || byte === RETURN;
  let state: 'start' | 'plain' | 'quoted' | 'behind a quote' = 'start';
  let opened = '';
  /** The bytes before the chunk, and before the last record that has begun in it. */
  let [before, record] = [0, 0];
  for await (const chunk of textOf(path, compression)) {
    signal?.throwIfAborted();
    if (before - record > MOST_LINE_BYTES) break;
    if (state !== 'quoted' && state !== 'behind a quote' && !chunk.includes(QUOTE)) {
      const last = lastBreak(chunk);
      if (last >= 0) record = before + last + 1;
      before += chunk.length;
      state = isBorder(chunk[chunk.length - 1]) ? 'start' : 'plain';
      continue;
    }
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (state === 'quoted') {
        at = chunk.indexOf(QUOTE, at);
        if (at < 0) break;
        state = 'behind a quote';
      } else if (isBorder(byte)) {
        state = 'start';
        if (byte !== end) record = before + at + 1;
      } else if (byte === QUOTE && state !== 'plain') {
        if (state === 'start') opened = chunk.toString('utf8', at, at + SHOWN);
        state = 'quoted';
      } else if (byte !== SPACE || state !== 'start') state = 'plain';
    }
    before += chunk.length;
  }
  if (state !== 'quoted') {
    if (before - record > MOST_LINE_BYTES) throw longLine(name, `from byte ${record} on`);
    return;
  }
  const [line] = opened.split('\n');
  throw expected('a CSV', name, `a quote that is not closed, at ${JSON.stringify(line)}`);
}

/** What is damaged otherwise is told of elsewhere. */
async function* textOf(path: string, compression: Compression): AsyncGenerator<Buffer> {
  try {
    yield* decompressed(path, compression);
  } catch (error) {
    if (compression === 'none') throw error;
  }
}

async function* decompressed(path: string, compression: Compression): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: CHUNK });
  if (compression === 'none') return yield* file;
  if (compression === 'gzip')
    return yield* file.on('error', () => {}).pipe(createGunzip({ chunkSize: CHUNK }));
  const pieces: Uint8Array[] = [];
  const stream = new Decompress((piece) => pieces.push(piece));
  for await (const chunk of file) {
    stream.push(chunk);
    for (const piece of pieces.splice(0)) yield Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  }
}
