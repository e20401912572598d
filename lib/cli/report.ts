import type { Look } from './streams.js';
import { type RankedRow, rankedTable, styler, valueTable } from './table.js';

export interface Accuracy {
  readonly correct: number;
  readonly rows: number;
}

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
  readonly classes: number;
  /** Spent in the operation alone: not reading, not writing. */
  readonly seconds: number;
  readonly backend: { readonly kind: string; readonly isa: string; readonly threads: number };
  readonly accuracy?: Accuracy | undefined;
  readonly ranked?: readonly RankedRow[];
  readonly values?: readonly { readonly row: number; readonly value: number }[];
}

export function reportJson({ accuracy, ranked, values, ...report }: Report): string {
  const whole = {
    ...report,
    rowsPerSecond: rowsPerSecond(report),
    accuracy: accuracy && { ...accuracy, fraction: accuracy.correct / accuracy.rows },
    results: ranked ?? values,
  };
  return `${JSON.stringify(whole, (_, value) => finiteOrName(value), 2)}\n`;
}

/** JSON has no NaN and no infinities: they are given by name, rather than as null. */
function finiteOrName(value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function rowsPerSecond({ rows, seconds }: Pick<Report, 'rows' | 'seconds'>): number {
  return seconds > 0 ? Math.round(rows / seconds) : 0;
}

export function reportText(report: Report, look: Look): string {
  const { op, ranked = [], values = [], backend } = report;
  const style = styler(look.colour);
  let text = '';
  if (ranked.length > 0) {
    const probability = op === 'log-softmax' ? Math.exp : (score: number) => score;
    text += `${rankedTable(ranked, { ...look, probability })}\n`;
  }
  if (values.length > 0) text += `${valueTable(values, look)}\n`;

  const temperature = report.temperature === 1 ? '' : ` at temperature ${report.temperature}`;
  const rate = report.seconds > 0 ? `: ${style('bold', `${compact(rowsPerSecond(report))} rows/s`)}` : '';
  text +=
    `${op} of ${count(report.rows, 'row')} of ${count(report.classes, 'class', 'classes')}${temperature}` +
    ` in ${duration(report.seconds)}${rate}` +
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
  if (report.output !== undefined && report.output !== '-') text += `written to ${report.output}\n`;
  return text;
}

const number = new Intl.NumberFormat('en');

function count(n: number, one: string, many = `${one}s`): string {
  return `${number.format(n)} ${n === 1 ? one : many}`;
}

function compact(n: number): string {
  return new Intl.NumberFormat('en', {
    notation: 'compact',
    compactDisplay: 'long',
    maximumSignificantDigits: 3,
  }).format(n);
}

function duration(seconds: number): string {
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${seconds.toPrecision(3)} s`;
}
