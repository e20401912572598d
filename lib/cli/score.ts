/** The command `score`. */
import { EXIT, expectedUsage, Failure, printable } from './failure.js';
import { canResume, formatByName } from './formats.js';
import { expandInputs, type FilePair, isFolder, pairsInto } from './inputs.js';
import { untilInterrupted } from './interruption.js';
import { refuseContradictions } from './job.js';
import { newProgressDisplay } from './progress.js';
import { scoreByQueue } from './queue/submit.js';
import { type Report, reportJson, reportText } from './report.js';
import { scoreFile } from './score-file.js';
import { scoreFiles } from './score-files.js';
import type { ScoreJob } from './score-job.js';
import type { Operation } from './scoring.js';
import { lookOf, print } from './streams.js';
import { failuresOf, type Outcome, summaryJson, summaryText } from './summary.js';

export interface ScoreOptions extends Omit<ScoreJob, 'input' | 'rows' | 'shown' | 'op'> {
  readonly op: Operation;
  /** How many rows to print; the default depends on whether the result goes elsewhere. */
  readonly rows?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** The URL of the Redis that hands the files to workers. */
  readonly queue?: string;
  /** Rows of a .npy per job of the queue. */
  readonly partRows?: number;
}

export async function score(patterns: readonly string[], options: ScoreOptions): Promise<void> {
  rejectUseless(options);
  const { output, queue } = options;
  const inputs = await expandInputs(patterns);
  const several = inputs.length > 1 || (output !== undefined && (await isFolder(output)));
  if (!several && queue === undefined) return await scoreOne(inputs[0], options);

  if (output === undefined || output === '-') {
    const what = several ? 'a folder as -o for several inputs' : 'a file or folder as -o for --queue';
    throw new Failure(`Expected ${what} but received ${output ?? 'nothing'}`, EXIT.usage);
  }
  if (options.rows)
    throw expectedUsage('no rows to print', several ? 'several inputs' : '--queue', `--rows ${options.rows}`);
  if (several && options.truth) throw expectedUsage('one input', '--truth', inputs.length);
  if (several) return await scoreSeveral(inputs, output, options);
  if (inputs[0] === '-') throw expectedUsage('files', '--queue', 'stdin');
  const [{ report, failure }] = await outcomesOf([{ input: inputs[0], output }], options);
  if (!report) throw new Failure(failure ?? '');
  if (!options.quiet) await printReport(report, options);
}

async function scoreOne(input: string, options: ScoreOptions): Promise<void> {
  const { rows, json, quiet, queue, partRows, ...job } = options;
  const display = newProgressDisplay(process.stderr, !quiet && job.output !== undefined);
  try {
    const report = await untilInterrupted(async (signal) => {
      // At once: the process may end before it has cleaned up.
      signal.addEventListener('abort', () => {
        display.end();
        const hint = quiet ? undefined : howToGoOn(input, job);
        if (hint) process.stderr.write(`${hint}\n`);
      });
      return await scoreFile({
        ...job,
        input,
        shown: rows ?? (job.output === undefined ? 10 : 0),
        signal,
        onProgress: display.update,
        onNotice: (text) => {
          if (!quiet) process.stderr.write(`${printable(text)}\n`);
        },
      });
    });
    display.end();
    if (!quiet) await printReport(report, options);
  } finally {
    display.end();
  }
}

/** What an interrupted run leaves, for whoever wants to go on. */
function howToGoOn(input: string, { output, outputFormat, resume }: ScoreOptions): string | undefined {
  const format = outputFormat ?? formatByName(output ?? '');
  if (input === '-' || output === undefined || output === '-' || !format) return undefined;
  if (!canResume(format)) return 'interrupted; the same command begins anew';
  return resume
    ? 'interrupted; the same command goes on from here'
    : 'interrupted; with --resume the same command could have gone on';
}

/** One that cannot be scored does not keep the others from it. */
async function scoreSeveral(inputs: readonly string[], folder: string, options: ScoreOptions): Promise<void> {
  const started = performance.now();
  const outcomes = await outcomesOf(await pairsInto(folder, inputs, options.outputFormat), options);
  const summary = { folder, outcomes, elapsed: (performance.now() - started) / 1000 };
  if (!options.quiet) {
    await print(
      process.stdout,
      options.json ? summaryJson(summary) : await summaryText(summary, lookOf(process.stdout)),
    );
  }
  const failed = failuresOf(outcomes);
  if (failed.length === 0) return;
  for (const { input, failure } of failed)
    await print(process.stderr, `${printable(`${input}: ${failure}`)}\n`);
  throw new Failure(`Expected every file to be scored but received ${failed.length} that could not be`);
}

async function outcomesOf(pairs: readonly FilePair[], options: ScoreOptions): Promise<Outcome[]> {
  const { rows, json, quiet, queue, partRows, output, ...job } = options;
  const display = newProgressDisplay(process.stderr, !quiet);
  const onProgress = display.update;
  const onNotice = (text: string) => {
    if (!quiet) print(process.stderr, `${printable(text)}\n`).catch(() => {});
  };
  try {
    return await untilInterrupted(async (signal) => {
      if (queue === undefined) return await scoreFiles(pairs, { ...job, signal, onProgress, onNotice });
      try {
        return await scoreByQueue(pairs, job, { queue, partRows, signal, onProgress, onNotice });
      } catch (error) {
        display.end();
        if (signal.aborted) onNotice('The jobs go on; the same command again waits for them.');
        throw error;
      }
    });
  } finally {
    display.end();
  }
}

/** Options that cannot go together. */
function rejectUseless(options: ScoreOptions): void {
  const { resume, rows, queue, partRows } = options;
  if (resume && queue) throw expectedUsage('no --resume (a queue goes on by itself)', '--queue', '--resume');
  if (partRows && !queue) throw expectedUsage('--queue', '--part-rows', 'none');
  if (resume && rows) throw expectedUsage('no rows to print', '--resume', `--rows ${rows}`);
  refuseContradictions(options);
}

/** To stdout, or to stderr where stdout carries the result. */
async function printReport(report: Report, { output, json }: ScoreOptions): Promise<void> {
  const stream = output === '-' ? process.stderr : process.stdout;
  await print(stream, json ? reportJson(report) : await reportText(report, lookOf(stream)));
}
