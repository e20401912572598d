/** What a worker and the processes that score for it say to each other. */
import type { JobProgress } from './jobs.js';
import type { JobResult } from './results.js';

export type Task =
  | { readonly kind: 'run'; readonly name: string; readonly data: unknown; readonly results: Results }
  /** Removes what a file's parts left, when the file is known to be done. */
  | { readonly kind: 'remove-parts'; readonly name: string; readonly data: unknown };

/** What the jobs of parts answered, by their ids. */
export type Results = Readonly<Record<string, unknown>>;

export type Request = { readonly id: number; readonly task: Task } | { readonly cancel: number };

export type Answer =
  | { readonly resident: number }
  | { readonly id: number; readonly progress: JobProgress }
  | { readonly id: number; readonly result: JobResult | undefined }
  | {
      readonly id: number;
      readonly failure: string;
      /** Whether it may be better next time. */
      readonly passing: boolean;
      /** Whether the process ends now. */
      readonly last?: boolean;
    };
