/** How far all files together are, from what the jobs tell. */
import type { ScoreProgress } from '../score-job.js';
import type { FileJob, JobProgress } from './jobs.js';

export interface OverallProgress {
  /** How far a job is: one of another command's is passed over. */
  at(id: string, progress: JobProgress): void;
  partDone(id: string): void;
  done(file: FileJob): void;
  /** How many there are to do it. */
  workers(count: number): void;
}

export function newOverallProgress(
  files: readonly FileJob[],
  tell: (progress: ScoreProgress) => void,
): OverallProgress {
  const rows = new Map<string, number>();
  const bytes = new Map<string, number>();
  const partRows = new Map(
    files.flatMap(({ parts }) => parts.map(({ id, rows: [from, to] }) => [id, to - from] as const)),
  );
  const total = files.every((file) => file.rows !== undefined)
    ? files.reduce((sum, file) => sum + (file.rows ?? 0), 0)
    : undefined;
  const bytesTotal = files.reduce((sum, { stamp }) => sum + stamp.size, 0);
  const known = new Set([...files.map(({ id }) => id), ...partRows.keys()]);
  // Of all in the maps, so that a thousand files are not added up at each word of one.
  let [rowsDone, bytesDone] = [0, 0];
  let workers: number | undefined;

  function set(id: string, nowRows: number, nowBytes: number): void {
    rowsDone += nowRows - (rows.get(id) ?? 0);
    bytesDone += nowBytes - (bytes.get(id) ?? 0);
    rows.set(id, nowRows);
    bytes.set(id, nowBytes);
    say();
  }

  function say(): void {
    tell({ rows: rowsDone, total, resumed: 0, bytesRead: bytesDone, bytesTotal, workers });
  }

  return {
    at(id, progress) {
      const { rows, bytesRead } = progress ?? {};
      if (known.has(id) && Number.isFinite(rows) && Number.isFinite(bytesRead)) set(id, rows, bytesRead);
    },
    partDone(id) {
      const done = partRows.get(id);
      if (done !== undefined) set(id, done, bytes.get(id) ?? 0);
    },
    done({ id, parts, rows: count, stamp }) {
      for (const part of parts) set(part.id, 0, 0);
      set(id, count ?? rows.get(id) ?? 0, stamp.size);
    },
    workers(count) {
      workers = count;
      say();
    },
  };
}
