/** `score --queue`: hands the files to the workers, and waits for them. */
import type { FlowJob, Job, JobsOptions, Queue } from 'bullmq';
import { Failure } from '../failure.js';
import type { FilePair } from '../inputs.js';
import type { ScoreJob, ScoreProgress } from '../score-file.js';
import type { Outcome } from '../summary.js';
import { type Connection, connect, QUEUE } from './connection.js';
import {
  type Cutting,
  type FileJob,
  fileJob,
  isSame,
  type JobData,
  type JobProgress,
  stampOf,
} from './jobs.js';
import { removeParts } from './join.js';
import { parseResult } from './results.js';

export interface SubmitOptions extends Cutting {
  readonly queue: string;
  /** Ends the waiting; the jobs go on. */
  readonly signal: AbortSignal;
  onProgress(progress: ScoreProgress): void;
  /** What the user should know meanwhile, in a line. */
  onNotice(text: string): void;
}

const WEEK = 7 * 24 * 3600;

/** A file whose data is at fault fails at once; what the disk or the network did is tried again. */
const JOB_OPTIONS: JobsOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 1000 },
  // Long enough to ask for the results on Monday.
  removeOnComplete: { age: WEEK },
  removeOnFail: { age: WEEK },
};

/** Events are told as they happen; this is for those that a lost connection swallowed. */
const LOOK_AGAIN_MS = 3000;

export async function scoreByQueue(
  pairs: readonly FilePair[],
  job: Omit<ScoreJob, 'input' | 'output' | 'rows'>,
  options: SubmitOptions,
): Promise<Outcome[]> {
  const outcomes = new Map<FilePair, Outcome>();
  const files: FileJob[] = [];
  for (const pair of pairs) {
    try {
      files.push(await fileJob(pair, job, options));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      outcomes.set(pair, { input: pair.input, failure: error.message });
    }
  }
  const connection = await connect(options.queue);
  try {
    await finish(files, connection, options, (file, outcome) => outcomes.set(file.pair, outcome));
  } finally {
    connection.close();
  }
  return pairs.flatMap((pair) => outcomes.get(pair) ?? []);
}

async function finish(
  files: readonly FileJob[],
  { bullmq, redis, name }: Connection,
  { signal, onProgress, onNotice }: SubmitOptions,
  onOutcome: (file: FileJob, outcome: Outcome) => void,
): Promise<void> {
  const queue = new bullmq.Queue<JobData, unknown>(QUEUE, { connection: redis });
  const flows = new bullmq.FlowProducer({ connection: redis });
  const events = new bullmq.QueueEvents(QUEUE, { connection: redis });
  const pending = new Map(files.map((file) => [file.id, file]));
  const fileOfPart = new Map(files.flatMap(({ id, parts }) => parts.map((part) => [part.id, id] as const)));
  const fileOf = (id: string) => fileOfPart.get(id) ?? id;
  const progress = newOverallProgress(files, onProgress);
  const ignore = () => {}; // they connect again
  queue.on('error', ignore);
  flows.on('error', ignore);
  events.on('error', ignore);
  let timer: NodeJS.Timeout | undefined;

  async function settle(id: string): Promise<void> {
    const file = pending.get(id);
    if (!file) return;
    // The state first: a job that is read before it is done has no result.
    const state = await queue.getJobState(id);
    const job = await queue.getJob(id);
    if (!job) return await add(file);
    if (state === 'completed') {
      await removeParts(file.parts);
      // The paths as the user wrote them.
      const report = { ...parseResult(job.returnvalue).report, ...file.pair };
      progress.done(file);
      onOutcome(file, { input: file.pair.input, report });
      pending.delete(id);
    } else if (state === 'failed') {
      const failure = (await failureOfParts(queue, file)) ?? job.failedReason;
      await job.removeUnprocessedChildren();
      // Parts that are at work would leave their output behind: each tells when it is done.
      const states = await Promise.all(file.parts.map((part) => queue.getJobState(part.id)));
      if (states.includes('active')) return;
      await removeParts(file.parts);
      onOutcome(file, { input: file.pair.input, failure });
      pending.delete(id);
    }
  }

  async function add(file: FileJob): Promise<void> {
    await flows.add(flowOf(file));
  }

  try {
    await events.waitUntilReady();
    for (const file of files) await forgetStale(queue, file);
    for (const file of files) await add(file);
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
      const look = (ids: Iterable<string>) =>
        (async () => {
          for (const id of ids) await settle(id);
          if (pending.size === 0) resolve();
        })().catch(reject);
      events.on('completed', ({ jobId }) => {
        progress.partDone(jobId);
        look([fileOf(jobId)]);
      });
      events.on('failed', ({ jobId }) => look([fileOf(jobId)]));
      events.on('progress', ({ jobId, data }) => progress.at(jobId, data as unknown as JobProgress));
      const again = () =>
        look([...pending.keys()]).then(() => {
          if (pending.size > 0) timer = setTimeout(again, LOOK_AGAIN_MS);
        });
      again();
      tellIfNobodyWorks(queue).catch(reject);
    });
  } finally {
    clearTimeout(timer);
    await Promise.allSettled([queue.close(), flows.close(), events.close()]);
  }

  async function tellIfNobodyWorks(queue: Queue): Promise<void> {
    if (pending.size === 0 || (await queue.getWorkersCount()) > 0) return;
    onNotice(`no worker of this version yet; on each machine: simd-softmax worker --queue ${name}`);
  }
}

/**
 * A job of an earlier run that failed, or whose output is no longer there, is made anew; one that is still to do, or
 * done, is what this run waits for.
 */
async function forgetStale(queue: Queue<JobData, unknown>, file: FileJob): Promise<void> {
  const state = await queue.getJobState(file.id);
  const job = await queue.getJob(file.id);
  if (!job) return;
  const stale = state === 'failed' || (state === 'completed' && !(await isIntact(file, job)));
  if (!stale) return;
  try {
    await job.remove({ removeChildren: true });
  } catch {
    // A part is still at work.
    throw new Failure(
      `Expected no job at work for ${file.pair.input} but received one; try again when it is done`,
    );
  }
}

async function isIntact({ job }: FileJob, { returnvalue }: Job<JobData, unknown>): Promise<boolean> {
  try {
    return isSame(await stampOf(job.output), parseResult(returnvalue).stamp);
  } catch {
    return false;
  }
}

function flowOf({ id, job, stamp, step, parts }: FileJob): FlowJob {
  const opts = { ...JOB_OPTIONS, jobId: id };
  if (parts.length === 0) return { name: 'score', queueName: QUEUE, data: { job, stamp }, opts };
  return {
    name: 'join',
    queueName: QUEUE,
    data: { job, stamp, step },
    opts,
    children: parts.map((part) => ({
      name: 'score',
      queueName: QUEUE,
      data: { job: part.job, stamp: part.stamp },
      opts: { ...JOB_OPTIONS, jobId: part.id, failParentOnFailure: true },
    })),
  };
}

/** A file whose part failed only says so: the part knows why. */
async function failureOfParts(
  queue: Queue<JobData, unknown>,
  { parts }: FileJob,
): Promise<string | undefined> {
  for (const { id } of parts) {
    const job = await queue.getJob(id);
    if (job && (await job.isFailed())) return job.failedReason;
  }
  return undefined;
}

/** Of all files together. */
function newOverallProgress(files: readonly FileJob[], tell: (progress: ScoreProgress) => void) {
  const rows = new Map<string, number>();
  const bytes = new Map<string, number>();
  const partRows = new Map(
    files.flatMap(({ parts }) => parts.map(({ id, rows: [from, to] }) => [id, to - from] as const)),
  );
  const total = files.every((file) => file.rows !== undefined)
    ? files.reduce((sum, file) => sum + (file.rows ?? 0), 0)
    : undefined;
  const bytesTotal = files.reduce((sum, { stamp }) => sum + stamp.size, 0);
  const known = new Set([...files.map(({ id }) => id), ...partRows.keys()]);

  function set(id: string, rowsDone: number, bytesDone: number) {
    rows.set(id, rowsDone);
    bytes.set(id, bytesDone);
    const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
    tell({ rows: sum(rows.values()), total, resumed: 0, bytesRead: sum(bytes.values()), bytesTotal });
  }

  return {
    at(id: string, progress: JobProgress) {
      if (known.has(id)) set(id, progress.rows, progress.bytesRead);
    },
    partDone(id: string) {
      const done = partRows.get(id);
      if (done !== undefined) set(id, done, bytes.get(id) ?? 0);
    },
    done({ id, parts, rows: count, stamp }: FileJob) {
      for (const part of parts) rows.delete(part.id);
      for (const part of parts) bytes.delete(part.id);
      set(id, count ?? rows.get(id) ?? 0, stamp.size);
    },
  };
}
