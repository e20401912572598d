/** `score --queue`: hands the files to the workers, and waits for them. */
import type { Job, Queue } from 'bullmq';
import { Failure } from '../failure.js';
import type { FilePair } from '../inputs.js';
import type { ScoreJob, ScoreProgress } from '../score-job.js';
import type { Outcome } from '../summary.js';
import { eachAtOnce } from './at-once.js';
import { isPassing, refusal } from './faults.js';
import { add, reasonOf } from './flows.js';
import { type Cutting, type FileJob, fileJob, isSame, type JobProgress, stampOf } from './jobs.js';
import { removeParts } from './join.js';
import { newOverallProgress } from './overall-progress.js';
import { parseResult } from './results.js';
import { connect, promptly, type Server } from './server.js';
import { newWatch } from './watch.js';

export interface SubmitOptions extends Cutting {
  readonly queue: string;
  /** Ends the waiting; the jobs go on. */
  readonly signal: AbortSignal;
  onProgress(progress: ScoreProgress): void;
  /** What the user should know meanwhile, in a line. */
  onNotice(text: string): void;
}

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
  const server = await connect(options.queue, options.onNotice);
  try {
    await finish(files, server, options, (file, outcome) => outcomes.set(file.pair, outcome));
  } finally {
    await server.close();
  }
  return pairs.flatMap((pair) => outcomes.get(pair) ?? []);
}

async function finish(
  files: readonly FileJob[],
  server: Server,
  { signal, onProgress, onNotice }: SubmitOptions,
  onOutcome: (file: FileJob, outcome: Outcome) => void,
): Promise<void> {
  const watch = newWatch(server, { tell: onNotice });
  const queue = server.queue();
  const flows = server.flows();
  const events = server.events();
  queue.on('error', watch.report);
  flows.on('error', watch.report);
  events.on('error', watch.report);
  const pending = new Map(files.map((file) => [file.id, file]));
  const fileOfPart = new Map(files.flatMap(({ id, parts }) => parts.map((part) => [part.id, id] as const)));
  const fileOf = (id: string) => fileOfPart.get(id) ?? id;
  const progress = newOverallProgress(files, onProgress);
  let timer: NodeJS.Timeout | undefined;
  let warned = false;

  async function settle(id: string): Promise<void> {
    const file = pending.get(id);
    if (!file) return;
    // The state first: a job that is read before it is done has no result.
    const state = await queue.getJobState(id);
    const job = await queue.getJob(id);
    if (!job) return await add(flows, file);
    if (state === 'completed') {
      await removeParts(file.parts);
      if (!pending.delete(id)) return; // somebody else looked meanwhile
      progress.done(file);
      onOutcome(file, outcomeOf(file, job));
    } else if (state === 'failed') {
      const failure = await reasonOf(queue, file, job.failedReason);
      await job.removeUnprocessedChildren();
      // Parts that are at work would leave their output behind: each tells when it is done.
      const states = await Promise.all(file.parts.map((part) => queue.getJobState(part.id)));
      if (states.includes('active')) return;
      await removeParts(file.parts);
      if (pending.delete(id)) onOutcome(file, { input: file.pair.input, failure });
    }
  }

  function lookAt(ids: Iterable<string>): Promise<void> {
    return eachAtOnce(ids, (id) => watch.patiently(() => settle(id)));
  }

  async function countWorkers(): Promise<void> {
    const workers = await watch.patiently(() => queue.getWorkersCount());
    progress.workers(workers);
    if (workers > 0 || pending.size === 0 || warned) return;
    warned = true;
    onNotice(
      `no worker of this version yet; on each machine: simd-softmax worker ${server.address.name} --root FOLDER`,
    );
  }

  try {
    await promptly(events.waitUntilReady()).catch((error) => {
      throw refusal(error, 'waiting for its first word', server.address);
    });
    await eachAtOnce(files, (file) => watch.patiently(() => forgetStale(queue, file)));
    await eachAtOnce(files, (file) => watch.patiently(() => add(flows, file)));
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
      const look = (ids: Iterable<string>) =>
        lookAt(ids)
          .then(() => {
            if (pending.size === 0) resolve();
          })
          .catch(reject);
      events.on('completed', ({ jobId }) => {
        progress.partDone(jobId);
        look([fileOf(jobId)]);
      });
      events.on('failed', ({ jobId }) => look([fileOf(jobId)]));
      events.on('progress', ({ jobId, data }) => progress.at(jobId, data as unknown as JobProgress));
      const again = async () => {
        await look([...pending.keys()]);
        if (pending.size === 0) return;
        await countWorkers().catch(reject);
        timer = setTimeout(again, LOOK_AGAIN_MS);
      };
      again();
    });
  } finally {
    clearTimeout(timer);
    watch.stop();
    await Promise.allSettled([queue.close(), flows.close(), events.close()]);
  }
}

/**
 * A job of an earlier run that failed, or whose output is no longer there, is made anew; one that is still to do, or
 * done, is what this run waits for.
 */
export async function forgetStale(queue: Queue<unknown, unknown>, file: FileJob): Promise<void> {
  if (!(await queue.getJob(file.id))) return;
  const state = await queue.getJobState(file.id);
  const job = await queue.getJob(file.id);
  if (!job) return;
  const stale = state === 'failed' || (state === 'completed' && !(await isIntact(file, job)));
  if (!stale) return;
  try {
    await job.remove({ removeChildren: true });
  } catch (error) {
    if (isPassing(error)) throw error;
    // A part is still at work.
    throw new Failure(
      `Expected no job at work for ${file.pair.input} but received one; try again when it is done`,
    );
  }
}

function outcomeOf({ pair }: FileJob, { returnvalue }: Job<unknown, unknown>): Outcome {
  try {
    // The paths as the user wrote them.
    return { input: pair.input, report: { ...parseResult(returnvalue).report, ...pair } };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { input: pair.input, failure: error.message };
  }
}

async function isIntact({ job }: FileJob, { returnvalue }: Job<unknown, unknown>): Promise<boolean> {
  try {
    return isSame(await stampOf(job.output), parseResult(returnvalue).stamp);
  } catch {
    return false;
  }
}
