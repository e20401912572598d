import type { WriteStream } from 'node:tty';
import { type Failure, printable, systemFailure } from './failure.js';

/** The reader of a pipe went away (`| head`). Nobody is left to tell. */
export class BrokenPipe extends Error {}

const guarded = new WeakSet<NodeJS.WritableStream>();

/** Resolves when the chunk is written; the stream's error rejects instead of ending the process. */
export function write(stream: NodeJS.WriteStream, chunk: string | Uint8Array): Promise<void> {
  if (!guarded.has(stream)) {
    guarded.add(stream);
    stream.on('error', () => {});
  }
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (!error) return resolve();
      if ('code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')) {
        return reject(new BrokenPipe());
      }
      const name = stream === process.stderr ? 'stderr' : 'stdout';
      reject(systemFailure(error, 'a writable file', name) as Failure);
    });
  });
}

/** What styleText puts around text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is one.
const STYLE = /(\x1b\[\d+m)/;

/** Writes text for people: nothing in it commands the terminal but our own colours, where it has some. */
export function print(stream: NodeJS.WriteStream, text: string): Promise<void> {
  const parts = lookOf(stream).colour ? text.split(STYLE) : [text];
  const safe = parts.map((part, i) => (i % 2 === 1 ? part : part.split('\n').map(printable).join('\n')));
  return write(stream, safe.join(''));
}

/** How a stream shows text: its width, and colours only where a terminal has them and NO_COLOR is unset. */
export interface Look {
  readonly width: number;
  readonly colour: boolean;
}

export function lookOf(stream: Partial<WriteStream>): Look {
  return {
    width: stream.columns ?? 80,
    colour: stream.isTTY === true && stream.hasColors?.() === true,
  };
}
