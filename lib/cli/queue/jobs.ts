/** How files become jobs. A job has the same name whenever the same files are scored with the same options. */
import { createHash } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { newBlocks } from '../blocks.js';
import { expected, systemFailure } from '../failure.js';
import { formatOf, openReader } from '../formats.js';
import { openInput } from '../input.js';
import type { FilePair } from '../inputs.js';
import type { Report } from '../report.js';
import type { ScoreJob } from '../score-file.js';

/** Which state of a file a job is about. */
export interface Stamp {
  readonly size: number;
  readonly modified: number;
}

/** What a job is told, for files that it sees at the same paths. */
export interface JobData {
  readonly job: ScoreJob & { readonly output: string };
  /** Of the input, when the job was made. */
  readonly stamp: Stamp;
}

/** What a job answers. */
export interface JobResult {
  readonly report: Report;
  /** Of the output. */
  readonly stamp: Stamp;
}

/** How far a job is. */
export interface JobProgress {
  readonly rows: number;
  readonly bytesRead: number;
}

export interface Part extends JobData {
  readonly id: string;
}

export interface FileJob extends JobData {
  readonly id: string;
  /** As the user wrote it. */
  readonly pair: FilePair;
  /** Ranges of rows that are jobs of their own; the file's job joins them. Empty for a file in one piece. */
  readonly parts: readonly Part[];
  /** Undefined where it takes the whole file to know it. */
  readonly rows: number | undefined;
}

export interface Cutting {
  /** Rows of a .npy per job. Default: as many as 1 GiB holds. */
  readonly partRows?: number | undefined;
}

const PART_BYTES = 2 ** 30;

/** @throws Failure where the input is not there. */
export async function fileJob(
  pair: FilePair,
  options: Omit<ScoreJob, 'input' | 'output' | 'rows'>,
  { partRows }: Cutting,
): Promise<FileJob> {
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(path));
  const job = {
    ...options,
    input: resolve(pair.input),
    output: resolve(pair.output),
    labels: absolute(options.labels),
    truth: absolute(options.truth),
  };
  const stamp = await stampOf(job.input);
  const range = await rangeOf(job);
  const step = partRows ?? Math.max(1, Math.floor(PART_BYTES / Math.max(1, range?.rowBytes ?? 0)));
  const cut = range?.divisible && range.rows > step;
  const id = `file-${hashOf({ job, stamp, step: cut ? step : 0 })}`;
  const parts: Part[] = [];
  for (let from = 0; cut && from < range.rows; from += step) {
    const rows = [from, Math.min(range.rows, from + step)] as const;
    const output = `${job.output}.${id}.${rows.join('-')}.part`;
    parts.push({
      id: `${id}-${rows.join('-')}`,
      stamp,
      job: { ...job, rows, output, outputFormat: 'npy' },
    });
  }
  return { id, pair, job, stamp, parts, rows: range?.rows };
}

export async function stampOf(path: string): Promise<Stamp> {
  const { size, mtimeMs } = await stat(path).catch((error) => {
    throw systemFailure(error, 'a readable file', path);
  });
  return { size, modified: mtimeMs };
}

export function isSame(a: Stamp, b: Stamp): boolean {
  return a.size === b.size && a.modified === b.modified;
}

/** Of a .npy; undefined for other files, and for those that a job will refuse. */
async function rangeOf({ input, output, format, outputFormat, axis, truth }: JobData['job']) {
  if (formatOf(format, input) !== 'npy') return undefined;
  try {
    const { layout, bytes } = await npyLayout(input, axis);
    const rows = layout.rows ?? 0;
    const divisible =
      layout.inner === 1 && truth === undefined && formatOf(outputFormat, output, 'npy') === 'npy';
    return { rows, rowBytes: rows > 0 ? bytes / rows : 0, divisible };
  } catch {
    return undefined; // whoever scores it says why
  }
}

const ignore = () => 'skip' as const;

/** How a .npy lies, and how many bytes of data it has. */
export async function npyLayout(path: string, axis = -1) {
  const source = await openInput(path);
  try {
    const nothing = { blocks: newBlocks(0, path), blockBytes: 0, done: 0, uniform: true, onBadRow: ignore };
    const { layout } = await openReader('npy', source, { ...nothing, axis });
    return { layout, bytes: (source.size ?? 0) - source.position };
  } finally {
    await source.close();
  }
}

function hashOf(value: JobData & { readonly step: number }): string {
  const job = Object.entries(value.job).filter(([, option]) => option !== undefined);
  job.sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify({ ...value, job }))
    .digest('hex')
    .slice(0, 32);
}

/** Refuses an input that is no longer what the job was made for: ranges of two states must not be mixed. */
export async function refuseChanged({ job, stamp }: JobData): Promise<void> {
  if (!isSame(await stampOf(job.input), stamp)) {
    throw expected('the file of when the job was made', job.input, 'one that has changed since');
  }
}

/** What a file's parts left beside its output: their scores, and what workers that were killed had begun. */
export async function removeParts({ job, parts }: Pick<FileJob, 'job' | 'parts'>): Promise<void> {
  if (parts.length === 0) return;
  const folder = dirname(job.output);
  const prefix = `${basename(job.output)}.file-`;
  const names = await readdir(folder).catch(() => []);
  const own = new Set(parts.map((part) => basename(part.job.output)));
  for (const name of names.filter((name) => name.startsWith(prefix))) {
    const part = name.replace(/\.part\.[^.]*\.part$/, '.part');
    if (own.has(part)) await rm(join(folder, name), { force: true });
  }
}
