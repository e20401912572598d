/** The command `worker`: runs the jobs of a queue until it is told to stop. */
import { hostname } from 'node:os';
import type { Job, Worker } from 'bullmq';
import { Failure } from '../failure.js';
import { number, type Report } from '../report.js';
import { scoreFile } from '../score-file.js';
import { lookOf, write } from '../streams.js';
import { styler } from '../table.js';
import { type Connection, connect, QUEUE } from './connection.js';
import {
  type JobData,
  type JobProgress,
  type JobResult,
  refuseChanged,
  removeParts,
  stampOf,
} from './jobs.js';
import { type Joining, joinParts } from './join.js';

export interface WorkerOptions {
  readonly queue: string;
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
  const { queue, concurrency, rate, stalled, quiet } = options;
  const connection = await connect(queue);
  const { bullmq, redis } = connection;
  const giving = new AbortController();
  const style = styler(lookOf(process.stderr).colour);
  const tell = (text: string) => (quiet ? undefined : write(process.stderr, `${text}\n`).catch(() => {}));

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
    if (job.name === 'join') removeParts(job.data as Joining).catch(() => {});
  });
  worker.on('failed', (job, error) => {
    if (job) tell(`${nameOf(job)}: ${style('bold', 'failed')}: ${error.message}`);
  });
  worker.on('stalled', (id) => {
    tell(`a job lost its worker and is given to another: ${id}`);
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
  tell(`waiting for jobs on ${connection.name}`);
  await Promise.all([worker.run(), stopped]);
  connection.close();
}

function nameOf({ name, data }: Job<JobData>): string {
  const { job } = data;
  return job.rows
    ? `${job.input} rows ${job.rows.join(' to ')}`
    : `${job.input}${name === 'join' ? ' joined' : ''}`;
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
    const report = job.name === 'join' ? await join(job, signal) : await score(job, signal);
    return { report, stamp: await stampOf(job.data.job.output) };
  } catch (error) {
    if (signal.aborted) {
      await job.moveToWait(token);
      throw new bullmq.WaitingError();
    }
    // The disk and the network may be better next time; the data will not.
    if (error instanceof Failure && error.cause === undefined) {
      throw new bullmq.UnrecoverableError(error.message);
    }
    throw error;
  }
}

async function score(job: Job<JobData, JobResult>, signal: AbortSignal): Promise<Report> {
  await refuseChanged(job.data);
  let told = performance.now();
  return scoreFile({
    ...job.data.job,
    signal,
    onProgress({ rows, bytesRead }) {
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      const progress: JobProgress = { rows, bytesRead };
      job.updateProgress({ ...progress }).catch(() => {});
    },
  });
}

async function join(job: Job<JobData, JobResult>, signal: AbortSignal): Promise<Report> {
  const joining = job.data as Joining;
  const values = await job.getChildrenValues<JobResult>();
  const byId = new Map(Object.entries(values).map(([key, { report }]) => [key.split(':').at(-1), report]));
  const reports = joining.parts.map(({ id }) => {
    const report = byId.get(id);
    if (!report) throw new Failure(`Expected the result of ${id} for ${joining.job.input} but received none`);
    return report;
  });
  return joinParts(joining, reports, signal);
}
