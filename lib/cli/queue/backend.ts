/** What Redis and PostgreSQL each bring: BullMQ's classes, and questions to the server. */
import type { FlowProducer, Job, Queue, QueueEvents, Worker, WorkerOptions } from 'bullmq';

export type AnyJob = Job<unknown, unknown>;
export type Processor = (job: AnyJob, token?: string) => Promise<unknown>;

export interface Backend {
  readonly bullmq: typeof import('bullmq');
  queue(): Queue<unknown, unknown>;
  flows(): FlowProducer;
  events(): QueueEvents;
  worker(run: Processor, options: Omit<WorkerOptions, 'connection' | 'prefix'>): Worker<unknown, unknown>;
  /** Whether it takes what is written now. */
  ping(): Promise<void>;
  /** Whether it lets anybody in. */
  isOpen(): Promise<boolean>;
  close(): Promise<void>;
}
