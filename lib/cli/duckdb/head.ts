/** How a file begins: its first lines, whole, and how it is compressed. */
import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { expected, type Failure, systemFailure } from '../failure.js';
import { type Engine, literal, pathLiteral } from './engine.js';
import type { Place } from './relation.js';

export type Compression = 'none' | 'gzip' | 'zstd';

const MAGIC = [
  ['gzip', Uint8Array.of(0x1f, 0x8b)],
  ['zstd', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)],
] as const;

export function compressionOf(start: Uint8Array): Compression {
  return MAGIC.find(([, magic]) => magic.every((byte, i) => start[i] === byte))?.[0] ?? 'none';
}

const HEAD_BYTES = 1 << 18;
/** No record that is longer is looked for. */
const MOST_HEAD_BYTES = 1 << 26;

/** The first lines of a text, whole. */
export interface Head {
  readonly text: string;
  /** Whether it is UTF-8; otherwise some characters of the text are not those of the file. */
  readonly utf8: boolean;
  readonly whole: boolean;
  readonly compression: Compression;
}

export async function headOf(engine: Engine, { path, name }: Place): Promise<Head> {
  const file = await open(path).catch((error) => {
    throw systemFailure(error, 'a readable file', name);
  });
  try {
    const start = await read(HEAD_BYTES);
    const compression = compressionOf(start);
    if (compression === 'zstd') return await headOfZstd(engine, path, name);
    let { bytes, ended } =
      compression === 'gzip' ? await gunzipStart(start) : { bytes: start, ended: start.length < HEAD_BYTES };
    for (let size = HEAD_BYTES; !ended && !bytes.includes(10) && size < MOST_HEAD_BYTES; ) {
      size *= 8;
      const more = await read(size);
      ({ bytes, ended } =
        compression === 'gzip' ? await gunzipStart(more) : { bytes: more, ended: more.length < size });
    }
    if (bytes.length === 0 && start.length > 0) throw expected('a whole gzip file', name, 'a part');
    const lines = bytes.subarray(0, ended ? bytes.length : bytes.lastIndexOf(10) + 1);
    return {
      text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(lines),
      utf8: isUtf8(lines),
      whole: ended,
      compression,
    };
  } finally {
    await file.close();
  }

  async function read(size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0).catch((error) => {
      throw systemFailure(error, 'a readable file', name);
    });
    return bytes.subarray(0, bytesRead);
  }
}

/** What the start of a gzip file holds, as far as it goes. */
async function gunzipStart(start: Uint8Array): Promise<{ bytes: Uint8Array; ended: boolean }> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const gunzip = createGunzip();
  return await new Promise((resolve) => {
    const done = (ended: boolean) => resolve({ bytes: Buffer.concat(pieces), ended });
    gunzip.on('data', (piece: Uint8Array) => {
      pieces.push(piece);
      length += piece.length;
      if (length < MOST_HEAD_BYTES) return;
      gunzip.destroy();
      done(false);
    });
    gunzip.on('end', () => done(true));
    gunzip.on('error', () => done(false));
    gunzip.end(start);
  });
}

/** Node has no zstd before 22.15: the engine reads the lines. */
async function headOfZstd(engine: Engine, path: string, name: string): Promise<Head> {
  const options = `columns = {'line': 'VARCHAR'}, header = false, delim = e'\\x01', quote = '', escape = '', auto_detect = false`;
  const lines = await engine
    .texts(`SELECT line FROM read_csv(${pathLiteral(path)}, ${options}, compression = 'zstd') LIMIT 1000`)
    .catch((error) => {
      throw expected('a whole zstd file', name, String(error.message).split('\n')[0]);
    });
  const text = lines.map(([line]) => `${line ?? ''}\n`).join('');
  // The engine refuses what is not UTF-8.
  return { text, utf8: true, whole: lines.length < 1000, compression: 'zstd' };
}

export function notUtf8(name: string): Failure {
  return expected('UTF-8', name, 'another encoding, or damaged text');
}

export function compressionOption(compression: Compression): string {
  return `compression = ${literal(compression === 'none' ? 'uncompressed' : compression)}`;
}
