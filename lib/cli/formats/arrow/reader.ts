/**
 * Arrow, read: of a file the logits of a record batch go straight into the blocks, a part at a time, so that a batch of many
 * gigabytes needs no more memory than a small one.
 */
import { Type } from '@uwdata/flechette';
import type { Batch, Layout, Reader } from '../../batch.js';
import { logitsOn } from '../../blocks.js';
import { expected } from '../../failure.js';
import type { ReaderOptions } from '../../formats.js';
import type { Bytes } from '../../input.js';
import { columnOf, type Dictionary, fieldOf } from './columns.js';
import { decompress } from './compression.js';
import { hasDictionaries } from './indices.js';
import { childrenOf, factsOf } from './layouts.js';
import { type Lists, listsOf, withoutChild } from './lists.js';
import { logitsColumn } from './logits.js';
import { damaged, readBytes, truncated } from './messages.js';
import { load, type Node, nodesOf } from './nodes.js';
import { type Found, openSource } from './source.js';
import { take } from './take.js';

const BYTES = { float16: 2, float32: 4, float64: 8 } as const;
const NAN_BITS = 0x7e00;
/** No batch has more rows, however short they are. */
const MOST_ROWS = 65_536;

interface RecordBatch extends Lists {
  /** The number of its first row. */
  readonly first: number;
  /** The columns beside the logits. */
  readonly others: readonly Node[];
  readonly dictionaries: readonly Dictionary[];
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
  const seen = new WeakSet<Node>();

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
        const loaded = await load(node, read);
        if (!hasDictionaries(loaded, dictionaries, seen)) {
          throw expected(`a dictionary for column ${schema.fields[i].name}`, source.name, 'none');
        }
        columns.push(loaded);
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
    const where = ` in column ${column.name}`;
    let bad: ('skip' | 'nan' | undefined)[] | undefined;
    for (let i = 0; i < count; i++) {
      const own = batch.startOf(row + i + 1) - batch.startOf(row + i);
      let why: readonly [string, string] | undefined;
      if (batch.isNull(row + i)) why = ['logits', `null${where}`];
      else if (length !== undefined && own !== length) why = [`${length} logits`, `${own}${where}`];
      else {
        const hole = batch.holeIn(row + i);
        if (hole >= 0) why = ['numbers', `null at ${hole}${where}`];
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
