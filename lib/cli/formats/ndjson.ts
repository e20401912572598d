/** A JSON value per line: an array of logits, or an object with a field that holds one. */
import type { Field, Layout, Reader, ScoredBatch, Writer } from '../batch.js';
import { jsonOf, typeOf, withoutTime } from '../cells.js';
import { labelled } from '../columns.js';
import { expected, expectedUsage } from '../failure.js';
import type { ReaderOptions, WriterOptions } from '../formats.js';
import { gather, peek, type Row } from '../gather.js';
import type { Bytes } from '../input.js';
import { linesOf } from '../lines.js';
import type { Output } from '../output.js';
import { NO_CLASS } from '../scoring.js';

export async function openNdjsonReader(source: Bytes, options: ReaderOptions): Promise<Reader> {
  const { head, all } = await peek(linesOf(source));
  const values = (head ?? []).map(parse);
  const sample = values.find((value) => typeof value === 'object' && value !== null);
  const column = Array.isArray(sample) || !sample ? undefined : columnOf(sample, options.column, source.name);
  if (column === undefined && options.column !== undefined && sample) {
    throw expectedUsage('objects', `--column ${options.column}`, 'arrays');
  }
  const fields: Field[] =
    column === undefined
      ? []
      : Object.entries(sample as object)
          .filter(([name]) => name !== column)
          .map(([name, value]) => ({ name, type: typeOf(value) }));
  const first = values.map((value) => rowOf(value, column, fields)).find(({ logits }) => logits);
  const layout: Layout = {
    type: 'float64',
    classes: options.uniform ? (first?.logits?.length ?? 0) : undefined,
    axis: 1,
    inner: 1,
    rows: undefined,
    fields,
    column,
  };

  async function* rows(): AsyncGenerator<Row[]> {
    for await (const lines of all) yield lines.map((line) => rowOf(parse(line), column, fields));
  }
  return { layout, batches: () => gather(rows(), layout, options), close: () => source.close() };
}

/** The value; undefined where the line is not JSON. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function columnOf(sample: object, asked: string | undefined, name: string): string {
  if (asked !== undefined) return asked;
  const arrays = Object.entries(sample).filter(
    ([, value]) => Array.isArray(value) && value.every((entry) => typeof entry === 'number'),
  );
  if (arrays.length === 1) return arrays[0][0];
  throw expected('one field with an array of numbers, or --column,', name, arrays.length);
}

function rowOf(value: unknown, column: string | undefined, fields: readonly Field[]): Row {
  if (column === undefined) return { ...logitsOf(value), cells: [], native: value ?? null };
  const object = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { [column]: found, ...native } = object;
  const cells = fields.map(({ name }) => object[name]);
  const large = Object.values(native).find(
    (cell) =>
      Number.isInteger(cell) && Math.abs(cell as number) > 2 ** 53 && Math.abs(cell as number) < 2 ** 64,
  );
  if (large !== undefined) {
    return {
      logits: undefined,
      wanted: 'integers up to 2^53 (larger ones as strings)',
      received: String(large),
      cells,
      native,
    };
  }
  if (value === undefined || !Object.hasOwn(object, column)) {
    const received = value === undefined ? 'something else' : `no field ${column}`;
    return { logits: undefined, wanted: 'a JSON object', received, cells, native };
  }
  return { ...logitsOf(found), cells, native };
}

const NAMED: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
};

function logitsOf(value: unknown): Pick<Row, 'logits' | 'wanted' | 'received'> {
  const wanted = 'an array of numbers';
  if (!Array.isArray(value)) {
    const received = value === undefined ? 'something that is not JSON' : jsonOf(value).slice(0, 40);
    return { logits: undefined, wanted, received };
  }
  for (let i = 0; i < value.length; i++) {
    if (typeof value[i] === 'number') continue;
    // JSON has no NaN and no infinities: here they are strings.
    if (!Object.hasOwn(NAMED, value[i]))
      return { logits: undefined, wanted, received: `${jsonOf(value[i]).slice(0, 40)} at ${i}` };
    value[i] = NAMED[value[i]];
  }
  return { logits: value, wanted, received: '' };
}

export function newNdjsonWriter(output: Output, options: WriterOptions): Writer {
  const { layout, content, name, labels } = options;
  const bare = layout.column === undefined && layout.fields.length === 0;
  const names = labelled(layout.fields, labels);

  function lineOf(batch: ScoredBatch, row: number): string {
    const { width, offsets, scores, indices } = batch;
    const [start, end] = offsets ? [offsets[row], offsets[row + 1]] : [row * width, (row + 1) * width];
    const values = Array.from(scores.subarray(start, end));
    if (bare && content !== 'top') return jsonOf(content === 'one' ? values[0] : values);
    const native = batch.natives?.[row];
    const kept =
      typeof native === 'object' && native !== null && !Array.isArray(native)
        ? (native as Record<string, unknown>)
        : Object.fromEntries(
            layout.fields.map(({ name, type }, i) => [
              name,
              withoutTime(batch.columns[i].get(row), type) ?? null,
            ]),
          );
    if (content !== 'top' || !indices)
      return jsonOf({ ...kept, [name]: content === 'one' ? values[0] : values });
    const classes = Array.from(indices.subarray(start, end)).filter((i) => i !== NO_CLASS);
    return jsonOf({
      ...kept,
      [names.label]: classes.map((i) => labels?.[i] ?? i),
      [names.score]: values.slice(0, classes.length),
    });
  }

  return {
    async begin() {},
    write({ ...batch }) {
      const lines = Array.from({ length: batch.rows }, (_, row) => `${lineOf(batch, row)}\n`);
      return output.write(Buffer.from(lines.join('')));
    },
    async end() {},
  };
}
