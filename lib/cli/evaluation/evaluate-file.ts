/** What `evaluate` does with a file: one pass for the metrics, more for a temperature. */
import { stat } from 'node:fs/promises';
import type { EvaluationResult } from '../../index.js';
import { type Batch, numberOf } from '../batch.js';
import { expected, expectedUsage } from '../failure.js';
import { nanRow } from '../nan-rows.js';
import { backendInUse } from '../scoring.js';
import type { Count } from '../tally.js';
import { type Details, type Mistake, newDetails, type Pair, pairsOf, type Top } from './details.js';
import { type Fit, fitFile } from './fit.js';
import type { Judge, Library, Opened, Passed, PassOptions } from './judge.js';
import { passOver } from './pass.js';
import { callOf } from './rows.js';
import { newSample, type Sample } from './sample.js';

export interface EvaluateFileOptions extends Omit<PassOptions, 'ignoreIndex' | 'numbered'> {
  /** Default: 1. */
  readonly temperature?: number | undefined;
  /** Default: -100. */
  readonly ignoreIndex?: number | undefined;
  readonly k?: number | undefined;
  readonly bins?: number | undefined;
  /** Looks for the temperature of the least log loss. Default: false. */
  readonly fitTemperature?: boolean | undefined;
  /** The most confident mistakes, and pairs of classes. Default: false. */
  readonly details?: boolean | undefined;
  /** Called when a pass over the file begins. */
  readonly onPass?: (() => void) | undefined;
  /** Bytes of logits that a fit holds in memory. Default: 64 MiB. */
  readonly sampleBytes?: number | undefined;
}

export interface Evaluated {
  readonly input: string;
  readonly temperature: number;
  readonly k: number;
  /** Undefined where rows differ in length. */
  readonly classes: number | undefined;
  readonly labels: readonly string[] | undefined;
  readonly result: EvaluationResult;
  readonly fit?: Fit | undefined;
  readonly mistakes: readonly Mistake[];
  /** The commonest first; none where there is neither a confusion matrix nor a report. */
  readonly pairs: readonly Pair[];
  /** Rows of the input. */
  readonly rows: number;
  /** Rows that could not be read, or were left out. */
  readonly bad: Count;
  readonly bytes: number | undefined;
  /** From the beginning to the end, in seconds. */
  readonly elapsed: number;
  readonly passes: number;
  readonly backend: { readonly kind: string; readonly isa: string; readonly threads: number };
}

/** What `topK` gives. */
interface TopK {
  readonly indices: Uint32Array;
  readonly probabilities: ArrayLike<number>;
}

const MOST_PAIRS = 20;

/** @throws Failure in one line for what the user can mend; the signal's reason where it is aborted. */
export async function evaluateFile(options: EvaluateFileOptions): Promise<Evaluated> {
  const started = performance.now();
  const { temperature = 1, k = 5, ignoreIndex = -100 } = options;
  if (options.fitTemperature) await refusePipe(options.input);
  const promises = await import('../../promises.js');
  const { softmax } = await import('../../index.js');
  const terms = { k, bins: options.bins, threads: options.threads };
  let passes = 0;

  interface Whole {
    readonly passed: Passed;
    readonly result: EvaluationResult;
    readonly sample: Sample | undefined;
    readonly details: Details | undefined;
  }

  async function pass(temperature: number, first: boolean): Promise<Whole> {
    options.onPass?.();
    const wantsDetails = first && options.details === true;
    const wantsSample = first && options.fitTemperature === true;
    let evaluation: { result(): EvaluationResult } | undefined;
    let sample: Sample | undefined;
    let details: Details | undefined;
    let leftOut = 0;

    function begin({ layout, name, bad }: Opened, library: Library): Judge {
      const { threads, signal } = options;
      const abortable = library === promises ? { signal } : {};
      const added = library.newEvaluation({ ...terms, temperature, ignoreIndex });
      evaluation = added;
      if (wantsSample) sample = newSample(layout, ignoreIndex, options.sampleBytes);
      if (wantsDetails) details = newDetails(layout, ignoreIndex, temperature, softmax);
      const strict = options.errors === 'fail' || options.errors === 'skip';

      function seeTop(batch: Batch, targets: Int32Array, top: Top): void {
        for (let row = 0; strict && row < batch.rows; row++) {
          if (targets[row] === ignoreIndex || !Number.isNaN(top.probabilities[row])) continue;
          if (options.errors === 'fail') throw nanRow(numberOf(batch, row), name);
          targets[row] = ignoreIndex;
          bad.add(numberOf(batch, row));
        }
        details?.add(batch, targets, top);
      }

      return (batch, targets) => {
        const call = { ...callOf(batch, layout), threads, ...abortable };
        const add = () => {
          sample?.add(batch, targets);
          leftOut = options.errors === 'skip' ? bad.value.count : 0;
          return added.add(batch.logits, targets, call);
        };
        if (!(details || strict) || layout.classes === 0 || batch.rows === 0) return add();
        const half = batch.logits instanceof Uint16Array ? { outType: 'float32' as const } : {};
        const top: unknown = library.topK(batch.logits, 1, { ...call, ...half, temperature });
        const after = ({ indices, probabilities }: TopK): unknown => {
          seeTop(batch, targets, { classes: indices, probabilities });
          return add();
        };
        return top instanceof Promise ? top.then(after) : after(top as TopK);
      };
    }

    const numbered = wantsDetails || options.fitTemperature === true;
    const passed = await passOver(
      { ...options, ignoreIndex, numbered, onNotice: first ? options.onNotice : undefined },
      begin,
    );
    passes++;
    const result = (evaluation ?? promises.newEvaluation(terms)).result();
    // Rows that could not be read are among those that were not judged.
    const unread = leftOut > 0 ? passed.rows - result.rows - result.ignored : 0;
    return { passed, result: { ...result, ignored: result.ignored + unread }, sample, details };
  }

  const { passed, result, sample, details } = await pass(temperature, true);
  const { classes, labels, rows, bad, bytes } = passed;
  const fit =
    sample &&
    (await fitFile(promises, sample, result, terms, async (temperature) => {
      const { passed: again, result: other } = await pass(temperature, false);
      if (again.rows !== rows || other.rows !== result.rows) {
        throw expected(`the ${rows} rows of the first pass`, options.input, `${again.rows} (it was changed)`);
      }
      return other;
    }));
  const pairs = result.confusion ? pairsOf(result.confusion, MOST_PAIRS) : (details?.pairs(MOST_PAIRS) ?? []);
  return {
    ...{ input: options.input, temperature, k, classes, labels, result, fit, pairs },
    ...{ mistakes: details?.mistakes ?? [], rows, bad, bytes, passes },
    elapsed: (performance.now() - started) / 1000,
    backend: await backendInUse(),
  };
}

/** What is read several times must be there again. */
async function refusePipe(input: string): Promise<void> {
  const file = input.replace(/#.*$/, '');
  if (input !== '-') {
    const found = (await stat(input).catch(() => undefined)) ?? (await stat(file).catch(() => undefined));
    // What is not there is told when it is opened.
    if (!found || found.isFile() || found.isDirectory()) return;
  }
  throw expectedUsage(
    'a file, which is read more than once,',
    '--fit-temperature',
    input === '-' ? 'stdin' : input,
  );
}
