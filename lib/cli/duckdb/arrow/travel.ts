/** The columns that travel from the engine to Arrow. */
import type { Field as ArrowField } from '@uwdata/flechette';
import type { Column, Field } from '../../batch.js';
import { columnOf, type Dictionary, fieldOf } from '../../formats/arrow/columns.js';
import { joined } from '../../formats/arrow/joined.js';
import { nameOf } from '../../formats/arrow/names.js';
import type { Node } from '../../formats/arrow/nodes.js';
import { take } from '../../formats/arrow/take.js';
import type { Chunk } from '../bindings.js';
import type { Engine } from '../engine.js';
import type { Relation } from '../relation.js';
import { dictionaryColumn } from './dictionaries.js';
import { keptTypes, SCHEMA, saidOf, saidSchema } from './schema.js';
import { type ArrowColumn, arrowColumn } from './to-arrow.js';

export interface Travelling {
  readonly fields: readonly Field[];
  /** What is to be selected for each. */
  readonly sql: readonly string[];
  /** Of which columns the type is not kept, and what it becomes. */
  readonly changes: readonly string[];
  /** @param first where in the chunk the first of them stands. */
  read(chunk: Chunk, first: number): Node[];
  /** One of them, of rows of what was read. */
  column(i: number, parts: readonly Part[]): Column;
}

interface Part {
  readonly node: Node;
  readonly from: number;
  readonly to: number;
}

/** @param name what messages call the input. */
export async function travelling(
  engine: Engine,
  { kept, from, metadata }: Relation,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Travelling> {
  const { bindings } = engine;
  const types = await keptTypes(engine, { kept, from }, signal);
  const text = bindings.create_logical_type(bindings.Type.VARCHAR);
  const said = saidSchema(metadata?.get(SCHEMA))?.fields ?? [];
  const changes: string[] = [];
  const dictionaries: Dictionary[] = [];
  const columns: { field: ArrowField; sql: string; read: ArrowColumn['read'] }[] = [];
  for (const [i, { name, sql, type }] of kept.entries()) {
    const before = said.find((one) => one.name === name);
    const own = await dictionaryColumn(engine, kept[i], from, before, i, signal);
    if (own) dictionaries.push(own.dictionary);
    const column = own?.column ?? arrowColumn(bindings, types[i], before);
    const { type: becomes, metadata, read } = column ?? arrowColumn(bindings, text)!;
    const was = before ? nameOf(before.type) : column && type !== 'TIME WITH TIME ZONE' ? undefined : type;
    if (was !== undefined && was !== nameOf(becomes))
      changes.push(`column ${name}: ${was} becomes ${nameOf(becomes)}`);
    const isNested = /[[(]/.test(type);
    columns.push({
      field: {
        name,
        type: becomes,
        nullable: true,
        metadata: saidOf(before, { type: becomes, metadata }),
      } as ArrowField,
      sql: own ? own.sql : column ? sql : isNested ? `to_json(${sql})::VARCHAR` : `${sql}::VARCHAR`,
      read,
    });
  }
  return {
    fields: columns.map(({ field }) => fieldOf(field)),
    sql: columns.map(({ sql }) => sql),
    changes,
    read(chunk, first) {
      const rows = bindings.data_chunk_get_size(chunk);
      return columns.map(({ read }, i) =>
        read(engine, bindings.data_chunk_get_vector(chunk, first + i), rows),
      );
    },
    column(i, parts) {
      const node = joined(parts.map(({ node, from, to }) => take(node, [[from, to]])));
      return columnOf(columns[i].field, node, dictionaries, name);
    },
  };
}
