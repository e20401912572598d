/** Times one call, in batches long enough for the clock. */
import { median } from 'simple-statistics';

const BATCH_MS = 1;

export interface FirstCall {
  readonly ms: number;
  readonly isAsync: boolean;
}

export class Stopwatch {
  private batch = 1;

  private constructor(
    private readonly run: () => unknown,
    private readonly isAsync: boolean,
  ) {}

  /**
   * Runs until the compiler and the caches have settled: for `warmMs`, but no call that would end after `patienceMs`.
   * `first` is a call that was made before.
   */
  static async warmed(
    run: () => unknown,
    first: FirstCall,
    warmMs: number,
    patienceMs: number,
  ): Promise<Stopwatch> {
    const watch = new Stopwatch(run, first.isAsync);
    const start = performance.now();
    let callMs = first.ms;
    while (performance.now() - start < warmMs && performance.now() - start + callMs < patienceMs) {
      callMs = await watch.perCall();
      watch.batch = Math.max(1, Math.round(BATCH_MS / callMs));
    }
    return watch;
  }

  /** The median nanoseconds per call over about `ms`; at least one call. */
  async measure(ms: number): Promise<number> {
    const samples = [];
    const start = performance.now();
    do samples.push(await this.perCall());
    while (performance.now() - start < ms);
    return median(samples) * 1e6;
  }

  private async perCall(): Promise<number> {
    const { run, batch } = this;
    const start = performance.now();
    if (this.isAsync) for (let i = 0; i < batch; i++) await run();
    else for (let i = 0; i < batch; i++) run();
    return (performance.now() - start) / batch;
  }
}
