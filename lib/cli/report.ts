import { printable } from './failure.js';
import type { Look } from './streams.js';
import { type RankedRow, rankedTable, styler, valueTable } from './table.js';
import { type Accuracy, type Count, POSITIONS } from './tally.js';

/** What `score` did, and the rows to show. */
export interface Report {
  readonly input: string;
  readonly output?: string | undefined;
  readonly op: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly axis: number;
  readonly temperature: number;
  readonly rows: number;
  /** Undefined where rows differ in length. */
  readonly classes: number | undefined;
  /** Spent in the operation alone: not reading, not writing. */
  readonly seconds: number;
  /** From the beginning to the end. */
  readonly elapsed: number;
  /** Rows that an earlier run had done. */
  readonly resumed: number;
  /** Of the input. */
  readonly bytes?: number | undefined;
  /** Rows that could not be read, or were left out. */
  readonly bad: Count;
  /** Rows that came out as NaN, and were written so. */
  readonly nan: Count;
  readonly backend: { readonly kind: string; readonly isa: string; readonly threads: number };
  readonly accuracy?: Accuracy | undefined;
  readonly ranked?: readonly RankedRow[];
  readonly values?: readonly { readonly row: number; readonly value: number }[];
}

export function reportJson({ accuracy, ranked, values, ...report }: Report): string {
  return toJson({
    ...report,
    rowsPerSecond: rowsPerSecond(report),
    accuracy: accuracy && { ...accuracy, fraction: accuracy.correct / accuracy.rows },
    results: ranked ?? values,
  });
}

export function toJson(whole: unknown): string {
  return `${JSON.stringify(whole, (_, value) => finiteOrName(value), 2)}\n`;
}

/** Several files, or the parts of one, in their order. */
export function sumOfReports(reports: readonly Report[]): Report {
  const [first] = reports;
  const isas = new Set(reports.map(({ backend }) => backend.isa));
  return {
    ...first,
    rows: reports.reduce((sum, { rows }) => sum + rows, 0),
    classes: reports.every(({ classes }) => classes === first.classes) ? first.classes : undefined,
    seconds: reports.reduce((sum, { seconds }) => sum + seconds, 0),
    elapsed: reports.reduce((sum, { elapsed }) => sum + elapsed, 0),
    resumed: reports.reduce((sum, { resumed }) => sum + resumed, 0),
    bytes: reports.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
    bad: sumOfCounts(reports.map(({ bad }) => bad)),
    nan: sumOfCounts(reports.map(({ nan }) => nan)),
    backend: { ...first.backend, isa: [...isas].join(', ') },
  };
}

function sumOfCounts(counts: readonly Count[]): Count {
  return {
    count: counts.reduce((sum, { count }) => sum + count, 0),
    first: counts.flatMap(({ first }) => first).slice(0, POSITIONS),
  };
}

/** JSON has no NaN and no infinities: they are given by name, rather than as null. */
function finiteOrName(value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** From the beginning to the end, reading and writing included. */
function rowsPerSecond({ rows, resumed, elapsed }: Pick<Report, 'rows' | 'resumed' | 'elapsed'>): number {
  return elapsed > 0 ? Math.round(Math.max(0, rows - resumed) / elapsed) : 0;
}

export async function reportText(report: Report, look: Look): Promise<string> {
  const { op, ranked = [], values = [], backend } = report;
  const style = styler(look.colour);
  let text = '';
  if (ranked.length > 0) {
    const probability = op === 'log-softmax' ? Math.exp : (score: number) => score;
    text += `${await rankedTable(ranked, { ...look, probability })}\n`;
  }
  if (values.length > 0) text += `${valueTable(values, look)}\n`;

  // Of lists it is not known whether they have one length.
  const classes = report.classes === undefined ? '' : ` of ${count(report.classes, 'class', 'classes')}`;
  const temperature = report.temperature === 1 ? '' : ` at temperature ${report.temperature}`;
  const rate =
    report.elapsed > 0
      ? `: ${style('bold', `${bytesPerSecond(report)}${compact(rowsPerSecond(report))} rows/s`)}`
      : '';
  text +=
    `${op} of ${count(report.rows, 'row')}${classes}${temperature}` +
    ` in ${duration(report.elapsed)}${rate}` +
    style(
      'dim',
      ` (${backend.kind === 'js' ? 'js' : `${backend.kind} ${backend.isa}`}, ${count(backend.threads, 'thread')})`,
    ) +
    '\n';
  if (report.accuracy) {
    const { correct, rows } = report.accuracy;
    const percent = rows > 0 ? `${((100 * correct) / rows).toFixed(2)} %` : 'none';
    text += `accuracy ${style('bold', percent)}: ${number.format(correct)} of ${count(rows, 'row')} right\n`;
  }
  if (report.bad.count > 0) text += `${positions(report.bad)} could not be scored\n`;
  if (report.nan.count > 0) text += `${positions(report.nan)} came out as NaN\n`;
  if (report.resumed > 0) text += `an earlier run had done ${count(report.resumed, 'row')}\n`;
  if (report.output !== undefined && report.output !== '-')
    text += `written to ${printable(report.output)}\n`;
  return text;
}

function bytesPerSecond({ bytes, elapsed, resumed }: Report): string {
  // A quick run says little, one that was gone on with nothing.
  if (!bytes || elapsed < 0.5 || resumed > 0) return '';
  const rate = bytes / elapsed;
  return rate >= 1e8 ? `${(rate / 1e9).toPrecision(2)} GB/s, ` : `${(rate / 1e6).toPrecision(2)} MB/s, `;
}

export const number = new Intl.NumberFormat('en');

export function count(n: number, one: string, many = `${one}s`): string {
  return `${number.format(n)} ${n === 1 ? one : many}`;
}

/** `3 rows (numbers 4, 17, 90)`. */
export function positions({ count: n, first }: Count): string {
  const list = `${first.join(', ')}${n > first.length ? ', …' : ''}`;
  return `${count(n, 'row')} (${n === 1 ? 'number' : 'numbers'} ${list})`;
}

export function compact(n: number): string {
  return new Intl.NumberFormat('en', {
    notation: 'compact',
    compactDisplay: 'long',
    maximumSignificantDigits: 3,
  }).format(n);
}

export function duration(seconds: number): string {
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${seconds.toPrecision(3)} s`;
}
