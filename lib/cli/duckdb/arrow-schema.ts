/**
 * `ARROW:schema`, which Arrow's writers leave in Parquet: the types of the columns before they were Parquet's
 * (dictionaries, time zones, durations, extensions), and what fields and schema say of themselves. It is an Arrow message
 * in base64. Readers take it column by column, so it must tell of the columns that are written, and of no other.
 */
import {
  type Field as ArrowField,
  type DataType,
  field,
  float32,
  float64,
  list,
  Type,
  uint32,
  utf8,
} from '@uwdata/flechette';
import { EXTENSION, encodeSchema } from '../formats/arrow/columns.js';
import { childrenOf, factsOf } from '../formats/arrow/layouts.js';
import { decodeSchema, frame, messagesOf } from '../formats/arrow/messages.js';
import type { Content } from './content.js';
import type { Kept, Relation } from './relation.js';

/**
 * The schema of the output: kept columns as the input has them, and the scores. Undefined where the engine writes a column
 * in another way than Arrow's writers do: readers then take the types that Parquet itself gives.
 *
 * @param change what becomes of a key of its metadata.
 */
export function carriedSchema(
  text: string,
  { kept, type }: Pick<Relation, 'kept' | 'type'>,
  content: Content,
  change: (key: string, value: string) => string,
): string | undefined {
  try {
    const [{ message }] = messagesOf(Uint8Array.from(Buffer.from(text, 'base64')));
    if (message.kind !== 'schema') return undefined;
    const { fields, metadata } = decodeSchema(message.metadata, 'ARROW:schema');
    const own = kept.map((column) => fields.find(({ name }) => name === column.name));
    if (!own.every((one, i): one is ArrowField => one !== undefined && isWrittenAs(one, kept[i]))) {
      return undefined;
    }
    const said = metadata && new Map([...metadata].map(([key, value]) => [key, change(key, value)]));
    const message_ = encodeSchema([...own, ...scoreFields(content, type)], said);
    return Buffer.from(frame(message_)).toString('base64');
  } catch {
    return undefined; // damaged, or of a kind that we do not know: nobody needs it
  }
}

function scoreFields({ content, name, top, labels }: Content, type: 'float32' | 'float64'): ArrowField[] {
  const number = type === 'float32' ? float32() : float64();
  const lists = (name: string, item: DataType) => field(name, list(field('element', item)));
  if (content === 'one') return [field(name, number)];
  if (content === 'all') return [lists(name, number)];
  return [lists(top.label, labels ? utf8() : uint32()), lists(top.score, number)];
}

/** Whether the engine's type of a column and Arrow's lie the same in Parquet. */
function isWrittenAs({ type, metadata }: ArrowField, { type: sql }: Pick<Kept, 'type'>): boolean {
  const { typeId, bitWidth, precision, unit, dictionary, stride } = factsOf(type);
  const { signed, scale } = type as unknown as { signed: boolean; scale: number };
  switch (typeId) {
    case Type.Dictionary:
      return sql === 'VARCHAR' && isWrittenAs({ type: dictionary as DataType } as ArrowField, { type: sql });
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return sql === 'VARCHAR';
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
      return sql === 'BLOB';
    case Type.Int:
      return sql === `${signed ? '' : 'U'}${INTEGERS[bitWidth ?? 0]}`;
    case Type.Float:
      return sql === [undefined, 'FLOAT', 'DOUBLE'][precision ?? 0];
    case Type.Bool:
      return sql === 'BOOLEAN';
    case Type.Date:
      return sql === 'DATE' && unit === 0;
    case Type.Timestamp:
      return unit === 2 && (sql === 'TIMESTAMP' || sql === 'TIMESTAMP WITH TIME ZONE');
    case Type.Duration:
      return sql === 'BIGINT';
    case Type.Decimal:
      return bitWidth === 128 && sql === `DECIMAL(${precision},${scale})`;
    case Type.FixedSizeBinary:
      return sql === 'UUID' && stride === 16 && metadata?.get(EXTENSION) === 'arrow.uuid';
    case Type.List:
    case Type.LargeList:
      return sql.endsWith('[]') && isWrittenAs(childrenOf(type)[0], { type: sql.slice(0, -2) });
    default:
      return false;
  }
}

const INTEGERS: Readonly<Record<number, string>> = {
  8: 'TINYINT',
  16: 'SMALLINT',
  32: 'INTEGER',
  64: 'BIGINT',
};
