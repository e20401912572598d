/** How a file's job stands on the server: alone, or behind its parts. */
import type { FlowJob, FlowProducer, Job, JobsOptions, Queue } from 'bullmq';
import { isPassing } from './faults.js';
import { GROUP, isGroup, type Unit } from './groups.js';
import { type FileJob, idOf, type JobData } from './jobs.js';
import { QUEUE } from './names.js';

const WEEK = 7 * 24 * 3600;

/** A file whose data is at fault fails at once; what the disk or the network did is tried again. */
const JOB_OPTIONS: JobsOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 1000 },
  // Long enough to ask for the results on Monday.
  removeOnComplete: { age: WEEK },
  removeOnFail: { age: WEEK },
};

/** Undefined where there is none; unreadable where others than we have written it. */
export async function jobOf(
  queue: Queue<unknown, unknown>,
  id: string,
): Promise<Job<unknown, unknown> | 'unreadable' | undefined> {
  try {
    return await queue.getJob(id);
  } catch (error) {
    if (isPassing(error)) throw error;
    return 'unreadable';
  }
}

/** All of them with one question to the server. */
export async function add(flows: FlowProducer, units: readonly Unit[]): Promise<void> {
  await flows.addBulk(units.map(flowOf));
}

/** Files of a group that are to be jobs of their own. What an earlier run says of them is forgotten. */
export async function addAlone(queue: Queue<unknown, unknown>, files: readonly JobData[]): Promise<void> {
  for (const data of files) {
    const jobId = idOf(data);
    await queue.remove(jobId); // nothing happens to one that is at work
    await queue.add('score', data, { ...JOB_OPTIONS, jobId });
  }
}

function flowOf(unit: Unit): FlowJob {
  const opts = { ...JOB_OPTIONS, jobId: unit.id };
  if (isGroup(unit)) {
    const files = unit.files.map(({ job, stamp }) => ({ job, stamp }));
    return { name: GROUP, queueName: QUEUE, data: { files }, opts };
  }
  const { job, stamp, step, parts } = unit;
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

/** Why a job failed. A file whose part failed only says so: the part knows why. */
export async function reasonOf(
  queue: Queue<unknown, unknown>,
  { parts }: Pick<FileJob, 'parts'>,
  reason: string,
): Promise<string> {
  for (const { id } of parts) {
    const job = await queue.getJob(id);
    if (job && (await job.isFailed())) return inOurWords(job.failedReason);
  }
  return inOurWords(reason);
}

/** BullMQ's own reason for a job whose workers were lost. */
export function inOurWords(reason: string): string {
  return /stalled more than/.test(reason)
    ? 'Expected a job that can be scored but received one that lost its worker again and again: it is poisoned'
    : String(reason);
}
