/** What the engine has written, put behind what an output has: also as one compressed file. */
import { createReadStream } from 'node:fs';
import { createGzip } from 'node:zlib';
import type { Output } from '../output.js';

export interface Pump {
  /** How the engine is to compress what it writes. */
  readonly compression: 'zstd' | undefined;
  /** Puts a file behind what is there. */
  put(path: string): Promise<void>;
  end(): Promise<void>;
}

/** Frames of zstd may follow each other. Members of gzip may too, but some readers stop after the first: they become one. */
export function newPump(output: Output, compression: 'gzip' | 'zstd' | undefined): Pump {
  if (compression !== 'gzip') {
    return {
      compression,
      async put(path) {
        for await (const piece of piecesOf(path)) await output.write(piece);
      },
      async end() {},
    };
  }
  const gzip = createGzip();
  const written = (async () => {
    for await (const piece of gzip) await output.write(piece);
  })();
  written.catch(() => {}); // told where it is waited for
  return {
    compression: undefined,
    async put(path) {
      for await (const piece of piecesOf(path)) {
        const taken = new Promise((resolve) => gzip.write(piece, resolve));
        await Promise.race([taken, written]);
      }
    },
    async end() {
      gzip.end();
      await written;
    },
  };
}

function piecesOf(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: 1 << 20 });
}
