/** Several files, one after the other, each with all threads. */
import { Failure } from './failure.js';
import type { FilePair } from './inputs.js';
import { scoreFile } from './score-file.js';
import type { ScoreFileOptions, ScoreProgress } from './score-job.js';
import type { Outcome } from './summary.js';

export async function scoreFiles(
  pairs: readonly FilePair[],
  options: Omit<ScoreFileOptions, 'input' | 'output'>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const begun = { rows: 0, resumed: 0, bytesRead: 0 };
  for (const { input, output } of pairs) {
    let last: ScoreProgress | undefined;
    // How many rows the files after this one have is not known.
    const onProgress = (progress: ScoreProgress) => {
      last = progress;
      options.onProgress?.({
        rows: begun.rows + progress.rows,
        total: undefined,
        resumed: begun.resumed + progress.resumed,
        bytesRead: begun.bytesRead + progress.bytesRead,
        bytesTotal: undefined,
      });
    };
    try {
      outcomes.push({ input, report: await scoreFile({ ...options, input, output, onProgress }) });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      outcomes.push({ input, failure: error.message });
    }
    begun.rows += last?.rows ?? 0;
    begun.resumed += last?.resumed ?? 0;
    begun.bytesRead += last?.bytesRead ?? 0;
  }
  return outcomes;
}
