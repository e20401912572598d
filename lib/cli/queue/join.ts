/** The ranges of rows of a .npy, each scored by a job of its own, become one file: that of a single run. */
import { expected } from '../failure.js';
import { openWriter } from '../formats.js';
import { openInput } from '../input.js';
import { readNpyHeader } from '../npy.js';
import { openOutput } from '../output.js';
import { type Report, sumOfReports } from '../report.js';
import { contentOf } from '../score-file.js';
import { type JobData, npyLayout, type Part, refuseChanged } from './jobs.js';

export interface Joining extends JobData {
  readonly parts: readonly Part[];
}

/**
 * May run twice, or again after it was cut off: the parts stay until the job is known to be done.
 * @param reports of the parts, in their order.
 */
export async function joinParts(
  { job, stamp, parts }: Joining,
  reports: readonly Report[],
  signal: AbortSignal,
): Promise<Report> {
  const started = performance.now();
  await refuseChanged({ job, stamp });
  const { layout } = await npyLayout(job.input, job.axis);
  const output = await openOutput(job.output);
  try {
    const writer = await openWriter('npy', output, {
      ...contentOf(job.op ?? 'softmax', job.topK, layout),
      ...{ layout, skips: job.errors === 'skip', resumed: undefined },
    });
    await writer.begin();
    const whole = sumOfReports(reports);
    for (const [i, part] of parts.entries()) await append(part.job.output, reports[i].rows);
    await writer.end(whole.rows);
    await output.commit();
    const elapsed = (performance.now() - started) / 1000;
    return { ...whole, input: job.input, output: job.output, shape: layout.shape ?? whole.shape, elapsed };
  } catch (error) {
    await output.discard();
    throw error;
  }

  async function append(path: string, rows: number): Promise<void> {
    const source = await openInput(path);
    try {
      const { shape } = await readNpyHeader(source);
      if (shape[0] !== rows) throw expected(`${rows} rows`, path, shape[0]);
      const bytes = new Uint8Array(1 << 22);
      for (;;) {
        signal.throwIfAborted();
        const length = await source.fill(bytes);
        if (length === 0) return;
        await output.write(bytes.subarray(0, length));
      }
    } finally {
      await source.close();
    }
  }
}
