/** `--resume`: an unfinished output under a name of its own, and beside it a journal of how far it is, and of what. */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { expectedUsage, orSystemFailure, systemFailure } from './failure.js';
import { splitMember } from './input.js';
import { lock } from './lock.js';
import type { Output, Temporary } from './output.js';
import { targetOf } from './root.js';
import type { ScoreJob } from './score-job.js';
import type { Count } from './tally.js';

/** A place in the middle of a run from which it can go on. */
export interface Milestone {
  /** Rows of the input that are done. */
  readonly end: number;
  /** Rows written: fewer where bad ones were left out. */
  readonly rows: number;
  /** Bytes of the unfinished output. */
  readonly bytes: number;
  readonly bad: Count;
  readonly nan: Count;
  readonly correct: number;
  /** What the writer has to remember. */
  readonly writer?: unknown;
}

export interface Resumption {
  readonly place: Temporary;
  /** How far the earlier run came; undefined where there was none of the same input and options. */
  readonly since: Milestone | undefined;
  /** To be called after each batch. */
  reached(milestone: Milestone, output: Output): Promise<void>;
  remove(): Promise<void>;
  /** To be called at the end, whatever it was. */
  unlock(): Promise<void>;
}

/** How much work an interruption may cost, after a SIGKILL or a power cut too. */
const MOST_BYTES = 1 << 28;
const MOST_MS = 2000;

/** @param possible false where the output can only begin anew. */
export async function resumption(options: ScoreJob, possible: boolean): Promise<Resumption> {
  const { input, output } = options;
  if (output === undefined || output === '-') {
    throw expectedUsage('a file as -o', '--resume', output ?? 'no output');
  }
  if (input === '-') throw expectedUsage('a file as input', '--resume', 'stdin');
  const job = await jobOf(options);
  const { target } = orSystemFailure(() => targetOf(output), 'a writable file', output);
  const part = `${target}.resume.part`;
  const journal = `${target}.resume.json`;
  const unlock = await lock(`${target}.resume.lock`, output).catch((error) => {
    throw systemFailure(error, 'a writable file', output);
  });
  const since = possible ? await read() : undefined;
  let saved = { bytes: since?.bytes ?? 0, at: performance.now() };

  async function read(): Promise<Milestone | undefined> {
    try {
      const entry: { job: unknown; milestone: Milestone } = JSON.parse(await readFile(journal, 'utf8'));
      const { size } = await stat(part);
      const same = JSON.stringify(entry.job) === JSON.stringify(job) && size >= entry.milestone.bytes;
      return same ? entry.milestone : undefined;
    } catch {
      return undefined; // none, or one that was cut off: to begin anew is always right
    }
  }

  return {
    place: { path: part, from: since?.bytes ?? 0 },
    since,
    async reached(milestone, output) {
      if (!possible) return;
      const now = performance.now();
      if (milestone.bytes - saved.bytes < (options.journalBytes ?? MOST_BYTES) && now - saved.at < MOST_MS)
        return;
      saved = { bytes: milestone.bytes, at: now };
      // The journal may speak only of what is on the disk.
      await output.sync?.();
      await writeFile(`${journal}.new`, JSON.stringify({ job, milestone }));
      await rename(`${journal}.new`, journal);
    },
    async remove() {
      await rm(journal, { force: true });
    },
    unlock,
  };
}

/** All on which the bytes of the output depend. */
async function jobOf({ shown, threads, resume, journalBytes, ...job }: ScoreJob): Promise<unknown> {
  const { size, mtimeMs } = await stat(splitMember(job.input).file).catch((error) => {
    throw systemFailure(error, 'a readable file', job.input);
  });
  const known = Object.entries(job).filter(
    ([name, value]) => value !== undefined && name !== 'signal' && name !== 'onProgress',
  );
  return { version: 1, size, mtimeMs, ...Object.fromEntries(known.sort(([a], [b]) => (a < b ? -1 : 1))) };
}
