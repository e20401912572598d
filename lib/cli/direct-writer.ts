/**
 * Writing past the page cache, whole pages at a time. Of a result that is larger than the cache little would be left in
 * it for whoever reads next, and to put 4 KiB there takes a processor as long as the softmax of them.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** What addresses, offsets and lengths have to be a multiple of: 512 bytes for some disks, 4096 for others. */
const PAGE = 4096;
/** Some in flight, one that is filled. Less at a time took the disk of a virtual machine up to twice as long. */
const SLOT_BYTES = 1 << 23;
const SLOTS = 3;

export interface DirectWriter {
  /** What follows what is there. The bytes may be changed when the promise resolves; an error may come later. */
  write(piece: Uint8Array): Promise<void>;
  /** Resolves when the file has all that was written. */
  drain(): Promise<void>;
  /** Resolves when nothing is written any more. */
  close(): Promise<void>;
}

/**
 * Undefined where the system cannot.
 * @param file the same file, open for reading and writing through the cache: for the end that does not fill a page.
 * @param position where it ends.
 */
export async function openDirect(
  path: string,
  file: FileHandle,
  position: number,
): Promise<DirectWriter | undefined> {
  if (!constants.O_DIRECT) return undefined;
  const direct = await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(() => undefined);
  const memory = direct && pages(SLOTS * SLOT_BYTES);
  if (!memory) {
    await direct?.close();
    return undefined;
  }
  const slots = Array.from({ length: SLOTS }, (_, i) => new Uint8Array(memory, i * SLOT_BYTES, SLOT_BYTES));
  const writing: Promise<void>[] = [];
  let at = 0;
  let filled = position % PAGE;
  /** Where in the file the slot goes that is being filled. */
  let start = position - filled;
  if (filled > 0) await file.read(slots[at], 0, filled, start);

  async function put(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const rest = [bytes, done, bytes.length - done, position + done] as const;
      // Where the system accepts the file but not the write, or took a part, the cache is the way.
      const { bytesWritten } = await direct!.write(...rest).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EINVAL') return file.write(...rest);
        throw error;
      });
      done += bytesWritten;
    }
  }

  return {
    async write(piece) {
      for (let from = 0; from < piece.length; ) {
        const count = Math.min(piece.length - from, SLOT_BYTES - filled);
        slots[at].set(piece.subarray(from, from + count), filled);
        from += count;
        filled += count;
        if (filled < SLOT_BYTES) continue;
        writing[at] = put(slots[at], start);
        writing[at].catch(() => {});
        start += SLOT_BYTES;
        filled = 0;
        at = (at + 1) % SLOTS;
        await writing[at];
      }
    },
    async drain() {
      await Promise.all(writing);
      const whole = filled - (filled % PAGE);
      await put(slots[at].subarray(0, whole), start);
      // What does not fill a page goes there again with what follows it.
      await file.write(slots[at], whole, filled - whole, start + whole);
      slots[at].copyWithin(0, whole, filled);
      start += whole;
      filled -= whole;
    },
    async close() {
      await Promise.allSettled(writing);
      await direct.close();
    },
  };
}

declare const WebAssembly: {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
};

/** Memory that starts at a page, as that of WebAssembly does; undefined where there is none. */
function pages(bytes: number): ArrayBuffer | undefined {
  try {
    return new WebAssembly.Memory({ initial: bytes / 65_536 }).buffer;
  } catch {
    return undefined;
  }
}
