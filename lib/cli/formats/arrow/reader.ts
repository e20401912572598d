/**
 * Arrow, read: of a file the logits of a record batch go straight into the blocks, a part at a time, so that a batch of many
 * gigabytes needs no more memory than a small one.
 */
import { type Field as ArrowField, type DataType, type Schema, Type } from '@uwdata/flechette';
import type { Batch, Layout, Reader } from '../../batch.js';
import { logitsOn } from '../../blocks.js';
import { expected } from '../../failure.js';
import type { ReaderOptions } from '../../formats.js';
import type { Bytes } from '../../input.js';
import { spool } from '../../spool.js';
import { columnOf, type Dictionary, EXTENSION, fieldOf } from './columns.js';
import { decompress } from './compression.js';
import {
  type BatchHeader,
  damaged,
  decodeSchema,
  MAGIC,
  type Message,
  readBytes,
  readFooter,
  readMessage,
  truncated,
} from './messages.js';
import {
  childrenOf,
  factsOf,
  isDictionary,
  isValid,
  load,
  type Node,
  nodesOf,
  offsetsOf,
  take,
  viewsOf,
} from './nodes.js';

const BYTES = { float16: 2, float32: 4, float64: 8 } as const;
const NAN_BITS = 0x7e00;
/** No batch has more rows, however short they are. */
const MOST_ROWS = 65_536;

/** Where the lists of a record batch start, and how long they are; the numbers are read apart. */
interface Lists {
  readonly rows: number;
  readonly startOf: (row: number) => number;
  readonly isNull: (row: number) => boolean;
  /** Where among the numbers of a row there is none; -1 where there are all. */
  readonly holeIn: (row: number) => number;
  /** Part of the numbers, as bytes. */
  fill(target: Uint8Array, offset: number): Promise<void>;
}

interface RecordBatch extends Lists {
  /** The number of its first row. */
  readonly first: number;
  /** The columns beside the logits. */
  readonly others: readonly Node[];
  readonly dictionaries: readonly Dictionary[];
}

/** A record batch whose body is not read yet. */
interface Found {
  readonly first: number;
  readonly header: BatchHeader;
  readonly dictionaries: readonly Dictionary[];
  /** The body: where it starts in the source, or all of it. */
  readonly body: number | Uint8Array;
}

export async function openArrowReader(input: Bytes, options: ReaderOptions): Promise<Reader> {
  const opened = await guarded(() => openSource(input));
  const { source, schema } = opened;
  const column = logitsColumn(schema, options.column, source.name);
  const [item] = childrenOf(column.type);
  const type = (['float16', 'float32', 'float64'] as const)[factsOf(item.type).precision ?? 0];
  const listSize = column.type.typeId === Type.FixedSizeList ? factsOf(column.type).stride : undefined;
  const others = schema.fields.filter((field) => field !== column);
  const types = schema.fields.map((field) => field.type);
  const [from, to] = options.rows ?? [0, Number.POSITIVE_INFINITY];

  async function guarded<Result>(read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      throw damaged(error, input.name);
    }
  }

  async function bufferOf({ body, header }: Found, buffer: number): Promise<Uint8Array> {
    const { offset, length } = header.buffers[buffer];
    let bytes: Uint8Array;
    if (typeof body === 'number') {
      source.seek?.(body + offset);
      bytes = await readBytes(source, length);
    } else bytes = body.subarray(offset, offset + length);
    return header.codec === undefined ? bytes : decompress(header.codec, bytes, source.name);
  }

  async function open(found: Found): Promise<RecordBatch> {
    const { header, first, dictionaries, body } = found;
    const unread = nodesOf(types, header);
    const read = (buffer: number) => bufferOf(found, buffer);
    const columns: Node[] = [];
    let lists: Lists | undefined;
    for (const [i, node] of unread.entries()) {
      if (node.length !== header.rows) {
        throw expected(`${header.rows} rows in column ${schema.fields[i].name}`, source.name, node.length);
      }
      if (schema.fields[i] !== column) {
        columns.push(await load(node, read));
        continue;
      }
      const [child] = node.children;
      // The numbers are of no interest yet: in their place stands nothing.
      const { buffers } = await load({ ...node, type: withoutChild(node.type), children: [] }, read);
      const validity = await read(child.buffers[0]);
      const numbers = child.buffers[1];
      const { offset, length } = header.buffers[numbers];
      const whole = typeof body === 'number' && header.codec === undefined ? undefined : await read(numbers);
      const held = (whole?.length ?? length) / BYTES[type];
      if (held < child.length || (child.nullCount > 0 && validity.length < Math.ceil(child.length / 8))) {
        throw expected(`${child.length} numbers`, source.name, Math.floor(held));
      }
      const fill = async (target: Uint8Array, at: number) => {
        if (whole) target.set(whole.subarray(at, at + target.length));
        else {
          source.seek?.((body as number) + offset + at);
          if ((await source.fill(target)) < target.length) throw truncated(source);
        }
      };
      const list: Node = { ...node, buffers, children: [] };
      const numbersOf = { ...child, buffers: [validity], children: [] };
      lists = await listsOf(list, numbersOf, listSize, BYTES[type], fill, read, numbers);
    }
    return { ...(lists as Lists), first, others: columns, dictionaries };
  }

  /** The record batches that are wanted. */
  async function* recordBatches(): AsyncGenerator<RecordBatch> {
    const start = from + options.done;
    const batches = opened.find(start, to);
    for (;;) {
      const next = await guarded(async () => {
        const { value, done } = await batches.next();
        return done ? undefined : await open(value);
      });
      if (!next) return;
      yield next;
    }
  }

  const batches = recordBatches();
  // Those that had to be opened to learn how long the rows are.
  const heads: RecordBatch[] = [];
  let classes = listSize;
  if (listSize === undefined && options.uniform) {
    classes = 0;
    search: for (;;) {
      const { value: head, done } = await batches.next();
      if (done) break;
      heads.push(head);
      for (let row = 0; row < head.rows; row++) {
        if (head.isNull(row)) continue;
        classes = head.startOf(row + 1) - head.startOf(row);
        break search;
      }
    }
  }
  const layout: Layout = {
    type,
    classes,
    axis: 1,
    inner: 1,
    rows: opened.rows === undefined ? undefined : Math.max(0, Math.min(opened.rows, to) - from),
    fields: others.map(fieldOf),
    column: column.name,
    native: schema.metadata,
  };

  async function* rows(): AsyncGenerator<Batch> {
    let done = from + options.done;
    async function* all() {
      yield* heads;
      yield* batches;
    }
    for await (const batch of all()) {
      const end = Math.min(batch.rows, to - batch.first);
      for (let row = Math.max(0, done - batch.first); row < end; ) {
        // The borders depend on the rows alone, so that a run that goes on has the same.
        const most = batch.startOf(row) + options.blockBytes / BYTES[type];
        const count = rowsUpTo(batch.startOf, row, Math.min(end, row + MOST_ROWS), most);
        yield await guarded(() => batchOf(batch, row, count));
        row += count;
      }
      done = Math.max(done, batch.first + batch.rows);
    }
  }

  async function batchOf(batch: RecordBatch, row: number, count: number): Promise<Batch> {
    const first = batch.first + row - from;
    const start = batch.startOf(row);
    const elements = batch.startOf(row + count) - start;
    const bad = badRows(batch, row, count, first);
    const columns = batch.others.map((node, i) => {
      return columnOf(others[i], take(node, [[row, row + count]]), batch.dictionaries, source.name);
    });
    if (!bad) {
      const block = await options.blocks.take(elements * BYTES[type]);
      await batch.fill(new Uint8Array(block.memory, 0, elements * BYTES[type]), start * BYTES[type]);
      return {
        ...{ first, end: first + count, rows: count, block, columns },
        logits: logitsOn(block, type, elements),
        offsets: classes === undefined ? offsetsFrom(batch, row, count) : undefined,
      };
    }

    // Rows are left out, or become NaN: what is there moves to its place.
    const kept = Array.from({ length: count }, (_, i) => i).filter((i) => bad[i] !== 'skip');
    const lengths = kept.map((i) =>
      bad[i] === 'nan' ? (classes ?? 1) : batch.startOf(row + i + 1) - batch.startOf(row + i),
    );
    const offsets = new Int32Array(kept.length + 1);
    for (const [i, length] of lengths.entries()) offsets[i + 1] = offsets[i] + length;
    const size = BYTES[type];
    const bytes = new Uint8Array(elements * size);
    await batch.fill(bytes, start * size);
    const block = await options.blocks.take(offsets[kept.length] * size);
    const target = new Uint8Array(block.memory);
    const logits = logitsOn(block, type, offsets[kept.length]);
    for (const [i, at] of kept.entries()) {
      const own = (batch.startOf(row + at) - start) * size;
      if (bad[at] === 'nan')
        logits.fill(type === 'float16' ? NAN_BITS : Number.NaN, offsets[i], offsets[i + 1]);
      else target.set(bytes.subarray(own, own + lengths[i] * size), offsets[i] * size);
    }
    const all = kept.length === count;
    return {
      ...{ first, end: first + count, rows: kept.length, block, logits },
      offsets: classes === undefined ? offsets : undefined,
      columns: all ? columns : columns.map((each) => each.pick!(kept)),
      numbers: all ? undefined : kept.map((i) => first + i),
    };
  }

  /** What becomes of rows that are null, have a null, or another length than all; undefined where all are good. */
  function badRows(batch: RecordBatch, row: number, count: number, first: number) {
    const length = listSize === undefined ? classes : undefined;
    let bad: ('skip' | 'nan' | undefined)[] | undefined;
    for (let i = 0; i < count; i++) {
      const own = batch.startOf(row + i + 1) - batch.startOf(row + i);
      let why: readonly [string, string] | undefined;
      if (batch.isNull(row + i)) why = ['logits', 'null'];
      else if (length !== undefined && own !== length) why = [`${length} logits`, String(own)];
      else {
        const hole = batch.holeIn(row + i);
        if (hole >= 0) why = ['numbers', `null at ${hole}`];
      }
      if (why) {
        bad ??= [];
        bad[i] = options.onBadRow(first + i, ...why);
      }
    }
    return bad;
  }

  return { layout, batches: rows, close: () => source.close() };
}

function offsetsFrom({ startOf }: Lists, row: number, count: number): Int32Array {
  return new Int32Array(count + 1).map((_, i) => startOf(row + i) - startOf(row));
}

/** A list's type without the type of its items: of the same buffers. */
function withoutChild(type: DataType): DataType {
  return type.typeId === Type.FixedSizeList
    ? ({ ...type, typeId: Type.Struct, children: [] } as never)
    : type;
}

async function listsOf(
  list: Node,
  numbers: Node,
  listSize: number | undefined,
  bytes: number,
  fill: Lists['fill'],
  read: (buffer: number) => Promise<Uint8Array>,
  buffer: number,
): Promise<Lists> {
  const { length: rows, type } = list;
  const isNull = (row: number) => !isValid(list, row);
  const holeFrom = (start: number, end: number) => {
    if (numbers.nullCount === 0) return -1;
    for (let at = start; at < end; at++) if (!isValid(numbers, at)) return at - start;
    return -1;
  };
  if (listSize !== undefined) {
    if (listSize < 0 || numbers.length < rows * listSize)
      throw new RangeError('lists with fewer numbers than rows');
    // Rows without numbers could be more than anyone can count.
    if (listSize === 0 && rows > 2 ** 32) throw new RangeError(`${rows} rows of nothing`);
    const startOf = (row: number) => row * listSize;
    return { rows, startOf, isNull, fill, holeIn: (row) => holeFrom(row * listSize, (row + 1) * listSize) };
  }
  const large = type.typeId === Type.LargeList || type.typeId === Type.LargeListView;
  const offsetBytes = large ? 8 : 4;
  if (type.typeId === Type.List || type.typeId === Type.LargeList) {
    const offsets = offsetsOf(list.buffers[1], offsetBytes, [0, rows], numbers.length);
    const startOf = (row: number) => offsets[row];
    return { rows, startOf, isNull, fill, holeIn: (row) => holeFrom(offsets[row], offsets[row + 1]) };
  }
  // Views may lie in any order, over one another, with gaps: they are put one behind the other.
  const { starts, sizes } = viewsOf(list, offsetBytes, [0, rows], numbers.length);
  const offsets = new Float64Array(rows + 1);
  for (let row = 0; row < rows; row++) offsets[row + 1] = offsets[row] + sizes[row];
  const startOf = (row: number) => offsets[row];
  const holeIn = (row: number) => holeFrom(starts[row], starts[row] + sizes[row]);
  if (starts.every((start, row) => sizes[row] === 0 || start === offsets[row])) {
    return { rows, startOf, isNull, fill, holeIn };
  }
  const all = await read(buffer);
  return {
    ...{ rows, startOf, isNull, holeIn },
    async fill(target, offset) {
      // It is always whole rows that are asked for.
      const from = rowAt(offsets, offset / bytes);
      for (let row = from, at = 0; at < target.length; row++) {
        const part = all.subarray(starts[row] * bytes, (starts[row] + sizes[row]) * bytes);
        target.set(part, at);
        at += part.length;
      }
    },
  };
}

/** The first row that ends after a number. */
function rowAt(offsets: Float64Array, number: number): number {
  let [low, high] = [0, offsets.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle + 1] > number) high = middle;
    else low = middle + 1;
  }
  return low;
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

interface Opened {
  readonly source: Bytes;
  readonly schema: Schema;
  /** How many there are, where the input says so. */
  readonly rows: number | undefined;
  /** The record batches with rows from the first up to, not including, the second. */
  find(start: number, end: number): AsyncGenerator<Found, void>;
}

async function openSource(input: Bytes): Promise<Opened> {
  const start = new Uint8Array(8);
  const received = await input.fill(start);
  if (Buffer.from(start).toString('latin1', 0, MAGIC.length) === MAGIC) {
    return openFile(input.seek ? input : await spool(input, [start]));
  }
  const view = new DataView(start.buffer);
  const modern = view.getInt32(0, true) === -1;
  const length = view.getInt32(modern ? 4 : 0, true);
  if (received < 8 || length <= 0 || length > 2 ** 28) {
    const what = received === 0 ? 'nothing' : 'something else';
    throw expected('an Arrow IPC file or stream', input.name, what);
  }
  const rest = await readBytes(input, modern ? length : length - 4);
  return openStream(input, modern ? rest : Buffer.concat([start.subarray(4), rest]));
}

async function openFile(source: Bytes): Promise<Opened> {
  const { schema, dictionaries: places, batches } = await readFooter(source);
  const values = dictionaryTypes(schema);
  const at = async ({ offset, metadataLength, bodyLength }: (typeof places)[number]) => {
    source.seek?.(offset);
    const message = await readMessage(source);
    if (message?.bodyLength !== bodyLength) throw new RangeError('a footer that tells of other messages');
    return { message, body: offset + metadataLength };
  };
  const dictionaries: Dictionary[] = [];
  for (const place of places) {
    const { message, body } = await at(place);
    source.seek?.(body);
    dictionaries.push(await readDictionary(source, message, values));
  }
  // How many rows there are the footer says by what it points to.
  const counts: number[] = [];
  for (const place of batches) {
    const { message } = await at(place);
    if (message.kind !== 'batch') throw new RangeError(`a ${message.kind} in the place of a record batch`);
    counts.push(message.data.rows);
  }
  return {
    ...{ source, schema },
    rows: counts.reduce((sum, rows) => sum + rows, 0),
    async *find(start, end) {
      let first = 0;
      for (const [i, rows] of counts.entries()) {
        if (first >= end) return;
        if (first + rows > start) {
          const { message, body } = await at(batches[i]);
          if (message.kind === 'batch') yield { first, header: message.data, dictionaries, body };
        }
        first += rows;
      }
    },
  };
}

async function openStream(source: Bytes, metadata: Uint8Array): Promise<Opened> {
  const schema = decodeSchema(metadata, source.name);
  const values = dictionaryTypes(schema);
  return {
    ...{ source, schema, rows: undefined },
    async *find(start, end) {
      let first = 0;
      let dictionaries: readonly Dictionary[] = [];
      for (
        let message = await readMessage(source);
        message && first < end;
        message = await readMessage(source)
      ) {
        const { bodyLength } = message;
        const at = source.position;
        if (message.kind === 'dictionary') {
          dictionaries = [...dictionaries, await readDictionary(source, message, values)];
        } else if (message.kind === 'batch' && first + message.data.rows > start) {
          if (source.size !== undefined && at + bodyLength > source.size) throw truncated(source);
          const body = source.seek ? at : await readBytes(source, bodyLength);
          yield { first, header: message.data, dictionaries, body };
          source.seek?.(at + bodyLength);
        } else if (!(await source.skip(bodyLength))) throw truncated(source);
        if (message.kind === 'batch') first += message.data.rows;
      }
    },
  };
}

async function readDictionary(
  source: Bytes,
  message: Message,
  values: ReadonlyMap<number, DataType>,
): Promise<Dictionary> {
  if (message.kind !== 'dictionary') throw new RangeError(`a ${message.kind} in the place of a dictionary`);
  const { id, isDelta, data, bodyLength } = message;
  const type = values.get(id);
  if (!type) throw new RangeError(`a dictionary ${id} of no column`);
  const body = await readBytes(source, bodyLength);
  const [unread] = nodesOf([type], data);
  const node = await load(unread, async (buffer) => {
    const { offset, length } = data.buffers[buffer];
    const bytes = body.subarray(offset, offset + length);
    return data.codec === undefined ? bytes : decompress(data.codec, bytes, source.name);
  });
  return { id, isDelta, node };
}

/** Of every dictionary, what it holds. */
function dictionaryTypes({ fields }: Schema): ReadonlyMap<number, DataType> {
  const types = new Map<number, DataType>();
  function visit(type: DataType): void {
    const { id, dictionary } = factsOf(type);
    if (isDictionary(type)) {
      types.set(id as number, dictionary as DataType);
      visit(dictionary as DataType);
    } else for (const field of childrenOf(type)) visit(field.type);
  }
  for (const { type } of fields) visit(type);
  return types;
}

const LISTS: readonly number[] = [
  Type.List,
  Type.LargeList,
  Type.FixedSizeList,
  Type.ListView,
  Type.LargeListView,
];

function logitsColumn({ fields }: Schema, asked: string | undefined, name: string): ArrowField {
  const possible = fields.filter(({ type }) => isLogits(type));
  if (asked === undefined && possible.length !== 1) {
    const received =
      possible.length > 0
        ? possible.map((field) => field.name).join(', ')
        : fields.length === 0
          ? 'no columns'
          : `none (${fields
              .slice(0, 20)
              .map((field) => `${field.name}: ${nameOf(field.type)}`)
              .join(', ')})`;
    throw expected('one column of lists of floats, or --column,', name, received);
  }
  const field = asked === undefined ? possible[0] : fields.find((candidate) => candidate.name === asked);
  if (!field) throw expected(`a column ${asked}`, name, fields.map((known) => known.name).join(', '));
  if (!isLogits(field.type)) {
    throw expected('lists of floats', `column ${field.name} of ${name}`, nameOf(field.type));
  }
  const shape = tensorShape(field);
  if (shape && shape.length > 1) {
    throw expected(
      `one row of logits in each list (write lists of ${shape.at(-1)})`,
      `column ${field.name} of ${name}`,
      `${field.metadata.get(EXTENSION)} of shape [${shape.join(', ')}]`,
    );
  }
  return field;
}

function isLogits(type: DataType): boolean {
  return LISTS.includes(type.typeId) && childrenOf(type)[0]?.type.typeId === Type.Float;
}

/** That of a tensor in each row. */
function tensorShape({ metadata }: ArrowField): number[] | undefined {
  if (metadata?.get(EXTENSION) !== 'arrow.fixed_shape_tensor') return undefined;
  try {
    const { shape } = JSON.parse(metadata.get('ARROW:extension:metadata') ?? '');
    return Array.isArray(shape) ? shape : undefined;
  } catch {
    return undefined;
  }
}

/** As a message calls it. */
function nameOf(type: DataType): string {
  if (isDictionary(type)) return `a dictionary of ${nameOf(factsOf(type).dictionary as DataType)}`;
  if (type.typeId === Type.RunEndEncoded) return `run ends of ${nameOf(childrenOf(type)[1].type)}`;
  if (LISTS.includes(type.typeId)) return `lists of ${nameOf(childrenOf(type)[0].type)}`;
  return Object.entries(Type).find(([, id]) => id === type.typeId)?.[0] ?? 'unknown';
}
