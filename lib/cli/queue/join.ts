/** The ranges of rows of a .npy, each scored by a job of its own, become one file: that of a single run. */
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expected } from '../failure.js';
import { openWriter } from '../formats/open.js';
import { openInput } from '../input.js';
import { readNpyHeader } from '../npy-header.js';
import { openOutput } from '../output.js';
import { type Report, sumOfReports } from '../report.js';
import { folderOf } from '../root.js';
import { contentOf } from '../score-job.js';
import { type JobData, type Part, partsOf, refuseChanged } from './jobs.js';
import { npyLayout } from './npy-layout.js';

/**
 * May run twice, or again after it was cut off: the parts stay until the job is known to be done.
 * @param reportOf what the job of a part answered.
 */
export async function joinParts(
  data: JobData,
  reportOf: (part: Part) => Report,
  signal: AbortSignal,
): Promise<Report> {
  const started = performance.now();
  const { job } = data;
  refuseChanged(data);
  const { layout } = await npyLayout(job.input, job.axis);
  const parts = partsOf(data, layout.rows ?? 0);
  const whole = sumOfReports(parts.map(reportOf));
  const output = await openOutput(job.output);
  try {
    const writer = await openWriter('npy', output, {
      ...contentOf(job.op ?? 'softmax', job.topK, layout.classes),
      ...{ layout, skips: job.errors === 'skip', resumed: undefined },
    });
    await writer.begin();
    let rows = 0;
    for (const part of parts) rows += await append(part);
    await writer.end(rows);
    await output.commit();
    const elapsed = (performance.now() - started) / 1000;
    const shape = layout.shape ?? whole.shape;
    return { ...whole, rows, input: job.input, output: job.output, shape, elapsed };
  } catch (error) {
    await output.discard();
    throw error;
  }

  /** How many rows it has: fewer than its range where some were left out. */
  async function append({ job: { output: path }, rows: [from, to] }: Part): Promise<number> {
    const source = await openInput(path);
    try {
      const { shape } = await readNpyHeader(source);
      const rows = shape[0] ?? 0;
      const possible = job.errors === 'skip' ? rows <= to - from : rows === to - from;
      if (!possible) throw expected(`${to - from} rows`, path, rows);
      const bytes = new Uint8Array(1 << 22);
      for (;;) {
        signal.throwIfAborted();
        const length = await source.fill(bytes);
        if (length === 0) return rows;
        await output.write(bytes.subarray(0, length));
      }
    } finally {
      await source.close();
    }
  }
}

/** What a file's parts left beside its output: their scores, and what workers that were killed had begun. */
export async function removeParts(parts: readonly Part[]): Promise<void> {
  if (parts.length === 0) return;
  const { path: folder, release } = folderOf(parts[0].job.output);
  try {
    const names = await readdir(folder).catch(() => []);
    const own = new Set(parts.map((part) => basename(part.job.output)));
    for (const name of names.filter((name) => name.includes('.file-'))) {
      const part = name.replace(/\.part\.[^.]*\.part$/, '.part');
      if (own.has(part)) await rm(join(folder, name), { force: true });
    }
  } finally {
    release();
  }
}
