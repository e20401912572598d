/** What `score` did with several files. */
import { printable } from './failure.js';
import { count, positions, type Report, reportText, sumOfReports, toJson } from './report.js';
import type { Look } from './streams.js';

/** How it ended for one file. */
export interface Outcome {
  readonly input: string;
  readonly report?: Report;
  /** Why there is no output. */
  readonly failure?: string;
}

export interface Summary {
  readonly folder: string;
  /** From the beginning to the end, in seconds. */
  readonly elapsed: number;
  readonly outcomes: readonly Outcome[];
}

export function summaryJson({ folder, elapsed, outcomes }: Summary): string {
  const reports = reportsOf(outcomes);
  return toJson({
    output: folder,
    rows: reports.reduce((sum, { rows }) => sum + rows, 0),
    seconds: reports.reduce((sum, { seconds }) => sum + seconds, 0),
    elapsed,
    files: reports.map(({ ranked, values, ...report }) => report),
    failed: failuresOf(outcomes),
  });
}

export async function summaryText({ folder, outcomes, elapsed }: Summary, look: Look): Promise<string> {
  const reports = reportsOf(outcomes);
  const none = { count: 0, first: [] };
  let text = '';
  if (reports.length > 0) {
    const whole = sumOfReports(reports);
    text += await reportText(
      { ...whole, elapsed, bad: none, nan: none, resumed: 0, output: undefined },
      look,
    );
  }
  for (const { input: path, bad, nan } of reports) {
    const input = printable(path);
    if (bad.count > 0) text += `${input}: ${positions(bad)} could not be scored\n`;
    if (nan.count > 0) text += `${input}: ${positions(nan)} came out as NaN\n`;
  }
  text += `${count(reports.length, 'file')} written to ${printable(folder)}\n`;
  return text;
}

export function failuresOf(outcomes: readonly Outcome[]): { input: string; failure: string }[] {
  return outcomes.flatMap(({ input, failure }) => (failure === undefined ? [] : [{ input, failure }]));
}

function reportsOf(outcomes: readonly Outcome[]): Report[] {
  return outcomes.flatMap(({ report }) => (report ? [report] : []));
}
