/**
 * Columns of Parquet that were dictionaries of text in Arrow, as its schema says: the engine makes them enums, whose numbers
 * are the indices. All values come first, in the order of their letters, for a file of Arrow has one dictionary of a column.
 */
import { type Field as ArrowField, type DataType, dictionary, Type, utf8 } from '@uwdata/flechette';
import type { Dictionary } from '../../formats/arrow/columns.js';
import { factsOf, layoutOf } from '../../formats/arrow/layouts.js';
import { type Engine, literal } from '../engine.js';
import type { Kept } from '../relation.js';
import { type ArrowColumn, fixed, offsetsFor } from './to-arrow.js';

/** Columns of more values stay text: the engine gets the values as a type of SQL. */
const MOST = 65_535;

export interface DictionaryColumn {
  readonly sql: string;
  readonly column: ArrowColumn;
  readonly dictionary: Dictionary;
}

/**
 * Undefined where the column was no such dictionary, or cannot be one: of an ordered one the order is lost in Parquet.
 * @param id of the dictionary in Arrow.
 */
export async function dictionaryColumn(
  engine: Engine,
  kept: Kept,
  from: string,
  said: ArrowField | undefined,
  id: number,
  signal: AbortSignal | undefined,
): Promise<DictionaryColumn | undefined> {
  if (said?.type.typeId !== Type.Dictionary || kept.type !== 'VARCHAR') return undefined;
  const { indices, dictionary: held, ordered } = factsOf(said.type);
  if (ordered || !indices || !held) return undefined;
  if (![Type.Utf8, Type.LargeUtf8, Type.Utf8View].includes(held.typeId as never)) return undefined;
  const { bytes } = layoutOf(indices) as { bytes: number };
  const rows = await engine.texts(
    `SELECT DISTINCT ${kept.sql} AS v FROM ${from} WHERE v IS NOT NULL ORDER BY v LIMIT ${MOST + 1}`,
    signal,
  );
  const values = rows.map(([value]) => value ?? '');
  if (values.length === 0 || values.length > Math.min(MOST, 2 ** (bytes * 8 - 1))) return undefined;
  const type = dictionary(held.typeId === Type.LargeUtf8 ? held : utf8(), indices as never, false, id);
  const own = values.length < 256 ? 1 : 2;
  return {
    sql: `CAST(${kept.sql} AS ENUM(${values.map(literal).join(', ')}))`,
    column: fixed(type, own, bytes, (from, row, to) => {
      const number = own === 1 ? from.getUint8(row) : from.getUint16(row * 2, true);
      // A NULL may have any number; Polars looks at it.
      const index = number < values.length ? number : 0;
      for (let i = 0; i < Math.min(2, bytes); i++) to.setUint8(row * bytes + i, (index >> (8 * i)) & 0xff);
    }),
    dictionary: { id, isDelta: false, node: textNode(factsOf(type).dictionary as DataType, values) },
  };
}

function textNode(type: DataType, values: readonly string[]) {
  const texts = values.map((value) => Buffer.from(value));
  const ends = new Float64Array(values.length + 1);
  texts.forEach((text, i) => {
    ends[i + 1] = ends[i] + text.length;
  });
  const buffers = [new Uint8Array(0), offsetsFor(type, ends), Buffer.concat(texts)];
  return { type, length: values.length, nullCount: 0, buffers, children: [] };
}
