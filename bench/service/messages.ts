/** What bench/service.ts and its processes tell each other. */

/** How a server scores. */
export const builds = ['plain', 'synchronous', 'promises'] as const;
export type Build = (typeof builds)[number];

/** How logits travel: float32 as they lie in memory, or an array of numbers. */
export const forms = ['binary', 'JSON'] as const;
export type Form = (typeof forms)[number];

export interface Load {
  readonly port: number;
  readonly form: Form;
  readonly logits: number;
  /** Each sends its next request when it has the answer to the last. */
  readonly connections: number;
  readonly seconds: number;
}

/** In milliseconds. */
export interface Latency {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

/** How late the server's event loop was, in milliseconds. */
export interface Delay {
  readonly p99: number;
  readonly max: number;
}

/** How late a timer was, in milliseconds, while something was done. */
export interface Lateness {
  readonly name: string;
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}
