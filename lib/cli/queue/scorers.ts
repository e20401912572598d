/** The processes that score for a worker, one per job at a time: each is watched, and replaced when it ends. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expected, Failure } from '../failure.js';
import type { JobProgress } from './jobs.js';
import type { JobResult } from './results.js';
import type { Answer, Request, Task } from './tasks.js';

const WATCH_MS = 100;
/** For a process that does not answer: it sits in one long call. */
const GIVE_UP_MS = 5000;
/** Of what a process says before it dies. */
const LAST_WORDS = 4000;
/** A process that ended is once bad luck. */
export const TRIES = 2;

/** The disk or the network may be better next time. */
export class PassingFailure extends Failure {}

/** It ended as many processes as it may. */
export class PoisonedFailure extends Failure {}

interface RunOptions {
  readonly signal?: AbortSignal;
  /** How many processes it may end. Default: 2. */
  readonly tries?: number;
  onProgress?(progress: JobProgress): void;
}

export interface Scorers {
  /** Starts as many processes ahead. */
  prepare(count: number): void;
  /**
   * @throws PassingFailure, PoisonedFailure, or another Failure where another try would end in the same way; the signal's reason where it is
   * aborted.
   */
  run(task: Task, options: RunOptions): Promise<JobResult | undefined>;
  /** Bytes in memory, of all together. */
  readonly resident: number;
  close(): void;
}

interface Scorer {
  readonly child: ChildProcess;
  /** What it said to stderr, at last. */
  words: string;
  resident: number;
  /** Undefined while it lives. */
  end: string | undefined;
  answer: ((answer: Answer) => void) | undefined;
  died: (() => void) | undefined;
}

/** @param memory bytes that each process may have in memory. */
export function newScorers(root: string, memory: number): Scorers {
  const idle: Scorer[] = [];
  const all = new Set<Scorer>();
  let ids = 0;
  const megabytes = Math.round(memory / 2 ** 20);

  function start(): Scorer {
    const child = fork(fileURLToPath(import.meta.url), ['score-for-worker', root], {
      // Ctrl-C is for the worker.
      detached: true,
      execArgv: [`--max-old-space-size=${megabytes}`],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const scorer: Scorer = {
      ...{ child, words: '', resident: 0, end: undefined, answer: undefined, died: undefined },
    };
    all.add(scorer);
    child.stderr?.on('data', (chunk) => {
      scorer.words = `${scorer.words}${chunk}`.slice(-LAST_WORDS);
    });
    child.on('message', (message: Answer) => {
      if ('resident' in message) scorer.resident = message.resident;
      else scorer.answer?.(message);
    });
    child.on('error', () => {}); // it ends then
    child.once('close', (code, signal) => {
      const full = /heap out of memory|Array buffer allocation failed/.test(scorer.words);
      scorer.end ??= full ? `more than ${megabytes} MB of memory` : (signal ?? `exit code ${code}`);
      all.delete(scorer);
      const at = idle.indexOf(scorer);
      if (at >= 0) idle.splice(at, 1);
      scorer.died?.();
    });
    return scorer;
  }

  const watching = setInterval(() => {
    for (const scorer of all) {
      scorer.resident = residentOf(scorer.child.pid) ?? scorer.resident;
      if (scorer.resident <= memory || scorer.end !== undefined) continue;
      scorer.end = `more than ${megabytes} MB of memory`;
      scorer.child.kill('SIGKILL');
    }
  }, WATCH_MS);

  /** Undefined where the process ended. */
  function tryOnce(
    scorer: Scorer,
    task: Task,
    { signal, onProgress }: RunOptions,
  ): Promise<{ result: JobResult | undefined } | undefined> {
    const id = ++ids;
    const send = (request: Request) => scorer.child.send(request, () => {}); // one that cannot be reached ends
    return new Promise((resolve, reject) => {
      let giveUp: NodeJS.Timeout | undefined;
      const cancel = () => {
        send({ cancel: id });
        giveUp = setTimeout(() => scorer.child.kill('SIGKILL'), GIVE_UP_MS);
      };
      const settle = () => {
        clearTimeout(giveUp);
        signal?.removeEventListener('abort', cancel);
        scorer.answer = undefined;
        scorer.died = undefined;
      };
      scorer.answer = (answer) => {
        if ('resident' in answer || answer.id !== id) return;
        if ('progress' in answer) return onProgress?.(answer.progress);
        settle();
        const lives = scorer.end === undefined && !('last' in answer && answer.last);
        if (lives) idle.push(scorer);
        if (signal?.aborted && 'failure' in answer) reject(signal.reason);
        else if ('result' in answer) resolve({ result: answer.result });
        else reject(new (answer.passing ? PassingFailure : Failure)(answer.failure));
      };
      scorer.died = () => {
        settle();
        if (signal?.aborted) reject(signal.reason);
        else resolve(undefined);
      };
      if (scorer.end !== undefined) return scorer.died();
      signal?.addEventListener('abort', cancel, { once: true });
      try {
        send({ id, task });
      } catch (error) {
        // It is nested deeper than can be told; the process has heard nothing of it.
        settle();
        idle.push(scorer);
        reject(expected('a job', 'a scoring process', (error as Error).message));
        return;
      }
      if (signal?.aborted) cancel();
    });
  }

  return {
    prepare(count) {
      while (all.size < count) idle.push(start());
    },
    async run(task, options) {
      const ends: string[] = [];
      while (ends.length < (options.tries ?? TRIES)) {
        const scorer = idle.pop() ?? start();
        const done = await tryOnce(scorer, task, options);
        if (done) return done.result;
        ends.push(scorer.end ?? 'nothing');
      }
      const why = [...new Set(ends)].join(', then ');
      throw new PoisonedFailure(
        `Expected a job that can be scored but received one that ended ${TRIES} processes (${why}): it is poisoned`,
      );
    },
    get resident() {
      return [...all].reduce((sum, { resident }) => sum + resident, 0);
    },
    close() {
      clearInterval(watching);
      for (const { child } of all) if (child.connected) child.disconnect();
    },
  };
}

/** Linux only. */
function residentOf(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kilobytes = status.match(/^VmRSS:\s*(\d+) kB$/m)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
