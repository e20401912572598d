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
  type Schema,
  Type,
  uint32,
  utf8,
} from '@uwdata/flechette';
import { EXTENSION, encodeSchema } from '../../formats/arrow/columns.js';
import { childrenOf, factsOf, layoutOf } from '../../formats/arrow/layouts.js';
import { decodeSchema, frame, messagesOf } from '../../formats/arrow/messages.js';
import { nameOf } from '../../formats/arrow/names.js';
import type { LogicalType } from '../bindings.js';
import type { Content } from '../content.js';
import type { Engine } from '../engine.js';
import type { Kept, Relation } from '../relation.js';
import { type EngineType, engineType } from './from-arrow.js';
import { type ArrowColumn, arrowColumn } from './to-arrow.js';

export const SCHEMA = 'ARROW:schema';

/** What a file says of its columns in Arrow; undefined where it says nothing that we understand. */
export function saidSchema(text: string | undefined): Schema | undefined {
  if (text === undefined) return undefined;
  try {
    const [{ message }] = messagesOf(Uint8Array.from(Buffer.from(text, 'base64')));
    return message.kind === 'schema' ? decodeSchema(message.metadata, SCHEMA) : undefined;
  } catch {
    return undefined; // damaged, or of a kind that we do not know: nobody needs it
  }
}

export function schemaText(
  fields: readonly ArrowField[],
  metadata: ReadonlyMap<string, string> | null,
): string {
  return Buffer.from(frame(encodeSchema(fields, metadata))).toString('base64');
}

/** What the columns that travel are in the engine. */
export function keptTypes(
  engine: Engine,
  { kept, from }: Pick<Relation, 'kept' | 'from'>,
  signal?: AbortSignal,
): Promise<LogicalType[]> {
  return engine.types(`SELECT ${kept.map(({ sql }) => sql).join(', ') || 1} FROM ${from}`, signal);
}

/** What the columns of a query are in Arrow, near to what is said of them; undefined where Arrow has no such type. */
export async function engineFields(
  engine: Engine,
  { kept, from, metadata }: Pick<Relation, 'kept' | 'from' | 'metadata'>,
  signal?: AbortSignal,
): Promise<readonly (ArrowField | undefined)[]> {
  const said = saidSchema(metadata?.get(SCHEMA))?.fields ?? [];
  const types = await keptTypes(engine, { kept, from }, signal);
  return kept.map(({ name }, i) =>
    engineField(
      engine,
      name,
      types[i],
      said.find((one) => one.name === name),
    ),
  );
}

/** A column as the engine has it; what a field says of itself goes with it. */
export function engineField(
  { bindings }: Engine,
  name: string,
  type: LogicalType,
  said: ArrowField | undefined,
): ArrowField | undefined {
  const column = arrowColumn(bindings, type, said);
  return column && field(name, column.type, true, saidOf(said, column));
}

/** What a field says of itself: an extension only where the column lies as it did. */
export function saidOf(
  said: ArrowField | undefined,
  { type, metadata }: Pick<ArrowColumn, 'type' | 'metadata'>,
) {
  const lies = said && nameOf(said.type) === nameOf(type) && layoutOf(said.type).kind === layoutOf(type).kind;
  const told = [...(said?.metadata ?? [])].filter(([key]) => lies || !key.startsWith('ARROW:extension:'));
  const all = new Map([...(lies && said.metadata?.has(EXTENSION) ? [] : (metadata ?? [])), ...told]);
  return all.size === 0 ? null : all;
}

/**
 * The schema of the output: kept columns as the input has them, or as the engine writes them where that is another type, and
 * the scores.
 *
 * @param plain the kept columns as the engine has them.
 * @param change what becomes of a key of its metadata.
 */
export function carriedSchema(
  text: string,
  { kept, type }: Pick<Relation, 'kept' | 'type'>,
  plain: readonly (ArrowField | undefined)[],
  content: Content,
  change: (key: string, value: string) => string,
): string | undefined {
  const said = saidSchema(text);
  if (!said) return undefined;
  const own = kept.map((column, i) => {
    const one = said.fields.find(({ name }) => name === column.name);
    return one && isWrittenAs(one, column) ? one : plain[i];
  });
  if (!own.every((one) => one !== undefined)) return undefined;
  const metadata =
    said.metadata === null || said.metadata === undefined
      ? null
      : new Map([...said.metadata].map(([key, value]) => [key, change(key, value)]));
  return schemaText([...own, ...scoreFields(content, type)], metadata);
}

/** Of which columns the engine does not keep the type that they had in Arrow. */
export function changesOf({ kept, metadata }: Pick<Relation, 'kept' | 'metadata'>): string[] {
  const said = saidSchema(metadata?.get(SCHEMA))?.fields ?? [];
  return kept.flatMap((column) => {
    const one = said.find(({ name }) => name === column.name);
    const known = one && engineType(one);
    if (!one || isWrittenAs(one, column) || (known?.sql === column.type && known.was === undefined))
      return [];
    return [`column ${column.name}: ${nameOf(one.type)} becomes ${column.type}`];
  });
}

function scoreFields({ content, name, top, labels }: Content, type: 'float32' | 'float64'): ArrowField[] {
  const number = type === 'float32' ? float32() : float64();
  const lists = (name: string, item: DataType) => field(name, list(field('element', item)));
  if (content === 'one') return [field(name, number)];
  if (content === 'all') return [lists(name, number)];
  return [lists(top.label, labels ? utf8() : uint32()), lists(top.score, number)];
}

/** Whether the engine's type of a column and Arrow's lie the same in Parquet. */
export function isWrittenAs(one: ArrowField, { type: sql }: Pick<Kept, 'type'>): boolean {
  const known = engineType(one);
  return isSame(known, sql) && isRestored(one.type);
}

/** The engine has quotes around those names alone that need some. */
function isSame(known: EngineType | undefined, sql: string): boolean {
  const plain = (text: string) => text.replaceAll('"', '');
  return known !== undefined && known.was === undefined && plain(known.sql) === plain(sql);
}

/** Whether readers make a type of Arrow of what Parquet has. */
function isRestored(type: DataType): boolean {
  const { dictionary } = factsOf(type);
  switch (type.typeId) {
    case Type.Dictionary:
      return [Type.Utf8, Type.LargeUtf8, Type.Utf8View].includes(dictionary?.typeId as never);
    case Type.ListView:
    case Type.LargeListView:
      return false;
    default:
      return childrenOf(type).every((child) => isRestored(child.type));
  }
}
