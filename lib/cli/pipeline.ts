/** Reading, scoring and writing, overlapped: while one batch is written, the next is scored and another read. */
import type { Batch } from './batch.js';
import type { Blocks } from './blocks.js';

/** A batch that is scored, or judged; its memory is given back when it is written. */
interface Scored {
  release(): void;
}

export interface Stages<Done extends Scored> {
  readonly batches: AsyncIterable<Batch>;
  /** The memory that batches lie on: what bounds how many there are at a time. */
  readonly blocks: Blocks;
  score(batch: Batch): Promise<Done>;
  /** Called in the order of the batches, one at a time. */
  write(batch: Done): Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** Resolves when every batch is written; rejects with the first error, or the reason of the signal. */
export async function runPipeline<Done extends Scored>({
  batches,
  blocks,
  score,
  write,
  signal,
}: Stages<Done>): Promise<void> {
  let scoring: Promise<unknown> = Promise.resolve();
  let writing: Promise<void> = Promise.resolve();
  let fail!: (reason: unknown) => void;
  const failed = new Promise<never>((_, reject) => {
    fail = (reason) => {
      blocks.close(reason);
      reject(reason);
    };
  });
  failed.catch(() => {});
  const abort = () => fail(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });

  async function run(): Promise<void> {
    for await (const batch of batches) {
      // One after the other: a batch has all threads already.
      const scored = scoring.then(() => score(batch));
      scoring = scored;
      scored.catch(fail);
      writing = Promise.all([scored, writing]).then(async ([done]) => {
        signal?.throwIfAborted();
        await write(done);
        done.release();
      });
      writing.catch(fail);
    }
    await writing;
  }

  try {
    // A pipe that gives nothing must not hold up the end.
    await Promise.race([run(), failed]);
  } catch (error) {
    fail(error);
    // Nobody may touch the output any more when this returns.
    await Promise.allSettled([scoring, writing]);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
