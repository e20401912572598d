/** Columns beside the logits: as Arrow they stay what they are, to other formats they go value by value. */
import {
  type Field as ArrowField,
  type DataType,
  Column as LibraryColumn,
  Table,
  Type,
  tableFromIPC,
  tableToIPC,
} from '@uwdata/flechette';
import type { Column, Field } from '../../batch.js';
import { Digits } from '../../cells.js';
import { childrenOf, factsOf, isDictionary, plainType } from './layouts.js';
import { damaged, encodeBatch, frame, messagesOf } from './messages.js';
import { addRange, bodyOf, type Node, type Range } from './nodes.js';
import { take } from './take.js';

/** A batch of the values that indices stand for: replaces what was there, or adds to it. */
export interface Dictionary {
  readonly id: number;
  readonly isDelta: boolean;
  readonly node: Node;
}

/** What a field is in Arrow. */
export class NativeField {
  constructor(readonly field: ArrowField) {}
}

/** What a column is in Arrow. */
export class NativeColumn {
  constructor(
    readonly node: Node,
    /** All of the file up to here, in their order. */
    readonly dictionaries: readonly Dictionary[],
  ) {}
}

export const EXTENSION = 'ARROW:extension:name';

export function fieldOf(field: ArrowField): Field {
  return { name: field.name, native: new NativeField(field) };
}

/** @param name what messages call the file. */
export function columnOf(
  field: ArrowField,
  node: Node,
  dictionaries: readonly Dictionary[],
  name: string,
): Column {
  let cells: { at(row: number): unknown } | undefined;
  return {
    get(row) {
      try {
        cells ??= valuesOf(field, node, dictionaries);
        return cellOf(field, cells.at(row));
      } catch (error) {
        throw damaged(error, name);
      }
    },
    native: new NativeColumn(node, dictionaries),
    pick: (rows) => columnOf(field, take(node, rangesOf(rows)), dictionaries, name),
  };
}

/** Ascending rows as ranges. */
function rangesOf(rows: readonly number[]): Range[] {
  const ranges: Range[] = [];
  for (const row of rows) addRange(ranges, row, row + 1);
  return ranges;
}

/** The metadata of the message that says what the fields are. */
export function encodeSchema(
  fields: readonly ArrowField[],
  metadata: ReadonlyMap<string, string> | null = null,
): Uint8Array {
  const columns = fields.map(({ type }) => new LibraryColumn([], type));
  const schema = { fields: [...fields], metadata: metadata && new Map(metadata) };
  // The library asks the first column for its batches.
  const table = new Table(schema, columns);
  const [{ message }] = messagesOf(tableToIPC(table, { format: 'stream' }) as Uint8Array);
  if (message.kind !== 'schema') throw new TypeError('Expected a schema');
  return message.metadata;
}

/** The library reads values from messages: so it is given some. */
function valuesOf(field: ArrowField, node: Node, dictionaries: readonly Dictionary[]) {
  const used = new Set(dictionaryIds(field.type));
  const messages = [frame(encodeSchema([field]))];
  const add = (own: Node, dictionary?: { id: number; isDelta: boolean }) => {
    const { header, pieces, length } = bodyOf([own]);
    messages.push(
      Buffer.concat([frame(encodeBatch({ ...header, rows: own.length }, length, dictionary)), ...pieces]),
    );
  };
  for (const { id, isDelta, node } of dictionaries) if (used.has(id)) add(node, { id, isDelta });
  add(node);
  const options = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true };
  return tableFromIPC(messages, options).getChildAt(0);
}

export function dictionaryIds(type: DataType): number[] {
  const { id, dictionary } = factsOf(type);
  if (isDictionary(type)) return [id as number, ...dictionaryIds(dictionary as DataType)];
  return childrenOf(type).flatMap((field) => dictionaryIds(field.type));
}

/** A value of the library's as JSON takes it. */
function cellOf({ type: own, metadata }: ArrowField, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  const type = plainType(own);
  const { typeId, unit = 0 } = factsOf(type);
  switch (typeId) {
    case Type.Date: {
      const text = new Date(Number(value)).toISOString();
      return unit === 0 ? text.split('T')[0] : text;
    }
    case Type.Timestamp: {
      const { timezone } = type as unknown as { timezone?: string | null };
      return timestampOf(value as bigint, unit, Boolean(timezone));
    }
    case Type.Decimal: {
      const { scale } = type as unknown as { scale: number };
      return new Digits(digitsOf(BigInt(value as number), scale));
    }
    case Type.FixedSizeBinary:
      if (metadata?.get(EXTENSION) !== 'arrow.uuid') return value;
      return Buffer.from(value as Uint8Array)
        .toString('hex')
        .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    case Type.List:
    case Type.LargeList:
    case Type.FixedSizeList:
    case Type.ListView:
    case Type.LargeListView:
      return Array.from(value as Iterable<unknown>, (item) => cellOf(childrenOf(type)[0], item));
    case Type.Struct: {
      const entries = value as Record<string, unknown>;
      return Object.fromEntries(
        childrenOf(type).map((child) => [child.name, cellOf(child, entries[child.name])]),
      );
    }
    case Type.Map: {
      const [key, item] = childrenOf(childrenOf(type)[0].type);
      const entries = Array.from(value as Iterable<[unknown, unknown]>);
      return Object.fromEntries(entries.map(([k, v]) => [String(cellOf(key, k)), cellOf(item, v)]));
    }
    default:
      return value;
  }
}

/** Units of 1, 1e3, 1e6 and 1e9 per second. */
function timestampOf(value: bigint, unit: number, isInstant: boolean): unknown {
  if (unit <= 1) return new Date(Number(unit === 0 ? value * 1000n : value));
  const perSecond = unit === 2 ? 1_000_000n : 1_000_000_000n;
  const fraction = ((value % perSecond) + perSecond) % perSecond;
  const time = new Date(Number((value - fraction) / perSecond) * 1000);
  const digits = String(fraction).padStart(unit === 2 ? 6 : 9, '0');
  return `${time.toISOString().slice(0, -5)}.${digits}${isInstant ? 'Z' : ''}`;
}

function digitsOf(value: bigint, scale: number): string {
  if (scale <= 0) return String(value * 10n ** BigInt(-scale));
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
