/** Some of the rows of a file, evenly spread, in bounded memory: all of them where they fit. */
import type { Batch, Layout } from '../batch.js';
import { type Logits, newLogits, rowOf, typeOf } from './rows.js';

/** What a sample may hold, in bytes of logits. Twice as much finds a temperature no sooner. */
const MOST_BYTES = 1 << 26;

export interface Sample {
  add(batch: Batch, targets: Int32Array): void;
  /** Whether it is all of the rows. */
  readonly whole: boolean;
  /** As arguments of `fitTemperature` and `evaluate`. */
  problem(): { readonly x: Logits; readonly targets: Int32Array; readonly options: object };
}

/** @param ignoreIndex the target of rows that are left out. */
export function newSample(layout: Layout, ignoreIndex: number, mostBytes = MOST_BYTES): Sample {
  let logits: Logits | undefined;
  let starts: number[] = [0];
  let classes: number[] = [];
  /** Every so many rows one is taken; twice as many whenever there is no room left. */
  let every = 1;
  let seen = 0;

  function room(length: number, like: Logits): Logits {
    if (logits && logits.length >= length) return logits;
    const most = mostBytes / like.BYTES_PER_ELEMENT;
    const grown = newLogits(like, Math.max(length, Math.min(2 * length, most)));
    if (logits) grown.set(logits.subarray(0, starts.at(-1)));
    return grown;
  }

  /** Every other row goes. */
  function thin(held: Logits): void {
    const kept: number[] = [0];
    for (let row = 0; row < classes.length; row += 2) {
      held.copyWithin(kept.at(-1) as number, starts[row], starts[row + 1]);
      kept.push((kept.at(-1) as number) + starts[row + 1] - starts[row]);
    }
    starts = kept;
    classes = classes.filter((_, row) => row % 2 === 0);
    every *= 2;
  }

  return {
    add(batch, targets) {
      for (let row = 0; row < batch.rows; row++) {
        if (targets[row] === ignoreIndex) continue;
        const number = seen++;
        if (number % every !== 0) continue;
        const values = rowOf(batch, layout, row);
        const full = () => ((starts.at(-1) as number) + values.length) * values.BYTES_PER_ELEMENT > mostBytes;
        while (logits && full() && classes.length > 1 && number % every === 0) thin(logits);
        if (number % every !== 0) continue;
        const start = starts.at(-1) as number;
        logits = room(start + values.length, values);
        logits.set(values, start);
        starts.push(start + values.length);
        classes.push(targets[row]);
      }
    },
    get whole() {
      return every === 1;
    },
    problem() {
      const x = (logits ?? new Float32Array(0)).subarray(0, starts.at(-1));
      const rows =
        layout.classes === undefined
          ? { offsets: Int32Array.from(starts) }
          : { shape: [classes.length, layout.classes] };
      return {
        x,
        targets: Int32Array.from(classes),
        options: { ...typeOf(x, layout), ...rows, ignoreIndex },
      };
    },
  };
}
