/**
 * Arrow's messages: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc.
 *
 *     message    -1 (absent before 0.15)   uint32 size   metadata, a flatbuffer   body
 *     stream     a schema, then dictionaries and record batches; ends with a size of 0, or with the bytes
 *     file       ARROW1 0 0   a stream, more or less   footer   int32 its size   ARROW1
 *
 * Where the messages of a file lie says its footer alone: between them may be anything.
 */
import { type DataType, type Field, type Schema, Type, tableFromIPC } from '@uwdata/flechette';
import { expected, Failure } from '../../failure.js';
import type { Bytes } from '../../input.js';
import { int64, type NewField, Table, Writer } from './flatbuffers.js';
import { childrenOf } from './layouts.js';
import { refuseOddTypes } from './valid-types.js';

export const MAGIC = 'ARROW1';
/** Version 5 of the metadata, of Arrow 1.0 and later. */
const V5 = 4;
const [SCHEMA, DICTIONARY, BATCH] = [1, 2, 3];
/** Metadata of more bytes than this is damage. */
const MOST_METADATA = 2 ** 28;

export interface BatchHeader {
  readonly rows: number;
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[];
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
  readonly codec: 0 | 1 | undefined;
  /** Of each column of views, how many buffers hold its data. */
  readonly variadic: readonly number[];
}

export type Message = { readonly bodyLength: number } & (
  | { readonly kind: 'schema'; readonly metadata: Uint8Array }
  | {
      readonly kind: 'dictionary';
      readonly id: number;
      readonly isDelta: boolean;
      readonly data: BatchHeader;
    }
  | { readonly kind: 'batch'; readonly data: BatchHeader }
);

/** Where a message of a file lies. */
export interface Place {
  readonly offset: number;
  readonly metadataLength: number;
  readonly bodyLength: number;
}

export function truncated({ name }: Bytes): Failure {
  return expected('whole record batches', name, 'a part (the file is truncated)');
}

/** What is thrown over bytes that make no sense, in our words. */
export function damaged(error: unknown, name: string): unknown {
  const foreign = error instanceof Error && !(error instanceof Failure) && !('syscall' in error);
  return foreign ? expected('an Arrow file', name, `something else (${error.message})`) : error;
}

/** The next message; the position is then that of its body. Undefined at the end. */
export async function readMessage(source: Bytes): Promise<Message | undefined> {
  const word = new DataView(new ArrayBuffer(4));
  const next = async () => {
    const received = await source.fill(new Uint8Array(word.buffer));
    if (received !== 0 && received < 4) throw truncated(source);
    return received === 0 ? 0 : word.getInt32(0, true);
  };
  let length = await next();
  if (length === -1) length = await next();
  if (length === 0) return undefined;
  if (length < 0 || length > MOST_METADATA) throw expected('an Arrow message', source.name, 'something else');
  return parseMessage(await readBytes(source, length));
}

/** So many bytes; memory for them is taken as they come, whatever the length says. */
export async function readBytes(source: Bytes, length: number): Promise<Uint8Array> {
  if (source.size !== undefined) {
    if (length > source.size - source.position) throw truncated(source);
    const bytes = new Uint8Array(length);
    if ((await source.fill(bytes)) < length) throw truncated(source);
    return bytes;
  }
  let bytes = new Uint8Array(Math.min(length, 1 << 20));
  for (let filled = 0; ; ) {
    const part = bytes.subarray(filled);
    if ((await source.fill(part)) < part.length) throw truncated(source);
    filled = bytes.length;
    if (filled === length) return bytes;
    const larger = new Uint8Array(Math.min(length, filled * 2));
    larger.set(bytes);
    bytes = larger;
  }
}

/** The messages of a whole stream in memory, each with its body. */
export function* messagesOf(bytes: Uint8Array): Generator<{ message: Message; body: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const start = at + 8;
    const end = start + view.getInt32(at + 4, true);
    if (end === start) return;
    const message = parseMessage(bytes.subarray(start, end));
    at = end + message.bodyLength;
    yield { message, body: bytes.subarray(end, at) };
  }
}

function parseMessage(metadata: Uint8Array): Message {
  const message = Table.root(metadata);
  const version = message.int16(0);
  const kind = message.int8(1);
  const header = message.table(2);
  const bodyLength = message.int64(3);
  if (version < V5 - 1) throw new RangeError(`metadata of version ${version + 1}, older than 4`);
  if (!header) throw new RangeError('a message without a header');
  switch (kind) {
    case SCHEMA:
      return { kind: 'schema', metadata, bodyLength };
    case DICTIONARY: {
      const data = header.table(1);
      if (!data) throw new RangeError('a dictionary without data');
      const isDelta = header.int8(2) !== 0;
      return {
        kind: 'dictionary',
        id: idOf(header),
        isDelta,
        data: parseBatch(data, bodyLength),
        bodyLength,
      };
    }
    case BATCH:
      return { kind: 'batch', data: parseBatch(header, bodyLength), bodyLength };
    default:
      throw new RangeError(`a message of kind ${kind}`);
  }
}

function idOf(dictionary: Table): number {
  const at = dictionary.field(0);
  return at === 0 ? 0 : Number(dictionary.view.getBigInt64(at, true));
}

function parseBatch(batch: Table, bodyLength: number): BatchHeader {
  const { view } = batch;
  const nodes = batch.vector(1, 16);
  const buffers = batch.vector(2, 16);
  const compression = batch.table(3);
  const variadic = batch.vector(4, 8);
  const codec = compression?.int8(0);
  if (codec !== undefined && codec !== 0 && codec !== 1) throw new RangeError(`compression ${codec}`);
  const pairs = ({ start, count }: { start: number; count: number }) =>
    Array.from({ length: count }, (_, i) => [int64(view, start + i * 16), int64(view, start + i * 16 + 8)]);
  return {
    rows: batch.int64(0),
    nodes: pairs(nodes).map(([length, nullCount]) => ({ length, nullCount })),
    buffers: pairs(buffers).map(([offset, length]) => {
      if (offset + length > bodyLength) throw new RangeError('a buffer outside of its message');
      return { offset, length };
    }),
    codec,
    variadic: Array.from({ length: variadic.count }, (_, i) => int64(view, variadic.start + i * 8)),
  };
}

export interface Footer {
  readonly schema: Schema;
  readonly dictionaries: readonly Place[];
  readonly batches: readonly Place[];
}

/** The end of a file says where its messages lie. */
export async function readFooter(source: Bytes): Promise<Footer> {
  const { size = 0 } = source;
  const end = new Uint8Array(4 + MAGIC.length);
  if (size < 8 + end.length) throw truncated(source);
  source.seek?.(size - end.length);
  await source.fill(end);
  // Without the magic word it was not written to its end.
  if (Buffer.from(end).toString('latin1', 4) !== MAGIC) throw truncated(source);
  const length = new DataView(end.buffer).getInt32(0, true);
  if (length < 0 || length > Math.min(size - 8 - end.length, MOST_METADATA)) throw truncated(source);
  source.seek?.(size - end.length - length);
  const bytes = await readBytes(source, length);
  const footer = Table.root(bytes);
  const places = (slot: number): Place[] => {
    const { start, count } = footer.vector(slot, 24);
    return Array.from({ length: count }, (_, i) => {
      const at = start + i * 24;
      const place = {
        offset: int64(footer.view, at),
        metadataLength: footer.view.getInt32(at + 8, true),
        bodyLength: int64(footer.view, at + 16),
      };
      const { offset, metadataLength, bodyLength } = place;
      if (metadataLength < 0 || offset + metadataLength + bodyLength > size) throw truncated(source);
      return place;
    });
  };
  const schema = footer.table(1);
  if (!schema) throw new RangeError('a footer without a schema');
  return {
    schema: decodeSchema(messageAround(bytes, schema.at), source.name),
    dictionaries: places(2),
    batches: places(3),
  };
}

/** A schema message whose header stands in other bytes. */
function messageAround(bytes: Uint8Array, schemaAt: number): Uint8Array {
  const writer = new Writer();
  const root = writer.root();
  const message = writer.table([{ int16: V5 }, { int8: SCHEMA }, 'reference', { int64: 0 }]);
  writer.point(root, message.at);
  writer.point(message.fields[2], writer.append(bytes) + schemaAt);
  return writer.bytes;
}

/** @param metadata that of a schema message. */
export function decodeSchema(metadata: Uint8Array, name: string): Schema {
  const header = Table.root(metadata).table(2);
  if (!header) throw new RangeError('a schema without a header');
  if (header.int16(0) !== 0) {
    throw expected(
      'little-endian numbers',
      name,
      'big-endian ones (write it on another machine, or as Parquet)',
    );
  }
  header.vector(2, 4);
  refuseOddFields(header.tables(1));
  const { schema } = tableFromIPC([frame(metadata)]);
  nameAll(schema.fields);
  refuseOddTypes(schema.fields);
  return { ...schema, metadata: whole(schema.metadata) };
}

/** A field need not have a name, nor what is said of it a key or a value, and then the library gives none. */
function nameAll(fields: readonly Field[]): void {
  for (const field of fields) {
    (field as { name: string | null }).name ??= '';
    (field as { metadata: Field['metadata'] }).metadata = whole(field.metadata);
    nameAll(childrenOf(valuesOf(field.type)));
  }
}

function whole(metadata: Schema['metadata'] | undefined): Field['metadata'] {
  const pairs = [...(metadata ?? [])].filter(([key, value]) => key !== null && value !== null);
  return pairs.length === 0 ? (null as never) : new Map(pairs);
}

function valuesOf(type: DataType): DataType {
  return type.typeId === Type.Dictionary ? type.dictionary : type;
}

/** The library follows every reference it is given: one that leads back, or far out, would keep it. */
function refuseOddFields(fields: readonly Table[]): void {
  let left = 100_000;
  function visit(field: Table, depth: number): void {
    if (--left < 0 || depth > 64) throw new RangeError('a schema of too many fields');
    left -= field.vector(6, 4).count;
    const type = field.table(3);
    // Of a union: the ids of its members.
    if (type && field.int8(2) === 14) type.vector(1, 4);
    for (const child of field.tables(5)) visit(child, depth + 1);
  }
  for (const field of fields) visit(field, 0);
}

/** A message with its size before it. */
export function frame(metadata: Uint8Array, bytes = Math.ceil((metadata.length + 8) / 8) * 8): Uint8Array {
  const framed = Buffer.alloc(bytes);
  framed.writeInt32LE(-1, 0);
  framed.writeInt32LE(bytes - 8, 4);
  framed.set(metadata, 8);
  return framed;
}

/** The metadata of a record batch, or of a dictionary. */
export function encodeBatch(
  { rows, nodes, buffers, variadic }: Omit<BatchHeader, 'codec'>,
  bodyLength: number,
  dictionary?: { readonly id: number; readonly isDelta: boolean },
): Uint8Array {
  const writer = new Writer();
  const root = writer.root();
  const kind = dictionary ? DICTIONARY : BATCH;
  const message = writer.table([{ int16: V5 }, { int8: kind }, 'reference', { int64: bodyLength }]);
  writer.point(root, message.at);
  let reference = message.fields[2];
  if (dictionary) {
    const table = writer.table([{ int64: dictionary.id }, 'reference', { int8: Number(dictionary.isDelta) }]);
    writer.point(reference, table.at);
    reference = table.fields[1];
  }
  const views: NewField = variadic.length > 0 ? 'reference' : undefined;
  const batch = writer.table([{ int64: rows }, 'reference', 'reference', undefined, views]);
  writer.point(reference, batch.at);
  writer.point(batch.fields[1], writer.vector(nodes.map(({ length, nullCount }) => [length, nullCount])));
  writer.point(batch.fields[2], writer.vector(buffers.map(({ offset, length }) => [offset, length])));
  if (views) writer.point(batch.fields[4], writer.vector(variadic.map((count) => [count])));
  return writer.bytes;
}

/**
 * What stands at the end of a file, its size and the magic word included.
 *
 * @param schema the metadata of the schema message.
 */
export function encodeFooter(
  schema: Uint8Array,
  dictionaries: readonly Place[],
  batches: readonly Place[],
): Uint8Array {
  const writer = new Writer();
  const root = writer.root();
  const footer = writer.table([{ int16: V5 }, 'reference', 'reference', 'reference']);
  writer.point(root, footer.at);
  const blocks = (places: readonly Place[]) =>
    writer.vector(
      places.map(({ offset, metadataLength, bodyLength }) => [offset, metadataLength, bodyLength]),
    );
  writer.point(footer.fields[2], blocks(dictionaries));
  writer.point(footer.fields[3], blocks(batches));
  const header = Table.root(schema).table(2)!;
  writer.point(footer.fields[1], writer.append(schema) + header.at);
  const { bytes } = writer;
  const size = Buffer.alloc(4);
  size.writeInt32LE(bytes.length);
  return Buffer.concat([bytes, size, Buffer.from(MAGIC)]);
}
