/** The lists of the logits' column, of whatever kind, as where each row starts and ends. */
import { type DataType, Type } from '@uwdata/flechette';
import { isValid, type Node, offsetsOf, viewsOf } from './nodes.js';

/** Where the lists of a record batch start, and how long they are; the numbers are read apart. */
export interface Lists {
  readonly rows: number;
  readonly startOf: (row: number) => number;
  readonly isNull: (row: number) => boolean;
  /** Where among the numbers of a row there is none; -1 where there are all. */
  readonly holeIn: (row: number) => number;
  /** Part of the numbers, as bytes. */
  fill(target: Uint8Array, offset: number): Promise<void>;
}

/** A list's type without the type of its items: of the same buffers. */
export function withoutChild(type: DataType): DataType {
  return type.typeId === Type.FixedSizeList
    ? ({ ...type, typeId: Type.Struct, children: [] } as never)
    : type;
}

export async function listsOf(
  list: Node,
  numbers: Node,
  listSize: number | undefined,
  bytes: number,
  fill: Lists['fill'],
  read: (buffer: number) => Promise<Uint8Array>,
  buffer: number,
): Promise<Lists> {
  const { length: rows, type } = list;
  const isNull = (row: number) => !isValid(list, row);
  const holeFrom = (start: number, end: number) => {
    if (numbers.nullCount === 0) return -1;
    for (let at = start; at < end; at++) if (!isValid(numbers, at)) return at - start;
    return -1;
  };
  if (listSize !== undefined) {
    if (listSize < 0 || numbers.length < rows * listSize)
      throw new RangeError('lists with fewer numbers than rows');
    // Rows without numbers could be more than anyone can count.
    if (listSize === 0 && rows > 2 ** 32) throw new RangeError(`${rows} rows of nothing`);
    const startOf = (row: number) => row * listSize;
    return { rows, startOf, isNull, fill, holeIn: (row) => holeFrom(row * listSize, (row + 1) * listSize) };
  }
  const large = type.typeId === Type.LargeList || type.typeId === Type.LargeListView;
  const offsetBytes = large ? 8 : 4;
  if (type.typeId === Type.List || type.typeId === Type.LargeList) {
    const offsets = offsetsOf(list.buffers[1], offsetBytes, [0, rows], numbers.length);
    const startOf = (row: number) => offsets[row];
    return { rows, startOf, isNull, fill, holeIn: (row) => holeFrom(offsets[row], offsets[row + 1]) };
  }
  // Views may lie in any order, over one another, with gaps: they are put one behind the other.
  const { starts, sizes } = viewsOf(list, offsetBytes, [0, rows], numbers.length);
  const offsets = new Float64Array(rows + 1);
  for (let row = 0; row < rows; row++) offsets[row + 1] = offsets[row] + sizes[row];
  const startOf = (row: number) => offsets[row];
  const holeIn = (row: number) => holeFrom(starts[row], starts[row] + sizes[row]);
  if (starts.every((start, row) => sizes[row] === 0 || start === offsets[row])) {
    return { rows, startOf, isNull, fill, holeIn };
  }
  const all = await read(buffer);
  return {
    ...{ rows, startOf, isNull, holeIn },
    async fill(target, offset) {
      // It is always whole rows that are asked for.
      const from = rowAt(offsets, offset / bytes);
      for (let row = from, at = 0; at < target.length; row++) {
        const part = all.subarray(starts[row] * bytes, (starts[row] + sizes[row]) * bytes);
        target.set(part, at);
        at += part.length;
      }
    },
  };
}

/** The first row that ends after a number. */
function rowAt(offsets: Float64Array, number: number): number {
  let [low, high] = [0, offsets.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle + 1] > number) high = middle;
    else low = middle + 1;
  }
  return low;
}
