/** `score --queue`: hands the files to the workers, and waits for them. */
import type { Job, Queue } from 'bullmq';
import { Failure } from '../failure.js';
import type { FilePair } from '../inputs.js';
import type { ScoreJob, ScoreProgress } from '../score-job.js';
import type { Outcome } from '../summary.js';
import { eachAtOnce } from './at-once.js';
import { isPassing, refusal } from './faults.js';
import { add, jobOf, reasonOf } from './flows.js';
import { type Group, isGroup, isIntact, resultsOfGroup, type Unit, unitsOf } from './groups.js';
import { type Cutting, type FileJob, fileJob, type JobProgress } from './jobs.js';
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
/** Looks at many files take at most this part of the time. */
const LOOKING = 1 / 20;
/** So many jobs, files and parts, are made together: the first are at work while others are made. */
const FIRST_TOGETHER = 4;
const TOGETHER = 64;

export async function scoreByQueue(
  pairs: readonly FilePair[],
  job: Omit<ScoreJob, 'input' | 'output' | 'rows'>,
  options: SubmitOptions,
): Promise<Outcome[]> {
  const outcomes = new Map<FilePair, Outcome>();
  const files: FileJob[] = [];
  async function lookAtFiles(): Promise<void> {
    for (const pair of pairs) {
      try {
        files.push(await fileJob(pair, job, options));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        outcomes.set(pair, { input: pair.input, failure: error.message });
      }
    }
  }
  // The server answers while files are looked at.
  const connecting = connect(options.queue, options.onNotice);
  const [looked] = await Promise.allSettled([lookAtFiles(), connecting]);
  const server = await connecting;
  try {
    if (looked.status === 'rejected') throw looked.reason;
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
  /** Whose jobs are made, or being made. */
  const pending = new Map<string, Unit>();
  let made = false;
  /** Groups whose files are jobs of their own now. */
  const failed = new Set<string>();
  const fileOfPart = new Map(files.flatMap(({ id, parts }) => parts.map((part) => [part.id, id] as const)));
  const fileOf = (id: string) => fileOfPart.get(id) ?? id;
  const progress = newOverallProgress(files, onProgress);
  let timer: NodeJS.Timeout | undefined;
  let warned = false;

  async function settle(id: string): Promise<void> {
    const unit = pending.get(id);
    if (!unit) return;
    // The state first: a job that is read before it is done has no result.
    const state = await queue.getJobState(id);
    const job = await jobOf(queue, id);
    if (job === 'unreadable') return; // a worker will remove it
    if (!job) await add(flows, [unit]);
    else if (state === 'completed') await complete(unit, job.returnvalue);
    else if (state === 'failed') await fail(unit, job);
  }

  async function complete(unit: Unit, result: unknown): Promise<void> {
    if (isGroup(unit)) return await completeGroup(unit, result);
    await removeParts(unit.parts);
    if (!pending.delete(unit.id)) return; // somebody else looked meanwhile
    report(unit, result);
  }

  async function completeGroup({ id, files }: Group, result: unknown): Promise<void> {
    if (!pending.delete(id)) return;
    const results = resultsOfGroup(result);
    const others: FileJob[] = [];
    for (const file of files) {
      if (results.has(file.id)) report(file, results.get(file.id));
      else others.push(file);
    }
    // The worker has made them jobs of their own, which may be done.
    for (const file of others) pending.set(file.id, file);
    await eachAtOnce(others, (file) => settle(file.id));
  }

  function report(file: FileJob, result: unknown): void {
    progress.done(file);
    onOutcome(file, outcomeOf(file, result));
  }

  async function fail(unit: Unit, job: Job<unknown, unknown>): Promise<void> {
    if (isGroup(unit)) {
      if (failed.has(unit.id)) return;
      failed.add(unit.id);
      // It lost its workers; one of its files may be at fault, not all.
      await make(unit.files);
      pending.delete(unit.id);
      return;
    }
    const failure = await reasonOf(queue, unit, job.failedReason);
    await job.removeUnprocessedChildren();
    // Parts that are at work would leave their output behind: each tells when it is done.
    const states = await Promise.all(unit.parts.map((part) => queue.getJobState(part.id)));
    if (states.includes('active')) return;
    await removeParts(unit.parts);
    if (pending.delete(unit.id)) onOutcome(unit, { input: unit.pair.input, failure });
  }

  /** Makes their jobs, and takes those that an earlier run has done, of which nothing is told. */
  async function make(units: readonly Unit[]): Promise<void> {
    const known: string[] = [];
    await eachAtOnce(units, async (unit) => {
      if (await watch.patiently(() => forgetStale(queue, unit))) known.push(unit.id);
      pending.set(unit.id, unit);
    });
    await watch.patiently(() => add(flows, units));
    await lookAt(known);
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
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
      const settled = (task: Promise<void>) =>
        task
          .then(() => {
            if (made && pending.size === 0) resolve();
          })
          .catch(reject);
      const look = (ids: Iterable<string>) => settled(lookAt(ids));
      events.on('completed', ({ jobId, returnvalue }) => {
        progress.partDone(jobId);
        const unit = pending.get(jobId);
        // The event says what the job answered: no need to ask for it.
        if (unit) settled(watch.patiently(() => complete(unit, returnvalue)));
        else if (fileOfPart.has(jobId)) look([fileOf(jobId)]);
      });
      events.on('failed', ({ jobId }) => look([fileOf(jobId)]));
      events.on('progress', ({ jobId, data }) => progress.at(jobId, data as unknown as JobProgress));
      const again = (after: number) => {
        timer = setTimeout(async () => {
          const begun = performance.now();
          await look([...pending.keys()]);
          if (pending.size === 0) return;
          await countWorkers().catch(reject);
          again(Math.max(LOOK_AGAIN_MS, (performance.now() - begun) / LOOKING));
        }, after);
      };
      const makeAll = async () => {
        for (const units of together(unitsOf(files))) await make(units);
        made = true;
        await countWorkers();
        if (pending.size > 0) again(LOOK_AGAIN_MS);
      };
      settled(makeAll());
    });
  } finally {
    clearTimeout(timer);
    watch.stop();
    await Promise.allSettled([queue.close(), flows.close(), events.close()]);
  }
}

/** In their order, as many at a time as make `TOGETHER` jobs, but for the first. */
function* together(units: readonly Unit[]): Generator<Unit[]> {
  let some: Unit[] = [];
  let jobs = 0;
  let enough = FIRST_TOGETHER;
  for (const unit of units) {
    some.push(unit);
    jobs += isGroup(unit) ? 1 : 1 + unit.parts.length;
    if (jobs < enough) continue;
    yield some;
    some = [];
    jobs = 0;
    enough = TOGETHER;
  }
  if (some.length > 0) yield some;
}

/**
 * A job of an earlier run that failed, or whose output is no longer there, is made anew; one that is still to do, or
 * done, is what this run waits for.
 * @returns whether there is such a one.
 */
async function forgetStale(queue: Queue<unknown, unknown>, unit: Unit): Promise<boolean> {
  if (!(await jobOf(queue, unit.id))) return false;
  const state = await queue.getJobState(unit.id);
  const job = await jobOf(queue, unit.id);
  if (!job) return false;
  if (job === 'unreadable') {
    await queue.remove(unit.id);
    return false;
  }
  const stale = state === 'failed' || (state === 'completed' && !isIntact(unit, job.returnvalue));
  if (!stale) return true;
  try {
    await job.remove({ removeChildren: true });
    return false;
  } catch (error) {
    if (isPassing(error)) throw error;
    // A part is still at work.
    const { pair } = isGroup(unit) ? unit.files[0] : unit;
    throw new Failure(
      `Expected no job at work for ${pair.input} but received one; try again when it is done`,
    );
  }
}

function outcomeOf({ pair }: FileJob, result: unknown): Outcome {
  try {
    // The paths as the user wrote them.
    return { input: pair.input, report: { ...parseResult(result).report, ...pair } };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { input: pair.input, failure: error.message };
  }
}
