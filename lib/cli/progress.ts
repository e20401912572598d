/** How far a long job is: a bar on a terminal, a line now and then elsewhere. */
import cliProgress from 'cli-progress';
import type { ScoreProgress } from './score-job.js';

export interface ProgressDisplay {
  update(progress: ScoreProgress): void;
  /** Clears the bar; may be called twice. */
  end(): void;
}

/** Short jobs show nothing. */
const FIRST_MS = 500;
const LINE_MS = 10_000;
/** Columns of a terminal that the text beside the bar needs: `100 % | 9,999,999 of … rows | 999K rows/s | 99 min left`. */
const TEXT = 66;
/** And with ` | 12 workers`. */
const WORKERS_TEXT = 14;

export function newProgressDisplay(stream: NodeJS.WriteStream, wanted: boolean): ProgressDisplay {
  const start = performance.now();
  let last = 0;
  let bar: cliProgress.SingleBar | undefined;

  function update(progress: ScoreProgress): void {
    const now = performance.now() - start;
    if (!wanted || now < FIRST_MS) return;
    if (stream.isTTY) {
      bar ??= newBar(stream, progress.workers !== undefined);
      bar.setTotal(1);
      bar.update(fractionOf(progress) ?? 0, fieldsOf(progress, now));
    } else if (now - last >= LINE_MS) {
      last = now;
      stream.write(`${lineOf(progress, now)}\n`);
    }
  }

  return {
    update,
    end() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function newBar(stream: NodeJS.WriteStream, queued: boolean): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar(
    {
      stream,
      format: `{bar} {percent} | {rows} | {rate} | ${queued ? '{workers} | ' : ''}{left}`,
      barsize: Math.max(10, Math.min(40, (stream.columns || 80) - TEXT - (queued ? WORKERS_TEXT : 0))),
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      fps: 10,
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(1, 0, { percent: '', rows: '', rate: '', workers: '', left: '' });
  return bar;
}

/** Of the rows, or of the bytes where nobody knows how many rows there are. */
function fractionOf({ rows, total, bytesRead, bytesTotal }: ScoreProgress): number | undefined {
  if (total !== undefined) return total > 0 ? rows / total : 1;
  return bytesTotal ? Math.min(1, bytesRead / bytesTotal) : undefined;
}

const number = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

function fieldsOf(progress: ScoreProgress, ms: number) {
  const { rows, total, resumed, workers } = progress;
  const fraction = fractionOf(progress);
  const begun = total ? resumed / total : 0;
  const left =
    fraction !== undefined && fraction > begun ? (ms * (1 - fraction)) / (fraction - begun) : undefined;
  return {
    percent: fraction === undefined ? '' : `${Math.floor(100 * fraction)} %`,
    rows:
      total === undefined
        ? `${number.format(rows)} rows`
        : `${number.format(rows)} of ${number.format(total)} rows`,
    rate: `${compact.format((1000 * (rows - resumed)) / ms)} rows/s`,
    workers: workers === undefined ? '' : `${number.format(workers)} ${workers === 1 ? 'worker' : 'workers'}`,
    left: left === undefined ? '' : `${duration(left)} left`,
  };
}

function lineOf(progress: ScoreProgress, ms: number): string {
  const { percent, rows, rate, workers, left } = fieldsOf(progress, ms);
  return [rows, percent, rate, workers, left].filter((part) => part !== '').join(', ');
}

/** `45 s`, `12 min`, `3 h 20 min`. */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
