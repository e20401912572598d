/** One run at a time goes on with an unfinished output: a file beside it says which process. */
import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Failure } from './failure.js';

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
}

/**
 * Resolves to what gives the lock back.
 * @param path of the lock.
 * @param name what messages call what it guards.
 * @throws Failure that names the process that has it. One that is gone has it no more.
 */
export async function lock(path: string, name: string): Promise<() => Promise<void>> {
  const own = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  const holder: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  await writeFile(own, JSON.stringify(holder), { flag: 'wx' });
  try {
    for (let tries = 0; ; tries++) {
      try {
        // A link is made whole or not at all, and never over another.
        await link(own, path);
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const other = await holderOf(path);
      if (other && isAlive(other)) {
        const place = other.host === hostname() ? '' : ` on ${other.host}`;
        throw new Failure(
          `Expected no other run with --resume of ${name} but received process ${other.pid}${place} (since ${other.since})`,
        );
      }
      if (tries > 10) throw new Failure(`Expected a lock for ${name} but received others at the same time`);
      // Who moves it away may try again; of two who find it stale, one does.
      const stale = `${own}.stale`;
      await rename(path, stale).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      const moved = await holderOf(stale);
      // Somebody else was quicker, and it is theirs: back with it.
      if (moved && moved.pid !== other?.pid) await link(stale, path).catch(() => {});
      await rm(stale, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** Undefined where there is none, or nothing that says who. */
async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    const holder: Holder = JSON.parse(await readFile(path, 'utf8'));
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Of another machine nobody knows: it counts as alive. */
function isAlive({ pid, host }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
