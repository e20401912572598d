/** What a job answers. Anybody may have written it. */
import { expected, printable } from '../failure.js';
import { parseRecord } from '../job.js';
import type { Report } from '../report.js';
import { type Count, POSITIONS } from '../tally.js';
import { parseStamp, type Stamp } from './jobs.js';

export interface JobResult {
  readonly report: Report;
  /** Of the output. */
  readonly stamp: Stamp;
  /** Read of the input, or of the parts. */
  readonly bytes: number;
}

/** @throws Failure where it is not the result of a job. */
export function parseResult(value: unknown): JobResult {
  const { report, stamp, bytes } = parseRecord(value, 'the result of a job');
  return {
    report: parseReport(parseRecord(report, 'the report of a job')),
    stamp: parseStamp(stamp),
    bytes: Number(bytes),
  };
}

function parseReport(given: Record<string, unknown>): Report {
  const wrong = (name: string) => expected('what a worker of this version answers', name, 'something else');
  const number = (value: unknown, name: string): number => {
    if (typeof value !== 'number') throw wrong(name);
    return value;
  };
  const text = (value: unknown, name: string): string => {
    if (typeof value !== 'string') throw wrong(name);
    return printable(value);
  };
  const numbers = (value: unknown, name: string): number[] => {
    if (!Array.isArray(value)) throw wrong(name);
    return value.map((entry) => number(entry, name));
  };
  const count = (value: unknown, name: string): Count => {
    const { count, first } = parseRecord(value, name);
    return { count: number(count, name), first: numbers(first, name).slice(0, POSITIONS) };
  };
  const { kind, isa, threads } = parseRecord(given.backend, 'the backend of a report');
  const accuracy = given.accuracy === undefined ? undefined : parseRecord(given.accuracy, 'accuracy');
  return {
    input: text(given.input, 'input'),
    output: text(given.output, 'output'),
    op: text(given.op, 'op'),
    shape: numbers(given.shape, 'shape'),
    dtype: text(given.dtype, 'dtype'),
    axis: number(given.axis, 'axis'),
    temperature: number(given.temperature, 'temperature'),
    rows: number(given.rows, 'rows'),
    classes: given.classes === undefined ? undefined : number(given.classes, 'classes'),
    seconds: number(given.seconds, 'seconds'),
    elapsed: number(given.elapsed, 'elapsed'),
    resumed: number(given.resumed, 'resumed'),
    bad: count(given.bad, 'bad'),
    nan: count(given.nan, 'nan'),
    backend: { kind: text(kind, 'kind'), isa: text(isa, 'isa'), threads: number(threads, 'threads') },
    ...(accuracy && {
      accuracy: { correct: number(accuracy.correct, 'correct'), rows: number(accuracy.rows, 'rows') },
    }),
  };
}
