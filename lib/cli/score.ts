/** The command `score`. */
import { expectedUsage } from './failure.js';
import { untilInterrupted } from './interruption.js';
import { newProgressDisplay } from './progress.js';
import { type Report, reportJson, reportText } from './report.js';
import { type ScoreJob, scoreFile } from './score-file.js';
import type { Operation } from './scoring.js';
import { lookOf, write } from './streams.js';

export interface ScoreOptions extends Omit<ScoreJob, 'input' | 'rows' | 'shown' | 'op'> {
  readonly op: Operation;
  /** How many rows to print; the default depends on whether the result goes elsewhere. */
  readonly rows?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function score(input: string, options: ScoreOptions): Promise<void> {
  rejectUseless(options);
  const { rows, json, quiet, ...job } = options;
  const display = newProgressDisplay(process.stderr, !quiet && job.output !== undefined);
  try {
    const report = await untilInterrupted((signal) =>
      scoreFile({
        ...job,
        input,
        shown: rows ?? (job.output === undefined ? 10 : 0),
        signal,
        onProgress: display.update,
      }),
    );
    display.end();
    if (!quiet) await print(report, options);
  } finally {
    display.end();
  }
}

/** Options that cannot go together. */
function rejectUseless({ op, topK, labels, truth, resume, rows }: ScoreOptions): void {
  if (resume && rows) throw expectedUsage('no rows to print', '--resume', `--rows ${rows}`);
  if (op !== 'logsumexp') return;
  const useless = Object.entries({ '--top-k': topK, '--labels': labels, '--truth': truth });
  const given = useless.find(([, value]) => value !== undefined);
  if (given) throw expectedUsage('an operation with one score per class', given[0], `--op ${op}`);
}

/** To stdout, or to stderr where stdout carries the result. */
async function print(report: Report, { output, json }: ScoreOptions): Promise<void> {
  const stream = output === '-' ? process.stderr : process.stdout;
  await write(stream, json ? reportJson(report) : reportText(report, lookOf(stream)));
}
