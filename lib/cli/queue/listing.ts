/** The command `queue`: what waits, runs and failed; with `--retry` what failed is done again. */
import type { FlowProducer, Job, Queue } from 'bullmq';
import { printable } from '../failure.js';
import { number, toJson } from '../report.js';
import { confineTo } from '../root.js';
import { lookOf, print } from '../streams.js';
import { styler } from '../table.js';
import { add, inOurWords, jobOf, reasonOf } from './flows.js';
import { GROUP, parseGroup } from './groups.js';
import { type FileJob, fileJob, type JobData, parseJobData } from './jobs.js';
import { connect } from './server.js';

export interface ListingOptions {
  readonly queue: string;
  readonly retry?: boolean;
  /** Files below it only are looked at, to do again what was done in parts. */
  readonly root: string;
  readonly json?: boolean;
}

const STATES = {
  active: 'running',
  waiting: 'waiting',
  delayed: 'to be tried again',
  'waiting-children': 'in parts',
  failed: 'failed',
} as const;
type State = keyof typeof STATES;

/** Of each state so many are shown, and all are counted. */
const SHOWN = 100;
/** Failed jobs are asked for so many at a time. */
const PAGE = 1000;
const UNREADABLE = 'nobody can read it';

interface Entry {
  readonly state: string;
  readonly file: string;
  readonly rows?: readonly [from: number, to: number] | undefined;
  readonly tries: number;
  readonly reason?: string;
}

export async function list({ queue: url, retry, root, json }: ListingOptions): Promise<void> {
  confineTo(root);
  const server = await connect(url, (text) => void print(process.stderr, `${text}\n`).catch(() => {}));
  const queue = server.queue();
  const flows = server.flows();
  queue.on('error', () => {});
  flows.on('error', () => {});
  try {
    if (retry) await retryFailed(queue, flows);
    const states = Object.keys(STATES) as State[];
    const counts: Record<string, number> = await queue.getJobCounts(...states);
    const workers = await queue.getWorkersCount();
    const entries: Entry[] = [];
    for (const state of states) {
      for (const id of await queue.getRanges([state], 0, SHOWN - 1, true)) {
        const job = await jobOf(queue, id);
        if (job) entries.push(await entryOf(queue, id, job, STATES[state]));
      }
    }
    const named = Object.fromEntries(states.map((state) => [STATES[state], counts[state] ?? 0]));
    const text = json
      ? toJson({ server: server.address.name, workers, counts: named, jobs: entries })
      : listingText(server.address.name, workers, named, entries);
    await print(process.stdout, text);
  } finally {
    await Promise.allSettled([queue.close(), flows.close()]);
    await server.close();
  }
}

async function entryOf(
  queue: Queue<unknown, unknown>,
  id: string,
  job: Job<unknown> | 'unreadable',
  state: string,
): Promise<Entry> {
  if (job === 'unreadable') return { state, file: `job ${id}`, tries: 0, reason: UNREADABLE };
  const [data, ...others] = filesOf(job);
  const { failedReason, attemptsMade: tries } = job;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return {
    state,
    file: data ? `${data.job.input}${more}` : `job ${id}`,
    rows: data?.job.rows,
    tries,
    ...(failedReason ? { reason: await reasonOf(queue, { parts: [] }, failedReason) } : {}),
  };
}

/** None where it is nothing of ours. */
function filesOf({ name, data }: Job<unknown>): JobData[] {
  try {
    return name === GROUP ? parseGroup(data) : [parseJobData(name, data)];
  } catch {
    return [];
  }
}

function listingText(
  name: string,
  workers: number,
  counts: Readonly<Record<string, number>>,
  entries: readonly Entry[],
): string {
  const style = styler(lookOf(process.stdout).colour);
  const width = Math.max(...Object.values(STATES).map((state) => state.length));
  let text = `${name}: ${number.format(workers)} ${workers === 1 ? 'worker' : 'workers'}\n`;
  for (const [state, count] of Object.entries(counts)) {
    text += `${style(count > 0 ? 'bold' : 'dim', `${state.padEnd(width)}  ${number.format(count)}`)}\n`;
    const own = entries.filter((entry) => entry.state === state);
    for (const { file, rows, tries, reason } of own) {
      const range = rows ? ` rows ${rows.join(' to ')}` : '';
      const again = tries > 1 ? ` (tried ${tries} times)` : '';
      text += `  ${printable(file)}${range}${reason ? `: ${printable(reason)}` : ''}${again}\n`;
    }
    if (count > own.length) text += `  and ${number.format(count - own.length)} more\n`;
  }
  return text;
}

/** A file that was done in parts is cut anew: what its parts had left was removed when it failed. */
async function retryFailed(queue: Queue<unknown, unknown>, flows: FlowProducer): Promise<void> {
  let done = 0;
  const left: string[] = [];
  // A page at a time: what is retried is no longer among them.
  for (let passed = 0; ; ) {
    const ids = await queue.getRanges(['failed'], passed, passed + PAGE - 1, true);
    if (ids.length === 0) break;
    for (const id of ids) {
      const job = await jobOf(queue, id);
      const problem =
        typeof job === 'object' ? await retryJob(queue, flows, job) : `job ${id}: ${UNREADABLE}`;
      if (problem === undefined) done++;
      else if (problem === 'a part') passed++;
      else {
        passed++;
        left.push(problem);
      }
    }
  }
  for (const problem of left) await print(process.stderr, `${printable(problem)}\n`);
  await print(process.stderr, `${number.format(done)} ${done === 1 ? 'job is' : 'jobs are'} done again\n`);
}

/** What keeps it from being done again; undefined where nothing does. */
async function retryJob(
  queue: Queue<unknown, unknown>,
  flows: FlowProducer,
  job: Job<unknown>,
): Promise<string | undefined> {
  const [data] = filesOf(job);
  try {
    if (!data) return `job ${job.id}: none of ours`;
    // It is made anew with its file.
    if (job.parentKey && (await isFailedParent(queue, job))) return 'a part';
    if (data.step === undefined) await job.retry('failed');
    else {
      const { input, output, rows, ...options } = data.job;
      const file: FileJob = await fileJob({ input, output }, options, { partRows: data.step });
      await job.remove({ removeChildren: true });
      await add(flows, [file]);
    }
    return undefined;
  } catch (error) {
    return `${data?.job.input ?? job.id}: ${inOurWords((error as Error).message)}`;
  }
}

async function isFailedParent(queue: Queue<unknown, unknown>, { parentKey }: Job<unknown>): Promise<boolean> {
  const parent = await queue.getJob(parentKey?.split(':').at(-1) ?? '');
  return parent !== undefined;
}
