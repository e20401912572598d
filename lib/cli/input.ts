import { createReadStream, readSync } from 'node:fs';
import { expectedUsage, systemFailure } from './failure.js';
import { type OpenFile, openToRead } from './root.js';
import { takeTurns } from './turns.js';

/** Bytes that are read from front to back, in pieces of the size that a format asks for. */
export interface Bytes {
  /** What messages call them. */
  readonly name: string;
  /** Which of several arrays is meant: what stands behind the # of the path. */
  readonly member?: string | undefined;
  /** How many there are in all, where that can be known before the end. */
  readonly size?: number | undefined;
  /** When the file was last changed, in milliseconds; of files only. */
  readonly modified?: number | undefined;
  /** How many have been read or skipped. */
  readonly position: number;
  /** Fills `target` from the start; the number of bytes written is smaller only where the bytes end. */
  fill(target: Uint8Array): Promise<number>;
  /** Passes over so many bytes; false where they end before. */
  skip(bytes: number): Promise<boolean>;
  /** Goes on elsewhere; files only. */
  seek?(position: number): void;
  ended(): Promise<boolean>;
  close(): Promise<void>;
}

/** Bytes from a pipe. */
export class ByteSource implements Bytes {
  #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(
    readonly name: string,
    chunks: AsyncIterable<Uint8Array>,
  ) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  get position(): number {
    return this.#position;
  }

  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && (await this.#refill())) {
      const piece = this.#take(target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
    }
    return filled;
  }

  async skip(bytes: number): Promise<boolean> {
    let left = bytes;
    while (left > 0 && (await this.#refill())) left -= this.#take(left).length;
    return left === 0;
  }

  async ended(): Promise<boolean> {
    return !(await this.#refill());
  }

  async close(): Promise<void> {
    // A pipe that gives nothing more would keep the call waiting.
    void this.#chunks.return?.().catch(() => {});
  }

  #take(most: number): Uint8Array {
    const piece = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(piece.length);
    this.#position += piece.length;
    return piece;
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

/** Small pieces are read together, so much at a time. */
const AHEAD = 1 << 12;
/** Read on this thread, mostly from the page cache, a piece takes less time than to ask another thread for it. */
const PIECE = 1 << 18;

/** A position in bytes of which there are so many. */
abstract class Sized {
  position = 0;
  abstract readonly size: number;

  async skip(bytes: number): Promise<boolean> {
    const left = this.size - this.position;
    this.position += Math.min(bytes, left);
    return bytes <= left;
  }

  seek(position: number): void {
    this.position = position;
  }
}

/** Bytes of a file, read straight into the memory where they are wanted. */
class FileBytes extends Sized implements Bytes {
  readonly size: number;
  readonly modified: number;
  /** What has been read ahead, and where it stands in the file. */
  #ahead = new Uint8Array(0);
  #aheadAt = 0;

  constructor(
    readonly name: string,
    private readonly file: OpenFile,
    readonly member?: string,
  ) {
    super();
    this.size = file.stats.size;
    this.modified = file.stats.mtimeMs;
  }

  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      await takeTurns();
      const rest = target.subarray(filled, filled + PIECE);
      const read = rest.length < AHEAD ? this.#readSmall(rest) : this.#read(rest);
      if (read === 0) break;
      filled += read;
      this.position += read;
    }
    return filled;
  }

  async ended(): Promise<boolean> {
    return this.#readSmall(new Uint8Array(1)) === 0;
  }

  async close(): Promise<void> {
    this.file.close();
  }

  /** A piece that may have been read with an earlier one. */
  #readSmall(target: Uint8Array): number {
    const passed = this.position - this.#aheadAt;
    if (passed < 0 || passed >= this.#ahead.length) this.#ahead = this.#aheadOf(this.position);
    const from = this.position - this.#aheadAt;
    const piece = this.#ahead.subarray(from, from + target.length);
    target.set(piece);
    return piece.length;
  }

  /** As much of the target as one call reads. */
  #read(target: Uint8Array): number {
    try {
      return readSync(this.file.fd, target, 0, target.length, this.position);
    } catch (error) {
      throw systemFailure(error, 'a readable file', this.name);
    }
  }

  #aheadOf(position: number): Uint8Array<ArrayBuffer> {
    const ahead = new Uint8Array(AHEAD);
    this.#aheadAt = position;
    return ahead.subarray(0, this.#read(ahead));
  }
}

/** Some of the bytes of a file, as if they were all. */
export class Section extends Sized implements Bytes {
  constructor(
    private readonly whole: Bytes,
    private readonly start: number,
    readonly size: number,
    readonly name: string,
  ) {
    super();
  }

  async fill(target: Uint8Array): Promise<number> {
    const part = target.subarray(0, Math.min(target.length, this.size - this.position));
    this.whole.seek?.(this.start + this.position);
    const filled = await this.whole.fill(part);
    this.position += filled;
    return filled;
  }

  async ended(): Promise<boolean> {
    return this.position === this.size;
  }

  close(): Promise<void> {
    return this.whole.close();
  }
}

/** A path, and the array of the file that is meant: `logits.npz#test`. */
export function splitMember(path: string): { readonly file: string; readonly member?: string } {
  const [, file, member] = path.match(/^(.+\.(?:npz|safetensors))#(.+)$/is) ?? [];
  return file === undefined ? { file: path } : { file, member };
}

/** `-` is stdin. */
export async function openInput(given: string): Promise<Bytes> {
  const { file: path, member } = splitMember(given);
  if (path === '-') {
    if (process.stdin.isTTY) throw expectedUsage('a file or a pipe', 'stdin', 'a terminal');
    return new ByteSource('stdin', process.stdin);
  }
  try {
    const file = await openToRead(path);
    // A pipe or a device has neither size nor positions.
    if (!file.stats.isFile()) {
      return new ByteSource(path, createReadStream(path, { fd: file.fd, highWaterMark: 1 << 20 }));
    }
    return bytesOf(file, path, member);
  } catch (error) {
    throw systemFailure(error, 'a readable file', path);
  }
}

/**
 * An open file from its start.
 * @param name what messages call it.
 */
export function bytesOf(file: OpenFile, name: string, member?: string): Bytes {
  return new FileBytes(name, file, member);
}
