/** NumPy's arrays, as batches: read and written straight from and to the blocks. */

import { elementKind, isTransposed, openArray, readWhole, swapBytes } from '../arrays.js';
import type { Batch, Layout, LogitsType, Reader, ScoredBatch, Writer } from '../batch.js';
import { logitsOn } from '../blocks.js';
import { listOf } from '../columns.js';
import { expected, expectedUsage } from '../failure.js';
import type { Dtype, ReaderOptions, WriterOptions } from '../formats.js';
import { ByteSource, type Bytes } from '../input.js';
import { formatNpyHeader, product } from '../npy-header.js';
import type { Output } from '../output.js';

interface Stored {
  readonly type: LogitsType;
  readonly bytes: number;
  readonly bigEndian: boolean;
}

const FLOATS: Readonly<Record<number, LogitsType>> = { 2: 'float16', 4: 'float32', 8: 'float64' };

function storedAs(dtype: string, asked: Dtype | undefined, name: string): Stored {
  const element = elementKind(dtype);
  const { bytes = 0, bigEndian = false } = element ?? {};
  if (element?.kind === 'bfloat') return { type: 'bfloat16', bytes, bigEndian };
  if (element?.kind === 'float' && bytes in FLOATS && asked === undefined) {
    return { type: FLOATS[bytes], bytes, bigEndian };
  }
  const nameless = bytes === 2 && (element?.kind === 'raw' || element?.kind === 'uint');
  if (nameless && asked !== undefined) return { type: asked, bytes, bigEndian };
  if (asked !== undefined) throw expectedUsage('<V2 or <u2 for --dtype', `the dtype of ${name}`, dtype);
  const hint = nameless ? ' (bfloat16? --dtype bfloat16 reads it so)' : '';
  throw expected('floats of 2, 4 or 8 bytes', `the dtype of ${name}`, `${dtype}${hint}`);
}

/** A file of them takes no longer than one of 16 MB. */
const MOST_EMPTY_ROWS = 1 << 24;

export async function openNpyReader(opened: Bytes, options: ReaderOptions): Promise<Reader> {
  const array = await openArray(opened);
  const { dtype, shape } = array;
  const stored = storedAs(dtype, options.dtype, opened.name);
  const total = product(shape) * stored.bytes;
  let { source } = array;
  const close = () => array.source.close();
  if (source.size !== undefined) refuseLength(source, total, source.size - source.position);

  const axis = resolveAxis(options.axis, shape, source.name);
  const classes = shape[axis];
  const inner = product(shape.slice(axis + 1));
  const outer = product(shape.slice(0, axis));
  // Their number is in the header alone: no byte of the file vouches for it.
  const rows = outer * inner;
  if (!Number.isSafeInteger(rows) || (classes === 0 && rows > MOST_EMPTY_ROWS)) {
    throw expected(`at most ${MOST_EMPTY_ROWS} rows without classes`, source.name, rows);
  }
  const [from, to] = rangeOf(options.rows, outer, inner, source.name);
  const whole = options.rows === undefined;
  const layout: Layout = {
    type: stored.type,
    classes,
    shape: whole ? shape : [to - from, classes],
    axis: whole ? axis : 1,
    inner,
    rows: (to - from) * inner,
    fields: [],
  };
  if (isTransposed(array)) {
    const columns = shape.length === 2 && axis === 1 && source.seek !== undefined;
    if (columns) return { layout, batches: () => panels(source), close };
    const bytes = await readWhole(array, stored);
    source = new ByteSource(source.name, one(bytes));
  }
  const swap = stored.bigEndian && source === array.source;
  // What is scored together: a row, or as many rows as are interleaved.
  const slab = classes * inner;
  const slabBytes = slab * stored.bytes;
  const slabs = slabBytes === 0 ? 65_536 : Math.max(1, Math.floor(options.blockBytes / slabBytes));

  async function* batches(): AsyncGenerator<Batch> {
    const start = from + options.done / Math.max(1, inner);
    await source.skip(start * slabBytes);
    for (let at = start; at < to && inner > 0; at += slabs) {
      const count = Math.min(slabs, to - at);
      const block = await options.blocks.take(count * slabBytes);
      const bytes = new Uint8Array(block.memory, 0, count * slabBytes);
      const received = await source.fill(bytes);
      if (received < bytes.length) throw truncated(source, total, at * slabBytes + received);
      if (swap) swapBytes(bytes, stored.bytes);
      yield {
        first: at * inner,
        end: (at - from + count) * inner,
        rows: count * inner,
        logits: logitsOn(block, layout.type, count * slab),
        block,
        columns: [],
      };
    }
    if (source.size === undefined && whole && !(await source.ended())) {
      throw expected(`${total} bytes of data`, source.name, 'more');
    }
  }

  /** Of columns in Fortran order some rows at a time: a part of each column. */
  async function* panels(file: Bytes): AsyncGenerator<Batch> {
    const [height, width] = shape;
    const data = file.position;
    const rowBytes = width * stored.bytes;
    const most = Math.max(1, Math.floor(options.blockBytes / rowBytes), Math.floor(PANEL_BYTES / rowBytes));
    for (let at = from + options.done; at < to; at += most) {
      const count = Math.min(most, to - at);
      const part = new Uint8Array(count * stored.bytes);
      const block = await options.blocks.take(count * rowBytes);
      const target = elementsOf(new Uint8Array(block.memory, 0, count * rowBytes), stored.bytes);
      const column = elementsOf(part, stored.bytes);
      for (let c = 0; c < width; c++) {
        file.seek?.(data + (c * height + at) * stored.bytes);
        if ((await file.fill(part)) < part.length) throw truncated(file, total, file.position - data);
        if (stored.bigEndian) swapBytes(part, stored.bytes);
        for (let row = 0, i = c; row < count; row++, i += width) target[i] = column[row];
      }
      const [first, end] = [at - from, at - from + count];
      const logits = logitsOn(block, layout.type, count * width);
      yield { first, end, rows: count, logits, block, columns: [] };
    }
  }

  return { layout, batches, close };
}

/** So much of a file in Fortran order is read at a time: every column of it is, a part each. */
const PANEL_BYTES = 1 << 25;

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Elements to be moved, whatever they are. */
function elementsOf({ buffer, length }: Uint8Array, bytes: number) {
  if (bytes === 8) return new Float64Array(buffer, 0, length / 8);
  return bytes === 4 ? new Uint32Array(buffer, 0, length / 4) : new Uint16Array(buffer, 0, length / 2);
}

function refuseLength(source: Bytes, wanted: number, received: number): void {
  if (received < wanted) throw truncated(source, wanted, received);
  if (received > wanted) throw expected(`${wanted} bytes of data`, source.name, 'more');
}

function truncated(source: Bytes, wanted: number, received: number) {
  return expected(`${wanted} bytes of data`, source.name, `${received} (the file is truncated)`);
}

function resolveAxis(axis: number, { length: rank }: readonly number[], input: string): number {
  if (rank === 0) throw expected('at least one dimension', input, 'a single number');
  if (axis < -rank || axis >= rank) {
    throw expectedUsage(`an integer from ${-rank} to ${rank - 1}`, '--axis', axis);
  }
  return axis < 0 ? axis + rank : axis;
}

function rangeOf(
  rows: readonly [number, number] | undefined,
  outer: number,
  inner: number,
  name: string,
): readonly [number, number] {
  if (!rows) return [0, outer];
  if (inner !== 1) throw expectedUsage('the last axis', '--axis with a range of rows', 'another');
  const [from, to] = rows;
  if (from < 0 || to < from || to > outer) {
    throw expected(`at least ${to} rows`, name, outer);
  }
  return rows;
}

/** With scores of the best classes: records that NumPy reads as `a['class']` and `a['score']`, each [rows…, k]. */
export function newNpyWriter(output: Output, options: WriterOptions): Writer {
  const { layout, content, width, skips, onNotice } = options;
  const { rows } = layout;
  refuseNoArray(options, '.npy');
  const known = rows !== undefined && !skips;
  if (!known && !output.patch)
    throw expectedUsage('a file', '-o of a .npy whose length is not known yet', '-');
  const number = layout.type === 'float64' ? '<f8' : '<f4';
  const dtype =
    content === 'top'
      ? `[('class', '<u4', (${width},)), ('score', '${number}', (${width},))]`
      : `'${number}'`;
  const header = (count: number, least?: number) => formatNpyHeader(dtype, shapeOf(options, count), least);
  // Room for any number of rows, where it is not known yet.
  const begin = known ? header(rows) : header(Number.MAX_SAFE_INTEGER);
  if (layout.fields.length > 0) {
    const names = layout.fields.map(({ name }) => name);
    onNotice?.(`not in the .npy, which holds one array: ${listOf('column', names)} (a .npz holds several)`);
  }

  return {
    begin: () => output.write(begin),
    write(batch) {
      return output.write(content === 'top' ? records(batch) : bytesOf(batch.scores));
    },
    async end(count) {
      if (!known) await output.patch?.(0, header(count, begin.length));
    },
  };
}

/** What an array cannot be. */
export function refuseNoArray({ layout, content, skips }: WriterOptions, extension: string): void {
  const { classes, column, inner, axis } = layout;
  if (classes === undefined && content === 'all') {
    throw expected(`rows of one length for a ${extension} output`, column ?? 'the input', 'rows that differ');
  }
  if (skips && inner !== 1) throw expectedUsage('the last axis', '--axis with --errors skip', axis);
}

/** That of the scores: the input's, without the axis of the classes where a row has one element. */
export function shapeOf({ layout, content, skips }: WriterOptions, count: number): readonly number[] {
  const known = layout.rows !== undefined && !skips && layout.shape !== undefined;
  const shape = known ? layout.shape! : [count, layout.classes ?? 0];
  return content === 'all' ? shape : shape.toSpliced(known ? layout.axis : 1, 1);
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function records({ rows, width, scores, indices }: ScoredBatch): Uint8Array {
  const scoreBytes = scores.BYTES_PER_ELEMENT;
  const stride = width * (4 + scoreBytes);
  const bytes = new Uint8Array(rows * stride);
  const classes = new Uint8Array(indices!.buffer, indices!.byteOffset, indices!.byteLength);
  const values = bytesOf(scores);
  for (let row = 0; row < rows; row++) {
    bytes.set(classes.subarray(row * width * 4, (row + 1) * width * 4), row * stride);
    bytes.set(
      values.subarray(row * width * scoreBytes, (row + 1) * width * scoreBytes),
      row * stride + width * 4,
    );
  }
  return bytes;
}
