/** Parquet, by hyparquet: a column of lists, and the columns beside it. */
import type { FileMetaData, SchemaElement } from 'hyparquet';
import type { ColumnType, Field, Layout, Reader, ScoredBatch, Writer } from '../batch.js';
import { castCell } from '../cells.js';
import { labelled } from '../columns.js';
import { expected } from '../failure.js';
import type { ReaderOptions, WriterOptions } from '../formats.js';
import { gather, peek, type Row } from '../gather.js';
import type { Bytes } from '../input.js';
import type { Output } from '../output.js';
import { needPeer } from '../peers.js';
import { NO_CLASS } from '../scoring.js';
import { spool } from '../spool.js';
import { type Cells, cellsOf, parsers } from './parquet-cells.js';

/** A row group is written when it has so many scores: readers take it whole. */
const GROUP_SCORES = 1 << 21;

const loadReader = () =>
  needPeer(['hyparquet', 'hyparquet-compressors'], 'Parquet', async () => {
    const [hyparquet, { compressors }] = await Promise.all([
      import('hyparquet'),
      import('hyparquet-compressors'),
    ]);
    return { ...hyparquet, compressors };
  });

const loadWriter = () =>
  needPeer(['hyparquet-writer', 'hyparquet'], 'Parquet', () => import('hyparquet-writer'));

export async function openParquetReader(source: Bytes, options: ReaderOptions): Promise<Reader> {
  const { parquetMetadataAsync, parquetReadObjects, compressors } = await loadReader();
  // Its directory stands at the end: a pipe is put on disk first.
  const bytes = source.seek ? source : await spool(source);
  const failure = (error: unknown) =>
    error instanceof Error && 'exitCode' in error
      ? error
      : expected('a Parquet file', source.name, (error as Error).message);
  if ((bytes.size ?? 0) < 12) throw expected('a Parquet file', source.name, 'a file of less than 12 bytes');
  const file = {
    byteLength: bytes.size!,
    slice(start: number, end = bytes.size!): Promise<ArrayBuffer> {
      const piece = reading.then(async () => {
        if (!(start >= 0 && start <= end && end <= bytes.size!)) {
          throw expected('a whole Parquet file', source.name, 'a part');
        }
        const target = new Uint8Array(end - start);
        bytes.seek?.(start);
        if ((await bytes.fill(target)) < target.length)
          throw expected('a whole Parquet file', source.name, 'a part');
        return target.buffer;
      });
      // hyparquet asks for several at once, and may look at none but the first that fails.
      piece.catch(() => {});
      reading = piece;
      return piece;
    },
  };
  let reading: Promise<unknown> = Promise.resolve();

  let metadata: FileMetaData;
  try {
    metadata = await parquetMetadataAsync(file);
  } catch (error) {
    throw failure(error);
  }
  const columns = columnsOf(metadata.schema);
  const cells = new Map(columns.map((known) => [known.at, known.cells]));
  metadata.schema = metadata.schema.map((element, at) => cells.get(at)?.read ?? element);
  const column = columnOf(columns, options.column, source.name);
  const others = columns.filter((other) => other !== column);
  const { head, all } = await peek(rowChunks());
  const layout: Layout = {
    type: column.element === 'FLOAT' ? 'float32' : 'float64',
    classes: options.uniform ? (head?.find(({ logits }) => logits)?.logits?.length ?? 0) : undefined,
    axis: 1,
    inner: 1,
    rows: options.rows ? options.rows[1] - options.rows[0] : Number(metadata.num_rows),
    fields: others.map(({ field }) => field),
    column: column.field.name,
  };

  async function* rowChunks(): AsyncGenerator<Row[]> {
    let first = 0;
    for (const group of metadata.row_groups) {
      const end = first + Number(group.num_rows);
      // Where pages are indexed, a part of a group can be read alone; else a group is read whole.
      const indexed = group.columns.every((chunk) => chunk.offset_index_offset !== undefined);
      const size = Number(group.total_byte_size) / Math.max(1, Number(group.num_rows));
      const step = indexed ? Math.max(1, Math.floor(options.blockBytes / size)) : end - first;
      for (let rowStart = first; rowStart < end; rowStart += step) {
        const rowEnd = Math.min(end, rowStart + step);
        try {
          const rows = await parquetReadObjects({
            ...{ file, metadata, compressors, parsers, rowStart, rowEnd, useOffsetIndex: indexed },
          });
          yield rows.map(rowOf);
        } catch (error) {
          throw failure(error);
        }
      }
      first = end;
    }
  }

  function rowOf(object: Record<string, unknown>): Row {
    const beside = {
      cells: others.map(({ field, cells }) => (cells ? cells.value(object[field.name]) : object[field.name])),
      native: others.map(({ field }) => object[field.name]),
    };
    const found = object[column.field.name] as ArrayLike<unknown> | null | undefined;
    if (!found) return { logits: undefined, wanted: 'logits', received: 'null', ...beside };
    for (let i = 0; i < found.length; i++) {
      if (typeof found[i] !== 'number') {
        return { logits: undefined, wanted: 'numbers', received: `${found[i]} at ${i}`, ...beside };
      }
    }
    return { logits: found as ArrayLike<number>, ...beside };
  }

  return { layout, batches: () => gather(all, layout, options), close: () => bytes.close() };
}

interface ParquetColumn {
  readonly field: Field;
  /** Where in the schema it stands. */
  readonly at: number;
  /** Unless it is nested. */
  readonly cells: Cells | undefined;
  /** Of lists: the type of their elements. */
  readonly element: string | undefined;
}

/** The columns of the first level. */
function columnsOf([root, ...elements]: readonly SchemaElement[]): ParquetColumn[] {
  let at = 0;
  const leaves = (element: SchemaElement): SchemaElement[] => {
    const children = Array.from({ length: element.num_children ?? 0 }, () => leaves(elements[at++]));
    return children.length === 0 ? [element] : children.flat();
  };
  return Array.from({ length: root.num_children ?? 0 }, () => {
    const start = at;
    const element = elements[at++];
    const [leaf, ...more] = leaves(element);
    const isList = element !== leaf && more.length === 0 && element.converted_type === 'LIST';
    const isRepeated = element === leaf && element.repetition_type === 'REPEATED';
    const cells = element === leaf && !isRepeated ? cellsOf(element) : undefined;
    const native: Native | undefined = cells && { parquet: cells };
    return {
      field: { name: element.name, type: cells?.type ?? 'json', native },
      at: start + 1,
      cells,
      element: isList || isRepeated ? leaf.type : undefined,
    };
  });
}

/** What a field of a Parquet file has for the writer. */
interface Native {
  readonly parquet: Cells;
}

function nativeOf({ native }: Field): Cells | undefined {
  return native && typeof native === 'object' && 'parquet' in native ? (native as Native).parquet : undefined;
}

function columnOf(columns: readonly ParquetColumn[], asked: string | undefined, name: string): ParquetColumn {
  const possible = columns.filter(({ element }) => element === 'FLOAT' || element === 'DOUBLE');
  if (asked === undefined && possible.length === 1) return possible[0];
  const names = (list: readonly ParquetColumn[]) => list.map(({ field }) => field.name).join(', ') || 'none';
  if (asked === undefined)
    throw expected('one column of lists of floats, or --column,', name, names(possible));
  const column = possible.find(({ field }) => field.name === asked);
  if (!column) throw expected(`a column ${asked} of lists of floats`, name, names(columns));
  return column;
}

export async function newParquetWriter(output: Output, options: WriterOptions): Promise<Writer> {
  const { ParquetWriter, ByteWriter } = await loadWriter();
  const { layout, content, name, labels } = options;
  const names = labelled(layout.fields, labels);
  const number = layout.type === 'float64' ? 'DOUBLE' : 'FLOAT';
  const natives = layout.fields.map(nativeOf);
  const kept = layout.fields.map(({ name, type }, i) => natives[i]?.written ?? elementOf(name, type));
  const label: SchemaElement = labels
    ? { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' }
    : { name: 'element', type: 'INT32', repetition_type: 'REQUIRED' };
  const score: SchemaElement = { name: 'element', type: number, repetition_type: 'REQUIRED' };
  const added: SchemaElement[] =
    content === 'top'
      ? [...list(names.label, label), ...list(names.score, score)]
      : content === 'one'
        ? [{ ...score, name }]
        : list(name, score);
  const root: SchemaElement = {
    name: 'root',
    num_children: kept.length + (content === 'top' ? 2 : 1),
  };
  const bytes = new ByteWriter();
  const writer = new ParquetWriter({ writer: bytes, schema: [root, ...kept, ...added] });
  const columnNames = [
    ...layout.fields.map((field) => field.name),
    ...(content === 'top' ? [names.label, names.score] : [name]),
  ];
  let waiting: unknown[][] = columnNames.map(() => []);
  let scores = 0;

  async function drain(): Promise<void> {
    const piece = bytes.getBytes();
    bytes.index = 0;
    if (piece.length > 0) await output.write(piece);
  }

  async function writeGroup(): Promise<void> {
    if (waiting[0].length === 0) return;
    // Pages of 1 MB, and their index, so that a part of a group can be read alone.
    await writer.write({
      columnData: columnNames.map((column, i) => ({ name: column, data: waiting[i] })),
      rowGroupSize: waiting[0].length,
    });
    waiting = columnNames.map(() => []);
    scores = 0;
    await drain();
  }

  function add(batch: ScoredBatch, row: number): void {
    const { width, offsets, indices } = batch;
    const raw = batch.natives?.[row] as readonly unknown[] | undefined;
    const cells = batch.columns.map((column, i) => {
      const { name, type } = layout.fields[i];
      if (natives[i]?.written && raw) return natives[i].stored(raw[i]);
      return castCell(column.get(row), type, (what, received) =>
        expected(what, `${name} of row ${batch.numbers?.[row] ?? batch.first + row}`, received),
      );
    });
    const [start, end] = offsets ? [offsets[row], offsets[row + 1]] : [row * width, (row + 1) * width];
    const values = Array.from(batch.scores.subarray(start, end));
    if (content === 'one') cells.push(values[0]);
    else if (content === 'all' || !indices) cells.push(values);
    else {
      const classes = Array.from(indices.subarray(start, end)).filter((i) => i !== NO_CLASS);
      cells.push(
        classes.map((i) => labels?.[i] ?? i),
        values.slice(0, classes.length),
      );
    }
    cells.forEach((cell, i) => {
      waiting[i].push(cell);
    });
    scores += end - start;
  }

  return {
    begin: drain,
    async write(batch) {
      for (let row = 0; row < batch.rows; row++) add(batch, row);
      if (scores >= GROUP_SCORES) await writeGroup();
    },
    async end() {
      await writeGroup();
      await writer.finish();
      await drain();
    },
  };
}

function list(name: string, element: SchemaElement): SchemaElement[] {
  return [
    { name, repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    element,
  ];
}

function elementOf(name: string, type: ColumnType): SchemaElement {
  const optional = { name, repetition_type: 'OPTIONAL' } as const;
  switch (type) {
    case 'float64':
      return { ...optional, type: 'DOUBLE' };
    case 'float32':
      return { ...optional, type: 'FLOAT' };
    case 'int32':
      return { ...optional, type: 'INT32' };
    case 'int64':
      return { ...optional, type: 'INT64' };
    case 'uint64':
      return { ...optional, type: 'INT64', converted_type: 'UINT_64' };
    case 'boolean':
      return { ...optional, type: 'BOOLEAN' };
    case 'date':
      return { ...optional, type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' };
    case 'day':
      return { ...optional, type: 'INT32', converted_type: 'DATE' };
    default:
      return { ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' };
  }
}
