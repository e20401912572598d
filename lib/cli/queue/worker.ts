/** The command `worker`: runs the jobs of a queue until it is told to stop. */
import { hostname } from 'node:os';
import type { Job, Worker } from 'bullmq';
import { expected, Failure, printable } from '../failure.js';
import { number, type Report } from '../report.js';
import { confineTo } from '../root.js';
import { scoreFile } from '../score-file.js';
import { lookOf, print } from '../streams.js';
import { styler } from '../table.js';
import { type Connection, connect, QUEUE } from './connection.js';
import {
  type JobData,
  type JobProgress,
  type Part,
  parseJobData,
  partsOf,
  refuseChanged,
  stampOf,
} from './jobs.js';
import { joinParts, removeParts } from './join.js';
import { npyLayout } from './npy-layout.js';
import { type JobResult, parseResult } from './results.js';

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
  readonly quiet?: boolean;
}

/** How often a job that lost its worker is given to another, before it counts as what ends workers. */
const MOST_STALLS = 3;
const PROGRESS_MS = 500;

export async function work(options: WorkerOptions): Promise<void> {
  const { queue, root, concurrency, rate, stalled, quiet } = options;
  const folder = await confineTo(root);
  const connection = await connect(queue);
  const { bullmq, redis } = connection;
  const giving = new AbortController();
  const style = styler(lookOf(process.stderr).colour);
  const tell = (text: string) => (quiet ? undefined : print(process.stderr, `${text}\n`).catch(() => {}));

  const worker: Worker<JobData, JobResult> = new bullmq.Worker<JobData, JobResult>(
    QUEUE,
    (job, token) => run(job, token, connection, giving.signal),
    {
      connection: redis,
      autorun: false,
      name: `${hostname()}:${process.pid}`,
      concurrency,
      lockDuration: stalled * 1000,
      stalledInterval: stalled * 1000,
      maxStalledCount: MOST_STALLS,
      ...(rate === undefined ? {} : { limiter: { max: rate, duration: 1000 } }),
    },
  );
  worker.on('completed', (job, { report }) => {
    const rows = `${number.format(report.rows)} rows`;
    tell(`${nameOf(job)}: ${rows} in ${report.elapsed.toPrecision(3)} s`);
    if (job.name === 'join') removeJoined(job).catch(() => {});
  });
  worker.on('failed', (job, error) => {
    if (job) tell(`${nameOf(job)}: ${style('bold', 'failed')}: ${printable(error.message)}`);
  });
  worker.on('stalled', (id) => {
    tell(`a job lost its worker and is given to another: ${printable(id)}`);
  });
  let lost = false;
  worker.on('error', (error) => {
    // Every attempt to connect again ends with an error: one line is enough.
    if (redis.status === 'ready') tell(`${error.message}`);
    else if (!lost) tell(`lost ${connection.name} (${error.message}); trying again`);
    lost = redis.status !== 'ready';
  });
  redis.on('ready', () => {
    if (lost) tell(`found ${connection.name} again`);
    lost = false;
  });
  await worker.waitUntilReady();
  const stopped = untilStopped({
    finish: () => tell('no more jobs: ending what is begun (once more gives it back)'),
    giveBack: () => giving.abort(new Error('given back')),
    closed: () => worker.close(),
  });
  tell(`waiting for jobs on ${connection.name}, for files below ${printable(folder)}`);
  await Promise.all([worker.run(), stopped]);
  connection.close();
}

function nameOf({ name, data, id }: Job<JobData>): string {
  try {
    const { job } = parseJobData(name, data);
    const part = job.rows ? ` rows ${job.rows.join(' to ')}` : name === 'join' ? ' joined' : '';
    return printable(`${job.input}${part}`);
  } catch {
    return printable(`job ${id}`);
  }
}

/** The first Ctrl-C finishes, the second gives back; SIGTERM, after which a kill may follow soon, gives back at once. */
async function untilStopped(on: {
  finish(): void;
  giveBack(): void;
  closed(): Promise<void>;
}): Promise<void> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  await new Promise<void>((resolve) => {
    let received = 0;
    function stop(signal: NodeJS.Signals) {
      received = Math.max(received + 1, signal === 'SIGINT' ? 1 : 2);
      if (received > 2) process.exit(130);
      if (received === 1) on.finish();
      else on.giveBack();
      on.closed().then(resolve);
    }
    for (const signal of signals) process.on(signal, stop);
  });
}

async function run(
  job: Job<JobData, JobResult>,
  token: string | undefined,
  { bullmq }: Connection,
  signal: AbortSignal,
): Promise<JobResult> {
  try {
    const data = parseJobData(job.name, job.data);
    const report = data.step === undefined ? await score(job, data, signal) : await join(job, data, signal);
    return { report, stamp: await stampOf(data.job.output) };
  } catch (error) {
    if (signal.aborted) {
      await job.moveToWait(token);
      throw new bullmq.WaitingError();
    }
    // The disk and the network may be better next time; the data will not.
    if (isFinal(error)) throw new bullmq.UnrecoverableError((error as Error).message);
    throw error;
  }
}

/** Whether another try would end in the same way: anything but what the system said. */
function isFinal(error: unknown): boolean {
  const cause = error instanceof Failure ? error.cause : error;
  return !(cause instanceof Error && 'syscall' in cause);
}

async function score(job: Job<JobData, JobResult>, data: JobData, signal: AbortSignal): Promise<Report> {
  await refuseChanged(data);
  let told = performance.now();
  return scoreFile({
    ...data.job,
    signal,
    onProgress({ rows, bytesRead }) {
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      const progress: JobProgress = { rows, bytesRead };
      job.updateProgress({ ...progress }).catch(() => {});
    },
  });
}

async function join(job: Job<JobData, JobResult>, data: JobData, signal: AbortSignal): Promise<Report> {
  const { input } = data.job;
  const values = new Map(
    Object.entries(await job.getChildrenValues()).map(([key, value]) => [key.split(':').at(-1), value]),
  );
  const reportOf = ({ id }: Part): Report => {
    if (!values.has(id)) throw expected(`the result of ${id}`, input, 'none');
    return parseResult(values.get(id)).report;
  };
  return joinParts(data, reportOf, signal);
}

/** What is joined is no longer needed when the job is known to be done. */
async function removeJoined({ name, data }: Job<JobData>): Promise<void> {
  const known = parseJobData(name, data);
  const { layout } = await npyLayout(known.job.input, known.job.axis);
  await removeParts(partsOf(known, layout.rows ?? 0));
}
