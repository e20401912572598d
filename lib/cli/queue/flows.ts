/** How a file's job stands on the server: alone, or behind its parts. */
import type { FlowJob, FlowProducer, JobsOptions, Queue } from 'bullmq';
import type { FileJob } from './jobs.js';
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

/** All of them with one question to the server. */
export async function add(flows: FlowProducer, files: readonly FileJob[]): Promise<void> {
  await flows.addBulk(files.map(flowOf));
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
