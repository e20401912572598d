/** The command `worker`: runs the jobs of a queue until it is told to stop. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { Failure, printable } from '../failure.js';
import { number } from '../report.js';
import { confineTo } from '../root.js';
import { lookOf, print } from '../streams.js';
import { styler } from '../table.js';
import type { AnyJob } from './backend.js';
import { refusal } from './faults.js';
import { addAlone, jobOf } from './flows.js';
import { GROUP, parseGroup, resultsOfGroup } from './groups.js';
import { idOf, type JobData, parseJobData } from './jobs.js';
import { NoLane, newLanes } from './lanes.js';
import { newMetrics, serveMetrics } from './metrics.js';
import { type JobResult, parseResult } from './results.js';
import { newScorers, PassingFailure, PoisonedFailure, type Scorers, TRIES } from './scorers.js';
import { connect, promptly, type Server } from './server.js';
import { untilStopped } from './stopping.js';
import type { Results } from './tasks.js';
import { newWatch } from './watch.js';

export interface WorkerOptions {
  readonly queue: string;
  /** Files below it only are touched. */
  readonly root: string;
  /** Jobs at a time. */
  readonly concurrency: number;
  /** Jobs that all workers together begin per second. */
  readonly rate?: number;
  /** How many seconds after its last sign of life a worker counts as lost, and its jobs are given to others. */
  readonly stalled: number;
  /** Megabytes that the scoring of a job may have in memory. */
  readonly memory: number;
  /** Where to answer to Prometheus: a port, or host:port. */
  readonly metrics?: string;
  readonly quiet?: boolean;
}

/** How often a job that lost its worker is given to another. With the next loss it counts as what ends workers. */
const MOST_STALLS = 2;
const UNLOCK_TRIES = 20;
/** So long a server that is lost may hold up the end. */
const CLOSE_MS = 2000;

export async function work(options: WorkerOptions): Promise<void> {
  const { queue, root, quiet } = options;
  const tell = (text: string): void => {
    if (!quiet) print(process.stderr, `${text}\n`).catch(() => {});
  };
  const folder = confineTo(root);
  const server = await connect(queue, tell);
  const scorers = newScorers(folder, options.memory * 2 ** 20);
  try {
    await workOn(server, scorers, options, tell, () =>
      tell(`waiting for jobs on ${server.address.name}, for files below ${printable(folder)}`),
    );
  } finally {
    scorers.close();
    await settled(server.close());
    // A connection that BullMQ cannot close keeps nobody here.
    setTimeout(() => process.exit(), CLOSE_MS).unref();
  }
}

async function workOn(
  server: Server,
  scorers: Scorers,
  { concurrency, rate, stalled, metrics: where }: WorkerOptions,
  tell: (text: string) => void,
  onReady: () => void,
): Promise<void> {
  const metrics = newMetrics();
  const giving = new AbortController();
  const queue = server.queue();
  let running = 0;
  const lanes = newLanes(concurrency, (jobs) => {
    worker.concurrency = jobs;
  });
  const worker = server.worker(
    async (job, token) => {
      running++;
      try {
        return await lanes.run(job.stalledCounter > 0, async () => {
          metrics.begun();
          return await run(job, { scorers, queue, signal: giving.signal }).finally(metrics.ended);
        });
      } catch (error) {
        if (giving.signal.aborted || error instanceof NoLane) {
          await job.moveToWait(token);
          throw new server.bullmq.WaitingError();
        }
        // The data will be the same next time.
        if (error instanceof Failure && !(error instanceof PassingFailure)) {
          throw new server.bullmq.UnrecoverableError(error.message);
        }
        throw error;
      } finally {
        running--;
      }
    },
    {
      autorun: false,
      name: `${hostname()}:${process.pid}`,
      concurrency,
      // A loss is seen when the lock has run out, at the second look.
      lockDuration: Math.ceil(stalled * 500),
      stalledInterval: Math.ceil(stalled * 500),
      maxStalledCount: MOST_STALLS,
      runRetryDelay: 1000,
      ...(rate === undefined ? {} : { limiter: { max: rate, duration: 1000 } }),
    },
  );
  const watch = newWatch(server, {
    tell,
    // BullMQ would ask a server that is full again and again without a pause.
    onLost: () => void worker.pause(true).catch(() => {}),
    onFound: () => worker.resume(),
  });
  const style = styler(lookOf(process.stderr).colour);
  worker.on('error', watch.report);
  worker.on('stalled', (id) => {
    tell(`a job lost its worker and is given to another: ${printable(id)}`);
    removeHopeless(queue, id, stalled).then(
      (removed) => removed && tell(`a job that nobody can begin is removed: ${printable(id)}`),
      watch.report,
    );
  });
  worker.on('completed', (job, value) => {
    const waited = ((job.processedOn ?? 0) - job.timestamp) / 1000;
    const done = (what: string, given: unknown) => {
      const result = parseResult(given);
      const { rows, elapsed } = result.report;
      metrics.completed(result, job.name === 'join', waited);
      tell(`${what}: ${number.format(rows)} rows in ${elapsed.toPrecision(3)} s`);
    };
    if (job.name === GROUP) {
      const files = new Map(parseGroup(job.data).map((file) => [idOf(file), file]));
      for (const [id, result] of resultsOfGroup(value)) done(fileName(files.get(id)), result);
      return;
    }
    done(nameOf(job), value);
    const { name, data } = job;
    if (name === 'join') scorers.run({ kind: 'remove-parts', name, data }, {}).catch(() => {});
  });
  worker.on('failed', (job, error) => {
    metrics.failed();
    if (job) tell(`${nameOf(job)}: ${style('bold', 'failed')}: ${printable(error.message)}`);
  });

  queue.on('error', watch.report);
  const listening =
    where === undefined
      ? undefined
      : await serveMetrics(where, metrics, {
          counts: () => queue.getJobCounts('waiting', 'delayed', 'active', 'completed', 'failed'),
          isHealthy: () => !watch.lost,
          resident: () => scorers.resident,
        });
  /** What runs is waited for; a server that is lost, even meanwhile, is not. */
  async function closed(): Promise<void> {
    let done = false;
    const closing = worker.close().then(
      () => (done = true),
      () => (done = true),
    );
    while (!done && !(watch.lost && running === 0)) {
      await Promise.race([closing, sleep(CLOSE_MS, undefined, { ref: false })]);
    }
  }

  try {
    await promptly(worker.waitUntilReady()).catch((error) => {
      throw refusal(error, 'asking for jobs', server.address);
    });
    const stopped = untilStopped({
      finish() {
        tell('no more jobs: ending what is begun (once more gives it back)');
        lanes.close();
      },
      giveBack() {
        giving.abort(new Error('given back'));
        lanes.close();
      },
      closed,
    });
    if (listening) tell(`metrics on ${listening.url}/metrics`);
    onReady();
    scorers.prepare(concurrency);
    worker.run().catch(watch.report);
    await stopped;
  } finally {
    watch.stop();
    listening?.close();
    await settled(Promise.allSettled([worker.close(true), queue.close()]));
  }
}

/**
 * BullMQ takes a job that it cannot read or begin, because somebody wrote it there, and would find it lost again and again.
 * @returns whether it was such a one.
 */
async function removeHopeless(queue: Queue<unknown, unknown>, id: string, stalled: number): Promise<boolean> {
  const job = await jobOf(queue, id);
  // Whoever begins a job that was lost so often fails it.
  const hopeless = job === 'unreadable' || (job && job.stalledCounter > MOST_STALLS + 1);
  if (!hopeless) return false;
  // Whoever took it meanwhile has locked it, for half of this time.
  for (let tries = 0; tries < UNLOCK_TRIES; tries++) {
    if ((await queue.remove(id)) > 0) return true;
    await sleep((1000 * stalled) / UNLOCK_TRIES, undefined, { ref: false });
  }
  return false;
}

/** What a lost server would hold up for ever. */
async function settled(task: Promise<unknown>): Promise<void> {
  await Promise.race([task.catch(() => {}), sleep(CLOSE_MS, undefined, { ref: false })]);
}

interface Running {
  readonly scorers: Scorers;
  readonly queue: Queue<unknown, unknown>;
  /** Gives the job back. */
  readonly signal: AbortSignal;
}

async function run(job: AnyJob, running: Running) {
  const { scorers, signal } = running;
  const { name, data } = job;
  if (name === GROUP) return await runGroup(parseGroup(data), running);
  const results = name === 'join' ? await resultsOfParts(job) : {};
  const tries = hasEndedOne(data) ? TRIES - 1 : TRIES;
  return await scorers.run(
    { kind: 'run', name, data, results },
    { signal, tries, onProgress: (progress) => void job.updateProgress({ ...progress }).catch(() => {}) },
  );
}

/** Returns the results of those that came out plainly; the others are jobs of their own from now on. */
async function runGroup(files: readonly JobData[], { scorers, queue, signal }: Running) {
  const results: Record<string, JobResult | undefined> = {};
  const others: JobData[] = [];
  for (const data of files) {
    try {
      const task = { kind: 'run', name: 'score', data, results: {} } as const;
      results[idOf(data)] = await scorers.run(task, { signal, tries: 1 });
    } catch (error) {
      if (signal.aborted || !(error instanceof Failure)) throw error;
      others.push(error instanceof PoisonedFailure ? { ...data, endedOne: true } : data);
    }
  }
  await addAlone(queue, others);
  return results;
}

/** Of data that anybody may have written. */
function hasEndedOne(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'endedOne' in data;
}

async function resultsOfParts(job: AnyJob): Promise<Results> {
  const values = await job.getChildrenValues();
  // Before the id stands how the server calls the queue.
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key.split(':').at(-1), value]));
}

function fileName(data: JobData | undefined): string {
  return printable(data?.job.input ?? 'a file');
}

function nameOf({ name, data, id }: AnyJob): string {
  try {
    if (name === GROUP) {
      const files = parseGroup(data);
      return `${fileName(files[0])} and ${files.length - 1} more`;
    }
    const { job } = parseJobData(name, data);
    const part = job.rows ? ` rows ${job.rows.join(' to ')}` : name === 'join' ? ' joined' : '';
    return printable(`${job.input}${part}`);
  } catch {
    return printable(`job ${id}`);
  }
}
