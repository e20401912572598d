/**
 * The hidden command `score-for-worker`: a process that scores one job after the other for a worker, so that a file that
 * ends it, or fills its memory, ends nothing else.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { expected, Failure } from '../failure.js';
import type { Report } from '../report.js';
import { confineTo } from '../root.js';
import { scoreFile } from '../score-file.js';
import { type JobData, type Part, parseJobData, partsOf, refuseChanged, stampOf } from './jobs.js';
import { joinParts, removeParts } from './join.js';
import { npyLayout } from './npy-layout.js';
import { type JobResult, parseResult } from './results.js';
import type { Answer, Request, Results, Task } from './tasks.js';
import { refuseHoles } from './text-check.js';

const PROGRESS_MS = 500;
const RESIDENT_MS = 250;

/**
 * Ends this process within two seconds of its worker's end, even where a library blocks the event loop, or the way out:
 * another thread looks who its parent is.
 */
function endWithWorker(): void {
  // Asked here and now: the worker may be gone when the thread begins.
  const watch = `let left = 2;
    setInterval(() => {
      if (process.ppid !== ${process.ppid} && left-- === 0) process.kill(process.pid, 'SIGKILL');
    }, 1000);`;
  new Worker(watch, { eval: true }).unref();
}

export async function scoreForWorker(root: string): Promise<void> {
  const answer = (message: Answer) => process.send?.(message);
  // The worker is told to stop, and tells us.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  // Without a worker nobody waits for the result; what is half written is removed on the way out. Node would then wait for
  // DuckDB's threads, and those for a scalar function, which nobody calls any more: the last on the way out ends the process.
  process.on('disconnect', () => {
    process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
    process.exit(0);
  });
  endWithWorker();
  confineTo(root);
  // If the machine runs out of memory, this process is the one to end.
  await writeFile('/proc/self/oom_score_adj', '500').catch(() => {});
  let current: { readonly id: number; readonly cancelling: AbortController } | undefined;

  process.on('message', (request: Request) => {
    if ('cancel' in request) {
      if (current?.id === request.cancel) current.cancelling.abort(new Error('given back'));
      return;
    }
    const { id, task } = request;
    const cancelling = new AbortController();
    current = { id, cancelling };
    let told = performance.now();
    const tell: Tell = (progress) => {
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      answer({ id, progress });
    };
    runTask(task, cancelling, tell).then(
      (result) => answer({ id, result }),
      (error) => answer({ id, ...toldOf(error) }),
    );
  });
  // Of a library that lost track of a promise: the job is at fault, and this process no longer to be trusted.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      if (current) process.send?.({ id: current.id, ...toldOf(error), last: true }, () => process.exit(1));
      else process.exit(1);
    });
  }
  // Where the worker cannot see how much memory we have.
  if (!existsSync('/proc/self/status')) {
    setInterval(() => answer({ resident: process.memoryUsage.rss() }), RESIDENT_MS);
  }
  await new Promise(() => {});
}

function toldOf(error: unknown): { failure: string; passing: boolean } {
  const failure = error instanceof Error ? error.message : String(error);
  // The disk and the network may be better next time; the data will not.
  const cause = error instanceof Failure ? error.cause : error;
  return { failure, passing: cause instanceof Error && 'syscall' in cause };
}

type Tell = (progress: { rows: number; bytesRead: number }) => void;

async function runTask(task: Task, stopping: AbortController, tell: Tell): Promise<JobResult | undefined> {
  const data = parseJobData(task.name, task.data);
  if (task.kind === 'remove-parts') {
    const { layout } = await npyLayout(data.job.input, data.job.axis);
    await removeParts(partsOf(data, layout.rows ?? 0));
    return undefined;
  }
  let bytes = 0;
  const report =
    data.step === undefined
      ? await score(data, stopping, (progress) => {
          bytes = progress.bytesRead;
          tell(progress);
        })
      : await join(data, task.results, stopping.signal);
  const stamp = stampOf(data.job.output);
  return { report, stamp, bytes: data.step === undefined ? bytes : stamp.size };
}

async function score(data: JobData, stopping: AbortController, tell: Tell): Promise<Report> {
  refuseChanged(data);
  await refuseHoles(data.job);
  const report = await scoreFile({
    ...data.job,
    signal: stopping.signal,
    onProgress({ rows, bytesRead }) {
      if (bytesRead > data.stamp.size) {
        stopping.abort(expected(`${data.stamp.size} bytes`, data.job.input, 'a file that grows'));
      }
      tell({ rows, bytesRead });
    },
  });
  refuseChanged(data);
  return report;
}

async function join(data: JobData, results: Results, signal: AbortSignal): Promise<Report> {
  const reportOf = ({ id }: Part): Report => {
    if (!Object.hasOwn(results, id)) throw expected(`the result of ${id}`, data.job.input, 'none');
    return parseResult(results[id]).report;
  };
  return joinParts(data, reportOf, signal);
}
