/**
 * The memory of a run: a few blocks that are filled, scored in place, written and filled again. They are shared memory,
 * on which the threads of an asynchronous call work without a copy.
 */
import type { Block, LogitsType, Values } from './batch.js';
import { expected } from './failure.js';

export interface Blocks {
  /** Waits until fewer than `limit` blocks are out. */
  take(bytes: number): Promise<Block>;
  /** From now on whoever waits or comes is refused with this reason. */
  close(reason: unknown): void;
  /** When all went well, and every block is back: the next run takes the same memory. */
  end(): void;
}

/**
 * Of runs that are over. A process that scores file after file would fill its memory with blocks before the garbage
 * collector, which does not count shared memory, takes the first away.
 */
const spare: SharedArrayBuffer[] = [];
const MOST_SPARE = 1 << 25;
/** So that files with rows of other lengths can use it too. */
const UNIT = 1 << 16;

/** @param name what a message calls the data that does not fit. */
export function newBlocks(limit: number, name: string): Blocks {
  const free: SharedArrayBuffer[] = [];
  const waiting: { readonly give: () => void; readonly refuse: (reason: unknown) => void }[] = [];
  let out = 0;
  let closed: { readonly reason: unknown } | undefined;

  function lend(bytes: number): Block {
    const at = free.findIndex(({ byteLength }) => byteLength >= bytes);
    // A block that is too small goes, so that there are never more than `limit`.
    if (at < 0) free.pop();
    const memory = at >= 0 ? free.splice(at, 1)[0] : allocate(bytes, name);
    out++;
    return {
      memory,
      release() {
        free.push(memory);
        out--;
        waiting.shift()?.give();
      },
    };
  }

  return {
    async take(bytes) {
      if (closed) throw closed.reason;
      if (out >= limit) {
        await new Promise<void>((give, refuse) => waiting.push({ give, refuse }));
      }
      return lend(bytes);
    },
    close(reason) {
      closed = { reason };
      for (const { refuse } of waiting.splice(0)) refuse(reason);
    },
    end() {
      spare.push(...free.splice(0));
      let bytes = spare.reduce((sum, { byteLength }) => sum + byteLength, 0);
      while (bytes > MOST_SPARE) bytes -= spare.shift()?.byteLength ?? bytes;
    },
  };
}

function allocate(bytes: number, name: string): SharedArrayBuffer {
  const at = spare.findIndex(({ byteLength }) => byteLength >= bytes);
  if (at >= 0) return spare.splice(at, 1)[0];
  try {
    return new SharedArrayBuffer(Math.ceil(bytes / UNIT) * UNIT);
  } catch {
    throw expected('rows that fit in memory', name, `${bytes} bytes of them`);
  }
}

/** The start of a block as logits; 16-bit floats as bits. */
export function logitsOn({ memory }: Block, type: LogitsType, length: number): Values | Uint16Array {
  switch (type) {
    case 'float16':
    case 'bfloat16':
      return new Uint16Array(memory, 0, length);
    case 'float32':
      return new Float32Array(memory, 0, length);
    case 'float64':
      return new Float64Array(memory, 0, length);
  }
}
