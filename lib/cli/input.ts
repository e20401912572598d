import { createReadStream } from 'node:fs';
import { expectedUsage, systemFailure } from './failure.js';

/** Bytes from a file or a pipe, taken in pieces of the size that a format asks for. */
export class ByteSource {
  #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(
    /** What messages call it. */
    readonly name: string,
    chunks: AsyncIterable<Uint8Array>,
  ) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Fills `target` from the start; the number of bytes written is smaller only where the source ends. */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && (await this.#refill())) {
      const piece = this.#chunk.subarray(0, target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
      this.#chunk = this.#chunk.subarray(piece.length);
    }
    return filled;
  }

  async ended(): Promise<boolean> {
    return !(await this.#refill());
  }

  /** Makes sure that `#chunk` holds something; false at the end. */
  async #refill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      try {
        const { done, value } = await this.#chunks.next();
        if (done) return false;
        this.#chunk = value;
      } catch (error) {
        throw systemFailure(error, 'a readable file', this.name);
      }
    }
    return true;
  }
}

/** `-` is stdin. */
export function openInput(path: string): ByteSource {
  if (path !== '-') return new ByteSource(path, createReadStream(path, { highWaterMark: 1 << 20 }));
  if (process.stdin.isTTY) throw expectedUsage('a file or a pipe', 'stdin', 'a terminal');
  return new ByteSource('stdin', process.stdin);
}
