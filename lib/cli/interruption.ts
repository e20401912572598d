import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** So long a task may clean up before the process ends without it: an engine may be deep in a damaged file. */
const PATIENCE_MS = 900;

/**
 * Runs a task that the first Ctrl-C, or its kin, aborts, so that it can clean up; then the process dies of that very
 * signal, so that a shell's loop around it stops too. The second one ends it at once.
 */
export async function untilInterrupted<Result>(
  task: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals) => {
    if (received) die(signal);
    received = signal;
    setTimeout(() => {
      // What stands under a temporary name is removed at the exit; `process.exit` would wait for the engine's threads.
      process.emit('exit', 128 + constants.signals[signal]);
      die(signal);
    }, PATIENCE_MS).unref();
    controller.abort();
  };
  const release = () => {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  };
  function die(signal: NodeJS.Signals) {
    release();
    process.kill(process.pid, signal);
  }
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    return await task(controller.signal);
  } catch (error) {
    if (!received) throw error;
    die(received);
    return await new Promise<never>(() => {});
  } finally {
    release();
  }
}

/** What the task gives, or the reason of the signal as soon as it is aborted: a pipe may give nothing for hours. */
export function unlessAborted<Result>(
  task: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    task.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort));
  });
}
