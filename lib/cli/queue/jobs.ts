/** How files become jobs. A job has the same name whenever the same files are scored with the same options. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { expected, orSystemFailure } from '../failure.js';
import { formatOf, isArray } from '../formats.js';
import type { FilePair } from '../inputs.js';
import { type FileScoreJob, parseJob, parseRecord } from '../job.js';
import { statOf } from '../root.js';
import type { ScoreJob } from '../score-job.js';
import { npyLayout } from './npy-layout.js';

/** Which state of a file a job is about. */
export interface Stamp {
  readonly size: number;
  readonly modified: number;
}

/** What a job is told, for files that it sees at the same paths. */
export interface JobData {
  readonly job: FileScoreJob;
  /** Of the input, when the job was made. */
  readonly stamp: Stamp;
  /** Rows per part of a file whose parts are jobs of their own; its job joins them. */
  readonly step?: number | undefined;
  /** Whether it has ended a process in a group. */
  readonly endedOne?: true | undefined;
}

/** How far a job is. */
export interface JobProgress {
  readonly rows: number;
  readonly bytesRead: number;
}

export interface Part extends JobData {
  readonly id: string;
  readonly rows: readonly [from: number, to: number];
}

export interface FileJob extends JobData {
  readonly id: string;
  /** As the user wrote it. */
  readonly pair: FilePair;
  /** Ranges of rows that are jobs of their own. Empty for a file in one piece. */
  readonly parts: readonly Part[];
  /** Undefined where it takes the whole file to know it. */
  readonly rows: number | undefined;
}

export interface Cutting {
  /** Rows of a .npy per job. Default: as many as 1 GiB holds. */
  readonly partRows?: number | undefined;
}

const PART_BYTES = 2 ** 30;
/** More would fill the server, not the workers. */
const MOST_PARTS = 100_000;

/** @throws Failure where the input is not there. */
export async function fileJob(
  pair: FilePair,
  options: Omit<ScoreJob, 'input' | 'output' | 'rows'>,
  { partRows }: Cutting,
): Promise<FileJob> {
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(path));
  const given = {
    ...options,
    input: resolve(pair.input),
    output: resolve(pair.output),
    labels: absolute(options.labels),
    truth: options.truth?.startsWith('column:') ? options.truth : absolute(options.truth),
  };
  // What no worker would take is refused here.
  const job = parseJob(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  const stamp = stampOf(job.input);
  const range = await rangeOf(job);
  const step = partRows ?? Math.max(1, Math.floor(PART_BYTES / Math.max(1, range?.rowBytes ?? 0)));
  const data: JobData = { job, stamp, ...(range?.divisible && range.rows > step ? { step } : {}) };
  const parts = range && data.step !== undefined ? partsOf(data, range.rows) : [];
  return { ...data, id: idOf(data), pair, parts, rows: range?.rows };
}

/**
 * Data that anybody may have written.
 * @throws Failure that names what is wrong.
 */
export function parseJobData(name: string, value: unknown): JobData {
  const { job, stamp, step, endedOne, ...others } = parseRecord(value, 'the data of a job');
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw expected('job, stamp and step', 'the data of a job', `'${unknown}'`);
  const kind = step === undefined ? 'score' : 'join';
  if (name !== kind) throw expected(kind, 'the name of a job', `'${name}'`);
  if (step !== undefined && !(Number.isSafeInteger(step) && Number(step) >= 1)) {
    throw expected('a positive integer', 'step', JSON.stringify(step));
  }
  if (endedOne !== undefined && endedOne !== true)
    throw expected('true', 'endedOne', JSON.stringify(endedOne));
  return {
    job: parseJob(job),
    stamp: parseStamp(stamp),
    ...(step === undefined ? {} : { step: Number(step) }),
    ...(endedOne && { endedOne }),
  };
}

export function parseStamp(value: unknown): Stamp {
  const { size, modified } = parseRecord(value, 'the stamp of a file');
  for (const number of [size, modified]) {
    if (typeof number !== 'number') throw expected('numbers', 'the stamp of a file', JSON.stringify(value));
  }
  return { size: size as number, modified: modified as number };
}

export function stampOf(path: string): Stamp {
  const { size, mtimeMs } = orSystemFailure(() => statOf(path), 'a readable file', path);
  return { size, modified: mtimeMs };
}

export function isSame(a: Stamp, b: Stamp): boolean {
  return a.size === b.size && a.modified === b.modified;
}

/** Refuses an input that is no longer what the job was made for: ranges of two states must not be mixed. */
export function refuseChanged({ job, stamp }: JobData): void {
  if (!isSame(stampOf(job.input), stamp)) {
    throw expected('the file of when the job was made', job.input, 'one that has changed since');
  }
}

/** The parts of a file of so many rows, in their order. */
export function partsOf(data: JobData, rows: number): Part[] {
  const { job, stamp, step = rows } = data;
  if (rows / step > MOST_PARTS) throw expected(`at most ${MOST_PARTS} parts`, job.input, `${rows / step}`);
  const id = idOf(data);
  const parts: Part[] = [];
  for (let from = 0; from < rows; from += step) {
    const range = [from, Math.min(rows, from + step)] as const;
    const output = `${job.output}.${id}.${range.join('-')}.part`;
    parts.push({
      id: `${id}-${range.join('-')}`,
      rows: range,
      stamp,
      job: { ...job, rows: range, output, outputFormat: 'npy' },
    });
  }
  return parts;
}

/** Of a .npy; undefined for other files, and for those that a job will refuse. */
async function rangeOf({ input, output, format, outputFormat, axis, truth }: FileScoreJob) {
  if (!isArray(formatOf(format, input))) return undefined;
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

/** A server may give the options back in another order. */
export function idOf({ job, stamp: { size, modified }, step = 0 }: JobData): string {
  const options = Object.entries(job).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash('sha256').update(JSON.stringify([options, size, modified, step]));
  return `file-${hash.digest('hex').slice(0, 32)}`;
}
