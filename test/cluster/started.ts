/** The command line as users start it, in a folder of the test's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const CLI = join(import.meta.dirname, '../../dist/cli.js');

export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Run>;
  /** What it has said so far. */
  readonly told: { stdout: string; stderr: string };
}

/** Nothing said but how far it is, which a slow machine hears of. */
export const QUIET = /^(?:[\d,]+ of [\d,]+ rows, .*\n)*$/;

const running = new Set<ChildProcess>();

export function start(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(process.execPath, [CLI, ...args], { cwd, env: { ...process.env, ...env } });
  running.add(child);
  const told = { stdout: '', stderr: '' };
  child.stdin.end();
  child.stdout.on('data', (chunk) => {
    told.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    told.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]): Run => {
    running.delete(child);
    return { code, signal, ...told };
  });
  return { child, ended, told };
}

/** After each test: whatever went wrong, nothing stays behind. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}
