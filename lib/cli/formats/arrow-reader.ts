/**
 * Arrow IPC, file and stream: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc.
 * A file is a stream between two magic words, so both are read from front to back. Of a file, the logits of a record
 * batch go straight into the blocks, a part at a time: a batch of many gigabytes needs no more memory than a small one.
 */
import type { Field as ArrowField, DataType as ArrowType, Data, Schema, Vector } from 'apache-arrow';
import type { Batch, Column, ColumnType, Field, Layout, Reader } from '../batch.js';
import { type Block, logitsOn } from '../blocks.js';
import { expected, Failure } from '../failure.js';
import type { ReaderOptions } from '../formats.js';
import type { Bytes } from '../input.js';
import { spool } from '../spool.js';
import { type Compression, type Decompress, openCompression } from './arrow-compression.js';
import { type Arrow, loadArrow } from './arrow-library.js';

const MAGIC = 'ARROW1';
const BYTES = { float16: 2, float32: 4, float64: 8 } as const;
const NAN_BITS = 0x7e00;
/** No batch has more rows, however short they are. */
const MOST_ROWS = 65_536;

type RecordBatchHeader = InstanceType<Arrow['metadata']['RecordBatch']>;

interface Region {
  readonly offset: number;
  readonly length: number;
}

export async function openArrowReader(input: Bytes, options: ReaderOptions): Promise<Reader> {
  const arrow = await loadArrow();
  const { schema, source } = await readSchema(input, arrow).catch((error) => {
    throw damaged(error, input.name);
  });
  const column = columnOf(schema, options.column, source.name, arrow);
  const item = column.type.children[0].type;
  const type = (['float16', 'float32', 'float64'] as const)[
    (item as ArrowType & { precision: number }).precision
  ];
  const listSize: number | undefined = arrow.DataType.isFixedSizeList(column.type)
    ? column.type.listSize
    : undefined;
  const others = schema.fields.filter((field) => field !== column);
  const dictionaries = new Map<number, Vector>();
  const SparseLoader = sparseLoader(arrow);
  const batches = recordBatches();
  const nextBatch = () =>
    batches.next().catch((error) => {
      throw damaged(error, source.name);
    });
  // The length of the first row, where all must have it.
  let head: Awaited<ReturnType<typeof nextBatch>> | undefined;
  let classes = listSize;
  if (listSize === undefined && options.uniform) {
    head = await nextBatch();
    classes = head.done || head.value.rows === 0 ? 0 : head.value.startOf(1) - head.value.startOf(0);
  }
  const layout: Layout = {
    type,
    classes,
    axis: 1,
    inner: 1,
    rows: undefined,
    fields: others.map((field) => fieldOf(field, arrow)),
    column: column.name,
  };

  /** The record batches, as far as they are wanted; the rest of a body is passed over when the next is asked for. */
  async function* recordBatches() {
    let first = 0;
    const [from, to] = options.rows ?? [0, Number.POSITIVE_INFINITY];
    for (;;) {
      const message = await readMessage(source, arrow);
      if (!message) return;
      const header: unknown = message.header();
      if (header instanceof arrow.metadata.DictionaryBatch) {
        await loadDictionary(header, message.bodyLength);
        continue;
      }
      if (!(header instanceof arrow.metadata.RecordBatch)) continue;
      const end = first + header.length;
      if (end <= from + options.done && options.done + from > 0) {
        if (!(await source.skip(message.bodyLength))) throw truncated(source);
      } else if (first < to) {
        yield await openRecordBatch(header, message.bodyLength, first);
      } else return;
      first = end;
    }
  }

  async function compressionOf({ compression }: { compression?: Compression | null }): Promise<Decompress> {
    return compression ? await openCompression(compression, source.name) : (buffer) => buffer;
  }

  /** The library takes lengths and offsets as they come. */
  function refuseDamaged(list: Data, startOf: (row: number) => number, rows: number, numbers: number): void {
    const held = listSize === undefined ? list.valueOffsets.length - 1 : list.length;
    if (rows > 0 && held < rows)
      throw expected('a list for each row', source.name, `${held} for ${rows} rows`);
    let last = 0;
    for (let row = 0; listSize === undefined && row <= rows; row++) {
      if (startOf(row) < last)
        throw expected('ascending offsets', source.name, `${startOf(row)} after ${last}`);
      last = startOf(row);
    }
    if (startOf(rows) > numbers) throw expected(`${startOf(rows)} numbers`, source.name, numbers);
  }

  function loaderOf(
    { nodes: own, buffers, variadicBufferCounts }: RecordBatchHeader,
    regions: ReadonlyMap<number, Uint8Array>,
    nodes = own,
  ) {
    const { metadataVersion } = schema;
    const none = new Uint8Array(0);
    const loader = new SparseLoader(
      none,
      nodes,
      buffers,
      dictionaries,
      metadataVersion,
      variadicBufferCounts,
    );
    loader.regions = regions;
    return loader;
  }

  async function loadDictionary(
    { id, isDelta, data }: InstanceType<Arrow['metadata']['DictionaryBatch']>,
    bodyLength: number,
  ): Promise<void> {
    const decompress = await compressionOf(data);
    const body = await readBytes(source, bodyLength);
    const regions = new Map(
      data.buffers.map(({ offset, length }) => [offset, decompress(body.subarray(offset, offset + length))]),
    );
    const loader = loaderOf(data, regions);
    const vector = new arrow.Vector([loader.visit(schema.dictionaries.get(id)!)]) as Vector;
    const before = dictionaries.get(id);
    dictionaries.set(id, before && isDelta ? before.concat(vector) : vector);
  }

  async function openRecordBatch(header: RecordBatchHeader, bodyLength: number, first: number) {
    const decompress = await compressionOf(header);
    const start = source.position;
    const logits = logitsRegion(header);
    const body = source.seek ? undefined : await readBytes(source, bodyLength);
    if (source.seek && start + bodyLength > source.size!) throw truncated(source);
    const regions = new Map<number, Uint8Array>();
    for (const { offset, length } of header.buffers) {
      if (offset === logits.offset && length === logits.length) continue;
      regions.set(offset, await read(offset, length));
    }
    // No part of a compressed buffer can be read alone.
    const whole = header.compression || body ? await read(logits.offset, logits.length) : undefined;

    async function read(offset: number, length: number): Promise<Uint8Array> {
      if (body) return decompress(body.subarray(offset, offset + length));
      source.seek?.(start + offset);
      return decompress(await readBytes(source, length));
    }
    /** Part of the logits, into a block. */
    async function fill(target: Uint8Array, offset: number): Promise<void> {
      if (offset + target.length > (whole ?? logits).length) throw truncated(source);
      if (whole) target.set(whole.subarray(offset, offset + target.length));
      else {
        source.seek?.(start + logits.offset + offset);
        if ((await source.fill(target)) < target.length) throw truncated(source);
      }
    }

    const children = loaderOf(header, regions).visitMany(schema.fields) as Data[];
    const list = children[schema.fields.indexOf(column)];
    const startOf = startsOf(list, listSize);
    refuseDamaged(list, startOf, header.length, (whole ?? logits).length / BYTES[type]);
    const end = start + bodyLength;
    return {
      rows: header.length,
      first,
      fill,
      list,
      startOf,
      others: children.filter((data) => data !== list),
      leave: () => source.seek?.(end),
    };
  }

  /** Where in the body the numbers lie: the last buffer of the column. */
  function logitsRegion(header: RecordBatchHeader): Region {
    const nodes = header.nodes.map(({ length }) => new arrow.metadata.FieldNode(length, 0));
    const loader = loaderOf(header, new Map(), nodes);
    for (const field of schema.fields) {
      loader.visit(field);
      if (field === column) return header.buffers[loader.at];
    }
    throw truncated(source);
  }

  async function* rows(): AsyncGenerator<Batch> {
    const [from, to] = options.rows ?? [0, Number.POSITIVE_INFINITY];
    let done = from + options.done;
    for (let next = head ?? (await nextBatch()); !next.done; next = await nextBatch()) {
      const { value: batch } = next;
      const end = Math.min(batch.rows, to - batch.first);
      for (let row = Math.max(0, done - batch.first); row < end; ) {
        // The borders depend on the rows alone, so that a run that goes on has the same.
        const start = batch.startOf(row);
        const most = start + options.blockBytes / BYTES[type];
        const count = rowsUpTo(batch.startOf, row, Math.min(end, row + MOST_ROWS), most);
        const elements = batch.startOf(row + count) - start;
        const block = await options.blocks.take(Math.max(elements, count * (classes ?? 1)) * BYTES[type]);
        const bytes = new Uint8Array(block.memory, 0, elements * BYTES[type]);
        await batch.fill(bytes, start * BYTES[type]);
        yield batchOf(batch, block, row, count, elements);
        row += count;
      }
      done = Math.max(done, batch.first + batch.rows);
      batch.leave();
    }
  }

  type RecordBatch = Awaited<ReturnType<typeof openRecordBatch>>;

  function batchOf(batch: RecordBatch, block: Block, row: number, count: number, elements: number): Batch {
    const from = options.rows?.[0] ?? 0;
    const first = batch.first + row - from;
    const { startOf } = batch;
    const offsets = () => new Int32Array(count + 1).map((_, i) => startOf(row + i) - startOf(row));
    const columns = batch.others.map((data) => columnOfData(data.slice(row, count), source.name, arrow));
    const bad = badRows(batch, row, count, listSize === undefined ? classes : undefined);
    if (bad.size === 0) {
      const logits = logitsOn(block, type, elements);
      return {
        ...{ first, end: first + count, rows: count, logits, block, columns },
        offsets: classes === undefined ? offsets() : undefined,
      };
    }
    return repair({ first, count, offsets: offsets(), columns, block, bad });
  }

  /** Takes the bad rows out, or makes them NaN. */
  function repair({
    first,
    count,
    offsets,
    columns,
    block,
    bad,
  }: {
    first: number;
    count: number;
    offsets: Int32Array;
    columns: readonly Column[];
    block: Block;
    bad: ReadonlyMap<number, readonly [string, string]>;
  }): Batch {
    const kept: number[] = [];
    const rows: { row: number; good: boolean }[] = [];
    for (let row = 0; row < count; row++) {
      const [wanted, received] = bad.get(row) ?? [];
      if (wanted === undefined) rows.push({ row, good: true });
      else if (options.onBadRow(first + row, wanted, received ?? '') === 'nan')
        rows.push({ row, good: false });
      else continue;
      kept.push(row);
    }
    const lengthOf = ({ row, good }: { row: number; good: boolean }) =>
      good ? offsets[row + 1] - offsets[row] : (classes ?? 1);
    const target = new Int32Array(rows.length + 1);
    rows.forEach((row, i) => {
      target[i + 1] = target[i] + lengthOf(row);
    });
    const size = Math.max(offsets[count], target[rows.length]);
    const from = logitsOn(block, type, offsets[count]).slice();
    const logits = logitsOn(block, type, Math.min(size, block.memory.byteLength / BYTES[type]));
    rows.forEach(({ row, good }, i) => {
      if (good) logits.set(from.subarray(offsets[row], offsets[row + 1]), target[i]);
      else logits.fill(type === 'float16' ? NAN_BITS : Number.NaN, target[i], target[i + 1]);
    });
    const all = kept.length === count;
    return {
      ...{ first, end: first + count, rows: kept.length, block },
      logits: logits.subarray(0, target[rows.length]),
      offsets: classes === undefined ? target : undefined,
      columns: all ? columns : columns.map((column) => column.pick!(kept)),
      numbers: all ? undefined : kept.map((row) => first + row),
    };
  }

  return { layout, batches: rows, close: () => source.close() };
}

/** Where in the numbers each row starts, and the last one ends. */
function startsOf({ valueOffsets }: Data, listSize: number | undefined): (row: number) => number {
  return listSize === undefined ? (row) => Number(valueOffsets[row]) : (row) => row * listSize;
}

/** How many rows from `from` on, one at least, end at `most` or before. */
function rowsUpTo(startOf: (row: number) => number, from: number, to: number, most: number): number {
  let fits = from + 1;
  for (let beyond = to + 1; beyond - fits > 1; ) {
    const middle = (fits + beyond) >>> 1;
    if (startOf(middle) <= most) fits = middle;
    else beyond = middle;
  }
  return fits - from;
}

/** Rows that are null, have a null, or another length than all; each with what was wanted and what came. */
function badRows(
  { list, startOf }: { readonly list: Data; readonly startOf: (row: number) => number },
  row: number,
  count: number,
  length: number | undefined,
): ReadonlyMap<number, readonly [string, string]> {
  const bad = new Map<number, readonly [string, string]>();
  const [numbers] = list.children;
  const nullRows = list.nullCount > 0;
  const nullNumbers = numbers.nullCount > 0;
  if (!nullRows && !nullNumbers && length === undefined) return bad;
  for (let i = row; i < row + count; i++) {
    const start = startOf(i);
    const end = startOf(i + 1);
    if (nullRows && !list.getValid(i)) bad.set(i - row, ['logits', 'null']);
    else if (length !== undefined && end - start !== length)
      bad.set(i - row, [`${length} logits`, String(end - start)]);
    else if (nullNumbers) {
      for (let at = start; at < end; at++) {
        if (!numbers.getValid(at)) bad.set(i - row, ['numbers', `null at ${at - start}`]);
      }
    }
  }
  return bad;
}

/** A loader over buffers that were read one by one. */
function sparseLoader(arrow: Arrow) {
  return class extends arrow.VectorLoader {
    /** The buffers, by where they start in the body. */
    regions: ReadonlyMap<number, Uint8Array> = new Map();
    /** The last buffer that was asked for. */
    at = -1;

    protected override nextBufferRange() {
      this.at++;
      return super.nextBufferRange();
    }

    protected override readData<T extends ArrowType>(_type: T, region = this.nextBufferRange()): Uint8Array {
      return (region.length > 0 && this.regions.get(region.offset)) || new Uint8Array(0);
    }
  };
}

/** The schema, and the bytes of the messages that follow it. */
async function readSchema(source: Bytes, arrow: Arrow): Promise<{ schema: Schema; source: Bytes }> {
  const start = new Uint8Array(8);
  const received = await source.fill(start);
  const view = new DataView(start.buffer);
  if (Buffer.from(start).toString('latin1', 0, MAGIC.length) === MAGIC) {
    if (source.seek) return { schema: await readFooter(source, arrow), source };
    // apache-arrow for JavaScript leaves the schema to the end.
    const length = new Uint8Array(8);
    await source.fill(length);
    const metadata = await readBytes(source, new DataView(length.buffer).getInt32(4, true));
    const schema = arrow.Message.decode(metadata).header();
    if (schema instanceof arrow.Schema) return { schema, source };
    const file = await spool(source, [start, length, metadata]);
    file.seek?.(start.length);
    return { schema: await readFooter(file, arrow), source: file };
  }
  if (received < 8 || view.getInt32(0, true) !== -1) {
    const what = received === 0 ? 'nothing' : 'something else';
    throw expected('an Arrow IPC file or stream', source.name, what);
  }
  const schema = arrow.Message.decode(await readBytes(source, view.getInt32(4, true))).header();
  if (schema instanceof arrow.Schema) return { schema, source };
  throw expected('an Arrow schema', source.name, 'something else');
}

/** The schema at the end of a file; the position stays. */
async function readFooter(source: Bytes, arrow: Arrow): Promise<Schema> {
  const { position, size = 0 } = source;
  const end = new Uint8Array(4 + MAGIC.length);
  if (size < position + end.length) throw truncated(source);
  source.seek?.(size - end.length);
  await source.fill(end);
  // Without the magic word it was not written to its end.
  if (Buffer.from(end).toString('latin1', 4) !== MAGIC) throw truncated(source);
  const length = new DataView(end.buffer).getInt32(0, true);
  if (length < 0 || length > size - position - end.length) throw truncated(source);
  source.seek?.(size - end.length - length);
  const footer = await readBytes(source, length);
  source.seek?.(position);
  return arrow.Footer.decode(footer).schema;
}

async function readMessage(source: Bytes, arrow: Arrow) {
  const length = await readLength(source);
  return length === 0 ? undefined : arrow.Message.decode(await readBytes(source, length));
}

/** What the library says of bytes that it cannot make sense of, in our words. */
function damaged(error: unknown, name: string): Error {
  if (error instanceof Failure) return error;
  return expected('an Arrow file', name, `something else (${(error as Error).message})`);
}

/** 0 at the end. */
async function readLength(source: Bytes): Promise<number> {
  const word = new Uint8Array(4);
  const view = new DataView(word.buffer);
  const received = await source.fill(word);
  if (received === 0) return 0;
  if (received === 4 && view.getInt32(0, true) !== -1) return view.getInt32(0, true);
  if (received < 4 || (await source.fill(word)) < 4) throw truncated(source);
  return view.getInt32(0, true);
}

async function readBytes(source: Bytes, length: number): Promise<Uint8Array> {
  const left = source.size === undefined ? 2 ** 32 : source.size - source.position;
  if (length < 0 || length > left) throw truncated(source);
  const bytes = new Uint8Array(length);
  if ((await source.fill(bytes)) < length) throw truncated(source);
  return bytes;
}

function truncated({ name }: Bytes): Failure {
  return expected('whole record batches', name, 'a part (the file is truncated)');
}

function columnOf({ fields }: Schema, asked: string | undefined, name: string, { Type }: Arrow): ArrowField {
  const lists: readonly number[] = [Type.FixedSizeList, Type.List, Type.LargeList];
  const isLogits = ({ type }: ArrowField) =>
    lists.includes(type.typeId) && type.children[0]?.type.typeId === Type.Float;
  const possible = fields.filter(isLogits);
  if (asked === undefined && possible.length === 1) return possible[0];
  if (asked === undefined) {
    const names = possible.map((field) => field.name).join(', ') || 'none';
    throw expected('one column of lists of floats, or --column,', name, names);
  }
  const field = fields.find((candidate) => candidate.name === asked);
  if (!field) throw expected(`a column ${asked}`, name, fields.map((known) => known.name).join(', '));
  if (!isLogits(field)) throw expected('lists of floats', `column ${asked} of ${name}`, String(field.type));
  return field;
}

function fieldOf({ name, type, nullable }: ArrowField, arrow: Arrow): Field {
  const plain = plainType(type, arrow);
  return { name, type: columnTypeOf(plain, arrow), native: new arrow.Field(name, plain, nullable) };
}

/**
 * The type that a column is written with: categories as what they stand for, and strings in one piece. (A part of a
 * column of views would carry the text of all of it.)
 */
function plainType(type: ArrowType, arrow: Arrow): ArrowType {
  const { DataType, Type } = arrow;
  if (DataType.isDictionary(type)) return plainType(type.dictionary, arrow);
  if (type.typeId === Type.Utf8View) return new arrow.Utf8();
  if (type.typeId === Type.BinaryView) return new arrow.Binary();
  const fields = (type.children ?? []) as readonly ArrowField[];
  const plain = fields.map((field) => field.clone({ type: plainType(field.type, arrow) }));
  if (fields.every((field, i) => field.type === plain[i].type)) return type;
  if (DataType.isStruct(type)) return new arrow.Struct(plain);
  if (DataType.isList(type)) return new arrow.List(plain[0]);
  if (type.typeId === Type.LargeList) return new arrow.LargeList(plain[0]);
  if (DataType.isFixedSizeList(type)) return new arrow.FixedSizeList(type.listSize, plain[0]);
  if (DataType.isMap(type)) return new arrow.Map_(plain[0] as never, type.keysSorted);
  return type;
}

/** A cell as a builder takes it: of lists an array, of structs and maps an object. */
function plainCell(cell: unknown, arrow: Arrow): unknown {
  if (cell instanceof arrow.Vector) return Array.from(cell, (item) => plainCell(item, arrow));
  if (typeof cell !== 'object' || cell === null || ArrayBuffer.isView(cell)) return cell;
  const entries = Array.from(cell as Iterable<[string, unknown]>);
  return Object.fromEntries(entries.map(([name, value]) => [name, plainCell(value, arrow)]));
}

function columnTypeOf(type: ArrowType, { DataType, DateUnit, Precision }: Arrow): ColumnType {
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return 'string';
  if (DataType.isBool(type)) return 'boolean';
  if (DataType.isFloat(type)) return type.precision === Precision.DOUBLE ? 'float64' : 'float32';
  if (DataType.isInt(type)) {
    if (type.bitWidth === 64) return type.isSigned ? 'int64' : 'uint64';
    return type.bitWidth === 32 && !type.isSigned ? 'int64' : 'int32';
  }
  if (DataType.isDate(type)) return type.unit === DateUnit.DAY ? 'day' : 'date';
  if (DataType.isTimestamp(type)) return 'date';
  return 'json';
}

function columnOfData(data: Data, name: string, arrow: Arrow): Column {
  const vector = new arrow.Vector([data]);
  const plain = plainType(data.type, arrow);
  const type = columnTypeOf(plain, arrow);
  const cellAt = (row: number): unknown => {
    try {
      return vector.get(row);
    } catch (error) {
      throw damaged(error, name);
    }
  };
  const from = (rows: readonly number[]): Data => {
    const cells = rows.map((row) => plainCell(cellAt(row), arrow));
    return arrow.vectorFromArray(cells, plain).data[0] ?? arrow.makeData({ type: plain, length: 0 } as never);
  };
  return {
    get(row) {
      const value = cellAt(row);
      return (type === 'date' || type === 'day') && value !== null ? new Date(Number(value)) : value;
    },
    get native() {
      return plain === data.type ? data : from(Array.from({ length: data.length }, (_, row) => row));
    },
    pick: (rows) => columnOfData(from(rows), name, arrow),
  };
}
