/** Where the record batches of a file or a stream lie, and the dictionaries that they need. */
import type { DataType, Schema } from '@uwdata/flechette';
import { expected } from '../../failure.js';
import type { Bytes } from '../../input.js';
import { spool } from '../../spool.js';
import type { Dictionary } from './columns.js';
import { decompress } from './compression.js';
import { childrenOf, factsOf, isDictionary } from './layouts.js';
import {
  type BatchHeader,
  decodeSchema,
  MAGIC,
  type Message,
  readBytes,
  readFooter,
  readMessage,
  truncated,
} from './messages.js';
import { load, nodesOf } from './nodes.js';
import { take } from './take.js';

/** A record batch whose body is not read yet. */
export interface Found {
  readonly first: number;
  readonly header: BatchHeader;
  readonly dictionaries: readonly Dictionary[];
  /** The body: where it starts in the source, or all of it. */
  readonly body: number | Uint8Array;
}

export interface Opened {
  readonly source: Bytes;
  readonly schema: Schema;
  /** How many there are, where the input says so. */
  readonly rows: number | undefined;
  /** The record batches with rows from the first up to, not including, the second. */
  find(start: number, end: number): AsyncGenerator<Found, void>;
}

export async function openSource(input: Bytes): Promise<Opened> {
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
  // Taken whole, what points outside of its buffers is found here, whoever copies or reads it.
  return { id, isDelta, node: take(node, [[0, node.length]]) };
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
