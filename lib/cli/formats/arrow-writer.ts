/** Arrow IPC, file and stream: a record batch for each batch, whose scores are written from where they lie. */
import type { Field as ArrowField, DataType as ArrowType, Data } from 'apache-arrow';
import type { ColumnType, ScoredBatch, Writer } from '../batch.js';
import { castCell } from '../cells.js';
import { labelled } from '../columns.js';
import { expected } from '../failure.js';
import type { WriterOptions } from '../formats.js';
import type { Output } from '../output.js';
import { NO_CLASS } from '../scoring.js';
import { type Arrow, loadArrow } from './arrow-library.js';

const MAGIC = Buffer.from('ARROW1');

type Block = readonly [metadataLength: number, bodyLength: number, offset: number];

export async function newArrowWriter(
  output: Output,
  options: WriterOptions,
  isFile: boolean,
): Promise<Writer> {
  const arrow = await loadArrow();
  const { layout, content, width, name, labels } = options;
  const number = layout.type === 'float64' ? new arrow.Float64() : new arrow.Float32();
  const isRagged = content === 'all' && layout.classes === undefined;
  const listOf = (type: ArrowType): ArrowType => {
    const item = new arrow.Field('item', type, false);
    return isRagged ? new arrow.List(item) : new arrow.FixedSizeList(width, item);
  };
  const names = labelled(layout.fields, labels);
  const kept = layout.fields.map(
    ({ name, type, native }) =>
      (native instanceof arrow.Field
        ? native
        : new arrow.Field(name, typeFor(type, arrow), true)) as ArrowField,
  );
  const label = labels ? new arrow.Utf8() : new arrow.Uint32();
  const added =
    content === 'top'
      ? [new arrow.Field(names.label, listOf(label)), new arrow.Field(names.score, listOf(number))]
      : [new arrow.Field(name, content === 'one' ? number : listOf(number))];
  const schema = new arrow.Schema([...kept, ...(added as ArrowField[])]);
  const blocks: Block[] = (options.resumed as Block[] | undefined) ?? [];

  function listData(type: ArrowType, rows: number, child: Data, offsets?: Int32Array): Data {
    const list = { length: rows, nullCount: 0, child };
    return (
      isRagged
        ? arrow.makeData({ type: type as never, ...list, valueOffsets: offsets! })
        : arrow.makeData({ type: type as never, ...list })
    ) as Data;
  }

  function dataOf(batch: ScoredBatch): Data[] {
    const { rows, scores, indices, offsets, columns } = batch;
    const others = columns.map(({ native, get }, i): Data => {
      if (native instanceof arrow.Data) return native;
      const { name, type } = layout.fields[i];
      const cells = Array.from({ length: rows }, (_, row) =>
        castCell(get(row), type, (what, received) =>
          expected(what, `${name} of row ${batch.numbers?.[row] ?? batch.first + row}`, received),
        ),
      );
      return vectorData(cells, kept[i].type);
    });
    const values = arrow.makeData({
      type: number as never,
      length: scores.length,
      nullCount: 0,
      data: scores,
    }) as Data;
    if (content === 'one') return [...others, values];
    const lists = listData(added.at(-1)!.type, rows, values, offsets);
    if (content === 'all' || !indices) return [...others, lists];
    const classes = labels
      ? vectorData(
          Array.from(indices, (i) => (i === NO_CLASS ? '' : labels[i])),
          label,
        )
      : (arrow.makeData({
          type: label as never,
          length: indices.length,
          nullCount: 0,
          data: indices,
        }) as Data);
    return [...others, listData(added[0].type, rows, classes), lists];
  }

  function vectorData(cells: readonly unknown[], type: ArrowType): Data {
    return (arrow.vectorFromArray(cells as unknown[], type).data[0] ??
      arrow.makeData({ type: type as never, length: 0 })) as Data;
  }

  /** The bytes before the body, and how many they are. */
  function frame(message: InstanceType<Arrow['Message']>): Uint8Array {
    const metadata = arrow.Message.encode(message as never);
    const length = Math.ceil((metadata.length + 8) / 8) * 8;
    const bytes = Buffer.alloc(length);
    bytes.writeInt32LE(-1, 0);
    bytes.writeInt32LE(length - 8, 4);
    bytes.set(metadata, 8);
    return bytes;
  }

  return {
    async begin() {
      const start = isFile ? [Buffer.concat([MAGIC, Buffer.alloc(2)])] : [];
      await output.write(...start, frame(arrow.Message.from(schema as never)));
    },
    async write(batch) {
      if (batch.rows === 0) return;
      const children = dataOf(batch);
      const { nodes, bufferRegions, buffers, byteLength, variadicBufferCounts } =
        arrow.VectorAssembler.assemble(children.map((data) => new arrow.Vector([data])));
      const header = new arrow.metadata.RecordBatch(
        batch.rows,
        nodes,
        bufferRegions,
        null,
        variadicBufferCounts,
      );
      const head = frame(arrow.Message.from(header as never, byteLength));
      blocks.push([head.length, byteLength, output.position]);
      const padded = buffers.flatMap((buffer) => [bytesOf(buffer), new Uint8Array(-buffer.byteLength & 7)]);
      await output.write(head, ...padded);
    },
    state: () => (isFile ? blocks : []),
    async end() {
      const ending = [Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])];
      if (isFile) {
        const record = blocks.map((block) => new arrow.FileBlock(...block));
        const footer = arrow.Footer.encode(new arrow.Footer(schema, undefined, record, []));
        const size = Buffer.alloc(4);
        size.writeInt32LE(footer.length);
        ending.push(Buffer.from(footer), size, MAGIC);
      }
      await output.write(...ending);
    },
  };
}

function typeFor(type: ColumnType, arrow: Arrow): ArrowType {
  switch (type) {
    case 'float64':
      return new arrow.Float64();
    case 'float32':
      return new arrow.Float32();
    case 'int32':
      return new arrow.Int32();
    case 'int64':
      return new arrow.Int64();
    case 'uint64':
      return new arrow.Uint64();
    case 'boolean':
      return new arrow.Bool();
    case 'date':
      return new arrow.TimestampMillisecond();
    case 'day':
      return new arrow.DateDay();
    default:
      return new arrow.Utf8();
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
