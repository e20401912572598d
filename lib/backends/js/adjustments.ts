/** The few logits of a row that bias and penalties change: the twin of native/kernels/ops/adjust.h, operation for operation. */
import type { Problem } from '../problem.js';
import type { Patches } from './patches.js';
import type { RowReader } from './rows.js';
import type { Settings } from './sampleSettings.js';

/** What a problem says of bias and penalties. Starts are those of each row, and the end; without, a list is for every row. */
export interface Adjusted extends Problem {
  readonly biasClasses?: Uint32Array | undefined;
  readonly biasValues?: Float64Array | undefined;
  readonly biasStarts?: Uint32Array | undefined;
  readonly biasCount: number;
  /** Classes drawn so far. */
  readonly history?: Uint32Array | undefined;
  readonly historyStarts?: Uint32Array | undefined;
  readonly historyCount: number;
  /** Classes that were there before. */
  readonly prompt?: Uint32Array | undefined;
  readonly promptStarts?: Uint32Array | undefined;
  readonly promptCount: number;
}

/** What is known of a class that is to change. */
interface Change {
  bias: number;
  isSeen: boolean;
  times: number;
}

/** The changes to the row that a reader has open; undefined where there are none. */
export function patchesOf(problem: Adjusted, reader: RowReader, settings: Settings): Patches | undefined {
  const { biasClasses, biasValues, biasStarts, history, historyStarts, prompt, promptStarts } = problem;
  if (!biasClasses && !history && !prompt) return undefined;
  const { row, length, isDouble } = reader;
  const changes = new Map<number, Change>();
  const changeOf = (index: number): Change => {
    const known = changes.get(index);
    if (known !== undefined) return known;
    const change = { bias: 0, isSeen: false, times: 0 };
    changes.set(index, change);
    return change;
  };
  forEachOf(biasClasses, biasStarts, row, (index, i) => {
    changeOf(index).bias += biasValues?.[i] ?? 0;
  });
  forEachOf(history, historyStarts, row, (index) => {
    const change = changeOf(index);
    change.isSeen = true;
    change.times++;
  });
  forEachOf(prompt, promptStarts, row, (index) => {
    changeOf(index).isSeen = true;
  });
  // A list for rows of several lengths may have classes that this one has not.
  const classes = Uint32Array.from(changes.keys())
    .filter((index) => index < length)
    .sort();
  const logits = new Float64Array(classes.length);
  const { repetition, frequency, presence } = settings;
  classes.forEach((index, i) => {
    const { bias, isSeen, times } = changes.get(index) as Change;
    let x = reader.logit(index) + bias;
    if (isSeen) {
      x = x > 0 ? x / repetition : x * repetition;
      x -= frequency * times + (times > 0 ? presence : 0);
    }
    logits[i] = isDouble ? x : Math.fround(x);
  });
  return { classes, logits };
}

function forEachOf(
  list: Uint32Array | undefined,
  starts: Uint32Array | undefined,
  row: number,
  visit: (index: number, i: number) => void,
): void {
  if (list === undefined) return;
  const end = starts ? starts[row + 1] : list.length;
  for (let i = starts ? starts[row] : 0; i < end; i++) visit(list[i], i);
}
