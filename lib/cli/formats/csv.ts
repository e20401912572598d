/** A column per class, whose header is its label, and columns to keep beside them. */
import { Readable } from 'node:stream';
import { CsvError, type Parser, parse } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import type { Layout, Reader, ScoredBatch, Writer } from '../batch.js';
import { parseNumber, textOf, withoutTime } from '../cells.js';
import { labelled } from '../columns.js';
import { expected, expectedUsage } from '../failure.js';
import type { ReaderOptions, WriterOptions } from '../formats.js';
import { gather, peek, type Row } from '../gather.js';
import type { Bytes } from '../input.js';
import type { Output } from '../output.js';
import { NO_CLASS } from '../scoring.js';

const CHUNK = 1 << 18;
const RECORDS = 256;

export async function openCsvReader(source: Bytes, options: ReaderOptions): Promise<Reader> {
  if (options.column !== undefined) throw expectedUsage('--keep for a CSV', '--column', options.column);
  const { head, all } = await peek(recordsOf(source));
  const header = head?.[0];
  if (!header) throw expected('a CSV', source.name, 'nothing');
  const { keep = [] } = options;
  // Without a header the first line is data.
  const headed = !header.every((name) => parseNumber(name) !== undefined);
  const missing = keep.find((name) => !header.includes(name));
  if (missing !== undefined)
    throw expected(`a column ${missing}`, source.name, header.slice(0, 8).join(', '));
  const kept = keep.map((name) => header.indexOf(name));
  const classes = header.map((_, i) => i).filter((i) => !kept.includes(i));
  const layout: Layout = {
    type: 'float64',
    classes: classes.length,
    axis: 1,
    inner: 1,
    rows: undefined,
    fields: keep.map((name) => ({ name, type: 'string' })),
    labels: headed ? classes.map((i) => header[i]) : undefined,
  };

  function rowOf(record: string[]): Row {
    const cells = kept.map((i) => record[i] ?? null);
    if (record.length !== header!.length) {
      const received = String(record.length);
      return { logits: undefined, wanted: `${header!.length} columns`, received, cells };
    }
    const logits = new Float64Array(classes.length);
    for (let i = 0; i < classes.length; i++) {
      const value = parseNumber(record[classes[i]]);
      if (value === undefined) {
        const column = headed ? header![classes[i]] : classes[i];
        const hint = headed ? `, which --keep ${column} would set aside` : '';
        const received = `${JSON.stringify(record[classes[i]].slice(0, 40))} in column ${column}${hint}`;
        return { logits: undefined, wanted: 'numbers', received, cells };
      }
      logits[i] = value;
    }
    return { logits, cells };
  }

  async function* rows(): AsyncGenerator<Row[]> {
    let skip = headed;
    for await (const records of all) {
      yield (skip ? records.slice(1) : records).map(rowOf);
      skip = false;
    }
  }
  return { layout, batches: () => gather(rows(), layout, options), close: () => source.close() };
}

async function* recordsOf(source: Bytes): AsyncGenerator<string[][]> {
  async function* chunks() {
    for (;;) {
      const bytes = new Uint8Array(CHUNK);
      const count = await source.fill(bytes);
      if (count > 0) yield bytes.subarray(0, count);
      if (count < CHUNK) return;
    }
  }
  const parser: Parser = parse({ bom: true, relax_column_count: true, skip_empty_lines: true });
  const pipe = Readable.from(chunks()).on('error', (error) => parser.destroy(error));
  pipe.pipe(parser);
  let records: string[][] = [];
  try {
    for await (const record of parser) {
      records.push(record);
      if (records.length < RECORDS) continue;
      yield records;
      records = [];
    }
  } catch (error) {
    if (error instanceof CsvError) throw expected('a CSV', source.name, error.message);
    throw error;
  } finally {
    pipe.destroy();
  }
  if (records.length > 0) yield records;
}

export function newCsvWriter(output: Output, options: WriterOptions): Writer {
  const { layout, content, width, name, labels } = options;
  const names = labelled(layout.fields, labels);

  function header(): string[] {
    const kept = layout.fields.map((field) => field.name);
    if (content === 'one') return [...kept, name];
    if (content === 'all') {
      return [...kept, ...Array.from({ length: width }, (_, i) => labels?.[i] ?? `class_${i}`)];
    }
    const pairs = Array.from({ length: width }, (_, i) => [
      `${names.label}_${i + 1}`,
      `${names.score}_${i + 1}`,
    ]);
    return [...kept, ...pairs.flat()];
  }

  function recordOf({ columns, scores, indices }: ScoredBatch, row: number): string[] {
    const record = columns.map((column, i) => textOf(withoutTime(column.get(row), layout.fields[i].type)));
    for (let at = row * width; at < (row + 1) * width; at++) {
      if (!indices) record.push(String(scores[at]));
      else if (indices[at] === NO_CLASS) record.push('', '');
      else record.push(labels?.[indices[at]] ?? String(indices[at]), String(scores[at]));
    }
    return record;
  }

  return {
    begin: () => output.write(Buffer.from(stringify([header()]))),
    write(batch) {
      const records = Array.from({ length: batch.rows }, (_, row) => recordOf(batch, row));
      return output.write(Buffer.from(stringify(records)));
    },
    async end() {},
  };
}
