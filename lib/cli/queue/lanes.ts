/**
 * How many jobs a worker holds. Each lane scores one. While jobs are short, another waits beside each lane, so that nobody
 * waits for the server between two of them; it is given back where that takes long, so that no other worker is idle meanwhile.
 * The loss of a worker counts for all jobs that it holds. So one that lost its worker before is held alone: it cannot take
 * others along again and again.
 */

/** Of a job that is short, and the longest wait beside a lane. */
const SHORT_MS = 250;

/** The job is given back. */
export class NoLane extends Error {}

export interface Lanes {
  /**
   * Runs the task when a lane is free.
   * @param suspect whether the job lost its worker before.
   * @throws NoLane, or what the task throws.
   */
  run<Result>(suspect: boolean, task: () => Promise<Result>): Promise<Result>;
  /** Those that wait are given back, and no more are held. */
  close(): void;
}

/** @param hold is told how many jobs to ask for, those in lanes included. */
export function newLanes(count: number, hold: (jobs: number) => void): Lanes {
  const waiting: { begin(): void; giveUp(): void }[] = [];
  let free = count;
  let suspects = 0;
  let closed = false;

  function giveBackAll(): void {
    hold(count);
    for (const { giveUp } of waiting.splice(0)) giveUp();
  }

  function turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const one = {
        begin() {
          clearTimeout(late);
          resolve();
        },
        giveUp() {
          clearTimeout(late);
          reject(new NoLane());
        },
      };
      const late = setTimeout(giveBackAll, SHORT_MS);
      waiting.push(one);
    });
  }

  return {
    async run(suspect, task) {
      if (free > 0) free--;
      else if (closed || suspect || suspects > 0) {
        hold(count);
        throw new NoLane();
      } else await turn();
      const begun = performance.now();
      if (suspect) {
        suspects++;
        giveBackAll();
      }
      try {
        return await task();
      } finally {
        if (suspect) suspects--;
        const next = waiting.shift();
        if (next) next.begin();
        else free++;
        const isShort = performance.now() - begun < SHORT_MS;
        hold(isShort && suspects === 0 && !closed ? 2 * count : count);
      }
    },
    close() {
      closed = true;
      giveBackAll();
    },
  };
}
