/** What lies where for each type of column. */
import { type DataType, type Field, Type } from '@uwdata/flechette';

export type Layout =
  | { readonly kind: 'null' | 'bits' | 'views' | 'struct' | 'run ends' }
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'bytes' | 'list' | 'list view'; readonly offsetBytes: 4 | 8 }
  | { readonly kind: 'fixed-size list'; readonly size: number }
  | { readonly kind: 'union'; readonly dense: boolean; readonly ids: readonly number[] };

/** What the types of the library have, some of them. */
interface Facts {
  readonly typeId: number;
  readonly bitWidth?: number;
  readonly precision?: number;
  readonly unit?: number;
  readonly stride?: number;
  readonly mode?: number;
  readonly typeIds?: readonly number[];
  readonly indices?: DataType;
  readonly dictionary?: DataType;
  readonly id?: number;
  readonly ordered?: boolean;
  readonly children?: readonly Field[];
}

export function factsOf(type: DataType): Facts {
  return type as unknown as Facts;
}

export function childrenOf(type: DataType): readonly Field[] {
  return factsOf(type).children ?? [];
}

export function isDictionary(type: DataType): boolean {
  return type.typeId === Type.Dictionary;
}

/** A type without dictionaries and runs, at the top. */
export function plainType(type: DataType): DataType {
  if (isDictionary(type)) return plainType(factsOf(type).dictionary as DataType);
  return type.typeId === Type.RunEndEncoded ? plainType(childrenOf(type)[1].type) : type;
}

export function layoutOf(type: DataType): Layout {
  const { typeId, bitWidth = 0, precision = 0, unit = 0, stride = 0, mode, typeIds, indices } = factsOf(type);
  switch (typeId) {
    case Type.Dictionary:
      return layoutOf(indices as DataType);
    case Type.Null:
      return { kind: 'null' };
    case Type.Bool:
      return { kind: 'bits' };
    case Type.Int:
    case Type.Time:
    case Type.Decimal:
      return { kind: 'fixed', bytes: bitWidth / 8 };
    case Type.Float:
      return { kind: 'fixed', bytes: 2 << precision };
    case Type.Date:
      return { kind: 'fixed', bytes: unit === 0 ? 4 : 8 };
    case Type.Timestamp:
    case Type.Duration:
      return { kind: 'fixed', bytes: 8 };
    case Type.Interval:
      return { kind: 'fixed', bytes: [4, 8, 16][unit] ?? 16 };
    case Type.FixedSizeBinary:
      return { kind: 'fixed', bytes: stride };
    case Type.Utf8:
    case Type.Binary:
      return { kind: 'bytes', offsetBytes: 4 };
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return { kind: 'bytes', offsetBytes: 8 };
    case Type.Utf8View:
    case Type.BinaryView:
      return { kind: 'views' };
    case Type.List:
    case Type.Map:
      return { kind: 'list', offsetBytes: 4 };
    case Type.LargeList:
      return { kind: 'list', offsetBytes: 8 };
    case Type.ListView:
      return { kind: 'list view', offsetBytes: 4 };
    case Type.LargeListView:
      return { kind: 'list view', offsetBytes: 8 };
    case Type.FixedSizeList:
      return { kind: 'fixed-size list', size: stride };
    case Type.Struct:
      return { kind: 'struct' };
    case Type.RunEndEncoded:
      return { kind: 'run ends' };
    case Type.Union: {
      const members = childrenOf(type).map((_, i) => i);
      return { kind: 'union', dense: mode === 1, ids: typeIds?.length ? Array.from(typeIds) : members };
    }
    default:
      throw new RangeError(`a column of type ${typeId}`);
  }
}
