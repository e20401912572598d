/** What a type may be: the library takes what a schema says, and a reader of our output would not. */
import { type DataType, type Field, Type } from '@uwdata/flechette';
import { childrenOf, factsOf, isDictionary } from './layouts.js';

/** The most digits that a decimal has, by its width. */
const DIGITS: Readonly<Record<number, number>> = { 32: 9, 64: 18, 128: 38, 256: 76 };
/** How far the point may be from them. */
const MOST_SCALE = 76;
const MOST_UNION_ID = 127;

/** @throws RangeError where a type has parts that it cannot have. */
export function refuseOddTypes(fields: readonly Field[]): void {
  for (const { type } of fields) {
    if (!isPossible(type)) throw new RangeError(`a column of type ${type.typeId} that cannot be`);
    const { dictionary } = factsOf(type);
    refuseOddTypes(isDictionary(type) ? [{ type: dictionary } as Field] : childrenOf(type));
  }
}

function isPossible(type: DataType): boolean {
  const { bitWidth = 0, precision = 0, stride = 0, typeIds } = factsOf(type);
  const children = childrenOf(type);
  switch (type.typeId) {
    case Type.Decimal: {
      const { scale } = type as unknown as { scale: number };
      return precision >= 1 && precision <= DIGITS[bitWidth] && Math.abs(scale) <= MOST_SCALE;
    }
    case Type.FixedSizeBinary:
    case Type.FixedSizeList:
      return stride >= 0;
    case Type.Map: {
      const [entries] = children;
      return entries.type.typeId === Type.Struct && childrenOf(entries.type).length === 2;
    }
    case Type.RunEndEncoded: {
      const [ends] = children;
      const { signed } = ends.type as unknown as { signed?: boolean };
      return signed === true && (factsOf(ends.type).bitWidth ?? 0) > 8;
    }
    case Type.Union: {
      const ids = Array.from(typeIds ?? []);
      const one = ids.every((id, i) => id >= 0 && id <= MOST_UNION_ID && ids.indexOf(id) === i);
      return one && (ids.length === 0 || ids.length === children.length);
    }
    default:
      return true;
  }
}
