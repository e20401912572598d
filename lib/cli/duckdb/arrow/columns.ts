/** The columns of Arrow that travel to what the engine writes. */
import { type Field as ArrowField, TimeUnit, Type, timestamp } from '@uwdata/flechette';
import type { Column } from '../../batch.js';
import { jsonOf, textOf } from '../../cells.js';
import { EXTENSION, type NativeColumn } from '../../formats/arrow/columns.js';
import { plainType } from '../../formats/arrow/layouts.js';
import { nameOf } from '../../formats/arrow/names.js';
import type { Node } from '../../formats/arrow/nodes.js';
import { plainNode } from '../../formats/arrow/plain.js';
import { take } from '../../formats/arrow/take.js';
import type { Format } from '../../formats.js';
import type { Bindings, LogicalType, Vector } from '../bindings.js';
import type { Engine } from '../engine.js';
import type { Kept } from '../relation.js';
import { type EngineType, engineType, ZONED } from './from-arrow.js';
import { engineField, isWrittenAs } from './schema.js';

export interface EngineColumn {
  /** What is selected of column `k0`, `k1` and so on. */
  readonly kept: Kept;
  /** That its type is not kept, in words. */
  readonly change: string | undefined;
  /** What the engine gives. */
  make(bindings: Bindings): LogicalType;
  /** Rows of a column into a vector, from its first row on. */
  fill(engine: Engine, vector: Vector, column: Column, from: number, to: number): void;
  /** The column in Arrow again, without what the engine has no word for. */
  plain(engine: Engine): ArrowField | undefined;
}

export function engineColumn(field: ArrowField, i: number, format: Format): EngineColumn {
  const { name, metadata } = field;
  const known: Known | undefined = format === 'parquet' ? engineType(field) : textType(field);
  if (!known) return textColumn(field, i);
  const extension = metadata?.get(EXTENSION);
  const was = known.was ?? (isWrittenAs(field, { type: known.sql }) ? undefined : extension);
  const finest = { [ZONED]: ' in microseconds', INTERVAL: ' in milliseconds' }[known.sql] ?? '';

  const plainOnes = new WeakMap<Column, Node>();
  const nodeOf = (column: Column): Node => {
    const node = plainOnes.get(column) ?? plainNode(column.native as NativeColumn);
    plainOnes.set(column, node);
    return node;
  };
  return {
    kept: { name, type: known.sql, sql: known.zoned ? `k${i}::VARCHAR || '+00'` : `k${i}` },
    change: was && `column ${name}: ${was} becomes ${known.sql}${finest}`,
    make: known.make,
    fill: (engine, vector, column, from, to) =>
      known.fill(engine, vector, take(nodeOf(column), [[from, to]])),
    plain: (engine) => engineField(engine, name, known.make(engine.bindings), field),
  };
}

interface Known extends EngineType {
  /** Whether it is an instant, which its type does not say. */
  readonly zoned?: boolean;
}

/** Text has nanoseconds of times with a zone, too. */
function textType(field: ArrowField): Known | undefined {
  const type = plainType(field.type);
  const { unit, timezone } = type as unknown as { unit: number; timezone?: string };
  if (type.typeId !== Type.Timestamp || !timezone || unit !== TimeUnit.NANOSECOND) return engineType(field);
  const naive = engineType({ type: timestamp(TimeUnit.NANOSECOND, null), metadata: null as never });
  return naive && { ...naive, zoned: true };
}

/** A type that the engine does not have: a decimal as its digits, all else as JSON. */
function textColumn(field: ArrowField, i: number): EngineColumn {
  const { name } = field;
  const type = plainType(field.type).typeId === Type.Decimal ? 'VARCHAR' : 'JSON';
  const make = (bindings: Bindings) => bindings.create_logical_type(bindings.Type.VARCHAR);
  return {
    kept: { name, type, sql: type === 'JSON' ? `CAST(k${i} AS JSON)` : `k${i}` },
    change: `column ${name}: ${nameOf(field.type)} becomes ${type}`,
    make,
    fill({ bindings, vectors }, vector, column, from, to) {
      const nulls = new Uint8Array(to - from);
      for (let row = from; row < to; row++) {
        const cell = column.get(row);
        if (cell === null || cell === undefined) nulls[row - from] = 1;
        else
          bindings.vector_assign_string_element(
            vector,
            row - from,
            type === 'JSON' ? jsonOf(cell) : textOf(cell),
          );
      }
      if (nulls.includes(1)) vectors.writeNulls(bindings, vector, nulls);
    },
    plain: (engine) => engineField(engine, name, make(engine.bindings), field),
  };
}
