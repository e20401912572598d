/** Arrow, written: a record batch for each batch, whose scores are written from where they lie. */
import {
  type Field as ArrowField,
  columnFromArray,
  type DataType,
  field,
  fixedSizeList,
  float32,
  float64,
  list,
  tableFromColumns,
  tableToIPC,
  uint32,
  utf8,
} from '@uwdata/flechette';
import type { ScoredBatch, Writer } from '../../batch.js';
import { labelled } from '../../columns.js';
import { expected } from '../../failure.js';
import type { WriterOptions } from '../../formats.js';
import type { Output } from '../../output.js';
import { NO_CLASS } from '../../scoring.js';
import { described } from '../metadata.js';
import { type Dictionary, dictionaryIds, encodeSchema, NativeColumn, type NativeField } from './columns.js';
import { encodeBatch, encodeFooter, frame, MAGIC, messagesOf, type Place } from './messages.js';
import { ALIGNMENT, bodyOf, type Node, nodesOf } from './nodes.js';

/** What a run that goes on has to know. */
interface State {
  readonly dictionaries: Place[];
  readonly batches: Place[];
  /** How many of the input's dictionaries have been looked at. */
  seen: number;
}

export function newArrowWriter(output: Output, options: WriterOptions, isFile: boolean): Writer {
  const { layout, content, width, name, labels } = options;
  const number = layout.type === 'float64' ? float64() : float32();
  const isRagged = content === 'all' && layout.classes === undefined;
  const listOf = (type: DataType): DataType => {
    const item = field('item', type, false);
    return isRagged ? list(item) : fixedSizeList(item, width);
  };
  const names = labelled(layout.fields, labels);
  const kept = layout.fields.map(({ native }) => (native as NativeField).field);
  const label = labels ? utf8() : uint32();
  const added: ArrowField[] =
    content === 'top'
      ? [field(names.label, listOf(label)), field(names.score, listOf(number))]
      : [field(name, content === 'one' ? number : listOf(number))];
  const keptNames = new Set(layout.fields.map((one) => one.name));
  const said = layout.native instanceof Map ? [...(layout.native as ReadonlyMap<string, string>)] : undefined;
  const metadata = said
    ? new Map(
        said.map(([key, value]) => [
          key,
          described(key, value, keptNames, { content, name, labels, top: names }),
        ]),
      )
    : null;
  const schema = encodeSchema([...kept, ...added], metadata);
  const used = new Set(kept.flatMap(({ type }) => dictionaryIds(type)));
  const state = (options.resumed as State | undefined) ?? { dictionaries: [], batches: [], seen: 0 };

  function listNode(type: DataType, rows: number, child: Node, offsets: Int32Array | undefined): Node {
    const none = new Uint8Array(0);
    const buffers = isRagged ? [none, bytesOf(offsets ?? new Int32Array(1))] : [none];
    return { type, length: rows, nullCount: 0, buffers, children: [child] };
  }

  function plainNode(type: DataType, values: ArrayBufferView & { readonly length: number }): Node {
    return {
      ...{ type, length: values.length, nullCount: 0, children: [] },
      buffers: [new Uint8Array(0), bytesOf(values)],
    };
  }

  function nodesFor(batch: ScoredBatch): Node[] {
    const { rows, scores, indices, offsets, columns } = batch;
    const others = columns.map(({ native }, i): Node => {
      if (native instanceof NativeColumn) return native.node;
      throw new TypeError(`Expected a column of Arrow for ${layout.fields[i].name}`);
    });
    const values = plainNode(number, scores);
    if (content === 'one') return [...others, values];
    const lists = listNode(added[added.length - 1].type, rows, values, offsets);
    if (content === 'all' || !indices) return [...others, lists];
    const classes = labels
      ? nodeOf(
          Array.from(indices, (i) => (i === NO_CLASS ? '' : labels[i])),
          label,
        )
      : plainNode(label, indices);
    return [...others, listNode(added[0].type, rows, classes, undefined), lists];
  }

  async function put(
    rows: number,
    nodes: readonly Node[],
    places: Place[],
    dictionary?: { readonly id: number; readonly isDelta: boolean },
  ): Promise<void> {
    const { header, pieces, length } = bodyOf(nodes);
    const message = encodeBatch({ ...header, rows }, length, dictionary);
    // The body starts where its buffers want to.
    const end = Math.ceil((output.position + 8 + message.length) / ALIGNMENT) * ALIGNMENT;
    const head = frame(message, end - output.position);
    places.push({ offset: output.position, metadataLength: head.length, bodyLength: length });
    await output.write(head, ...pieces);
  }

  /** Those that the file does not have yet. */
  async function putDictionaries(dictionaries: readonly Dictionary[]): Promise<void> {
    for (; state.seen < dictionaries.length; state.seen++) {
      const { id, isDelta, node } = dictionaries[state.seen];
      if (!used.has(id)) continue;
      const before = dictionaries.slice(0, state.seen).some((dictionary) => dictionary.id === id);
      if (isFile && before && !isDelta) {
        const [column] = kept.filter(({ type }) => dictionaryIds(type).includes(id));
        throw expected(
          'one dictionary for an Arrow file (a stream, .arrows, may have several)',
          `column ${column.name}`,
          'another in the middle',
        );
      }
      await put(node.length, [node], state.dictionaries, { id, isDelta });
    }
  }

  return {
    async begin() {
      const start = isFile ? [Buffer.from(`${MAGIC}\0\0`)] : [];
      await output.write(...start, frame(schema));
    },
    async write(batch) {
      if (batch.rows === 0) return;
      const native = batch.columns.find((column) => column.native instanceof NativeColumn)?.native;
      if (native instanceof NativeColumn) await putDictionaries(native.dictionaries);
      await put(batch.rows, nodesFor(batch), state.batches);
    },
    state: () => (isFile ? state : { ...state, batches: [], dictionaries: [] }),
    async end() {
      const ending = [Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])];
      if (isFile) ending.push(Buffer.from(encodeFooter(schema, state.dictionaries, state.batches)));
      await output.write(...ending);
    },
  };
}

/** The library builds columns; as buffers they come out of what it writes. */
function nodeOf(cells: readonly unknown[], type: DataType): Node {
  const table = tableFromColumns({ column: columnFromArray([...cells], type) });
  for (const { message, body } of messagesOf(tableToIPC(table, { format: 'stream' }) as Uint8Array)) {
    if (message.kind !== 'batch') continue;
    const [unread] = nodesOf([type], message.data);
    const buffers = unread.buffers.map((buffer) => {
      const { offset, length } = message.data.buffers[buffer];
      return body.subarray(offset, offset + length);
    });
    return { ...unread, buffers, children: [] };
  }
  throw new TypeError('Expected a record batch');
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
