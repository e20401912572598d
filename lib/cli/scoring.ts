/** The one step of the pipeline that computes. */
import type { Batch, Block, Layout, ScoredBatch, Values } from './batch.js';
import { newBlocks } from './blocks.js';
import { best, rowsAlong } from './rows.js';

export const OPERATIONS = ['softmax', 'log-softmax', 'logsumexp'] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Scoring {
  readonly op: Operation;
  readonly temperature: number;
  /** The best so many classes of each row, instead of all. */
  readonly topK?: number | undefined;
  readonly threads?: number | undefined;
}

export interface Scorer {
  score(batch: Batch): Promise<ScoredBatch>;
  /** Spent in the operation so far. */
  readonly seconds: number;
  /** When all went well, and every batch is released. */
  end(): void;
}

/** Logits up to here are scored at once: to hand them to other threads and back takes longer. */
const AT_ONCE_BYTES = 1 << 19;

type Library = typeof import('../promises.js');

/** To ask for a module takes time, even for one that is there. */
const libraries: { atOnce?: Library; threads?: Library } = {};

async function libraryFor(bytes: number): Promise<Library> {
  if (bytes > AT_ONCE_BYTES) {
    libraries.threads ??= await import('../promises.js');
    return libraries.threads;
  }
  // The same names; whoever awaits does not mind.
  libraries.atOnce ??= (await import('../index.js')) as unknown as Library;
  return libraries.atOnce;
}

/** Results that do not fit in the place of the logits go to blocks of their own, one per batch in flight. */
export function newScorer({ op, temperature, topK, threads }: Scoring, layout: Layout): Scorer {
  const outputs = newBlocks(Number.POSITIVE_INFINITY, 'the scores');
  let seconds = 0;

  async function score(batch: Batch): Promise<ScoredBatch> {
    const { logits, offsets, rows } = batch;
    const { softmax, logSoftmax, logSumExp, topK: best } = await libraryFor(logits.byteLength);
    const half = logits instanceof Uint16Array;
    const call = {
      temperature,
      threads,
      ...(half ? { dtype: layout.type as 'float16' | 'bfloat16' } : {}),
      ...(offsets ? { offsets } : { shape: shapeOf(batch, layout), axis: 1 }),
    };
    const lent: Block[] = [batch.block];
    const memory = async (bytes: number) => {
      const block = await outputs.take(bytes);
      lent.push(block);
      return block.memory;
    };
    const newScores = async (length: number): Promise<Values> =>
      logits instanceof Float64Array
        ? new Float64Array(await memory(length * 8), 0, length)
        : new Float32Array(await memory(length * 4), 0, length);
    const scored = (scores: Values, width: number, indices?: Uint32Array): ScoredBatch => ({
      ...batch,
      scores,
      width,
      indices,
      offsets: width === layout.classes || offsets === undefined || indices ? undefined : offsets,
      release: () => {
        for (const block of lent) block.release();
      },
    });

    const start = performance.now();
    try {
      if (op === 'logsumexp') {
        const out = await newScores(rows);
        await logSumExp(logits, { ...call, out });
        return { ...scored(out, 1), offsets: undefined };
      }
      if (topK !== undefined && op === 'softmax' && layout.inner === 1 && layout.classes !== 0) {
        const k = Math.min(topK, layout.classes ?? topK);
        const out = {
          probabilities: await newScores(rows * k),
          indices: new Uint32Array(await memory(rows * k * 4), 0, rows * k),
        };
        await best(logits, k, { ...call, out, ...(half ? { outType: 'float32' as const } : {}) });
        return scored(out.probabilities, k, out.indices);
      }
      const out = half ? new Float32Array(await memory(logits.length * 4), 0, logits.length) : logits;
      await (op === 'softmax' ? softmax : logSoftmax)(logits, {
        ...call,
        out,
        ...(half ? { outType: 'float32' as const } : {}),
      });
      const all = scored(out, layout.classes ?? 0);
      return topK === undefined ? all : select(all, topK, layout);
    } finally {
      seconds += (performance.now() - start) / 1000;
    }
  }

  return {
    score,
    end: outputs.end,
    get seconds() {
      return seconds;
    },
  };
}

function shapeOf({ rows, logits }: Batch, { classes = 0, inner }: Layout): number[] {
  return [inner === 0 ? 0 : rows / inner, classes, logits.length === 0 && inner === 0 ? 0 : inner];
}

/** The best classes of rows whose scores are all there: those of logSoftmax, or along another axis. */
function select(batch: ScoredBatch, topK: number, layout: Layout): ScoredBatch {
  const k = Math.min(topK, layout.classes ?? topK);
  const scores = (
    batch.scores instanceof Float32Array ? new Float32Array(batch.rows * k) : new Float64Array(batch.rows * k)
  ).fill(-Infinity);
  const indices = new Uint32Array(batch.rows * k).fill(NO_CLASS);
  for (let row = 0; row < batch.rows; row++) {
    const all = scoresOf(batch, layout, row);
    best(all, k).forEach((i, rank) => {
      scores[row * k + rank] = all[i];
      indices[row * k + rank] = i;
    });
  }
  return { ...batch, scores, indices, width: k, offsets: undefined };
}

/** What stands for a class in rows that have fewer than were asked for, as in the library's `topK`. */
export const NO_CLASS = 0xffffffff;

/** All scores of one row, of a batch that has them all. */
export function scoresOf({ scores, offsets, rows }: ScoredBatch, layout: Layout, row: number): Values {
  if (offsets) return scores.subarray(offsets[row], offsets[row + 1]);
  const { classes = 0, inner } = layout;
  return rowsAlong(scores, [inner === 0 ? 0 : rows / inner, classes, inner], 1).at(row);
}

export async function backendInUse() {
  const { backend } = await import('../index.js');
  return { kind: backend.kind, isa: backend.isa, threads: backend.threads };
}
