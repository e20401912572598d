/** Types as messages call them: alike where they hold the same values. */
import { type DataType, Type } from '@uwdata/flechette';
import { childrenOf, factsOf, isDictionary } from './layouts.js';

const UNITS = ['s', 'ms', 'us', 'ns'];

export function nameOf(type: DataType): string {
  const { typeId, bitWidth, precision = 0, unit = 0, stride, dictionary } = factsOf(type);
  const { signed, scale, timezone } = type as unknown as {
    signed: boolean;
    scale: number;
    timezone?: string;
  };
  const [first, second] = childrenOf(type);
  if (isDictionary(type)) return `a dictionary of ${nameOf(dictionary as DataType)}`;
  switch (typeId) {
    case Type.RunEndEncoded:
      return `run ends of ${nameOf(second.type)}`;
    case Type.FixedSizeList:
      return `lists of ${stride} ${nameOf(first.type)}`;
    case Type.List:
    case Type.LargeList:
    case Type.ListView:
    case Type.LargeListView:
      return `lists of ${nameOf(first.type)}`;
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return 'string';
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
      return 'binary';
    case Type.Int:
      return `${signed ? '' : 'u'}int${bitWidth}`;
    case Type.Float:
      return `float${16 << precision}`;
    case Type.Decimal:
      return `decimal${bitWidth}(${precision}, ${scale})`;
    case Type.Date:
      return unit === 0 ? 'date32' : 'date64';
    case Type.Time:
      return `time${bitWidth}[${UNITS[unit]}]`;
    case Type.Timestamp:
      return `timestamp[${UNITS[unit]}${timezone ? `, ${timezone}` : ''}]`;
    case Type.Duration:
      return `duration[${UNITS[unit]}]`;
    case Type.FixedSizeBinary:
      return `fixed_size_binary[${stride}]`;
    default:
      return (
        Object.entries(Type)
          .find(([, id]) => id === typeId)?.[0]
          .toLowerCase() ?? 'unknown'
      );
  }
}
