/** How results lie: their dimensions, and their way from a backend's memory to the caller's where these differ. */
import type { Data } from '../backends/problem.js';
import { newData } from './elements.js';
import { dimsWith, entriesOrder, inverse, permute } from './layout.js';
import type { Request } from './rowOptions.js';

export type Memory = Data | Uint32Array;

export interface Extent {
  /** Of the caller's memory. */
  readonly dims: readonly number[];
  /** Where a backend cannot write there: memory of its own. */
  readonly apart?: Apart | undefined;
}

export interface Apart {
  memory(): Memory;
  /** Brings what the backend wrote to the caller's memory. */
  settle(from: Memory, to: Memory): void;
  /** Takes the memory back after a call that does not run again. */
  release?(from: Memory): void;
}

/** The shape of `x`. */
export function likeX({ x, layout: { order } }: Request, type = x.type): Extent {
  if (order === undefined) return { dims: x.dims };
  return {
    dims: x.dims,
    apart: {
      memory: () => newData(type, x.data.length),
      settle(from, to) {
        permute(
          from,
          to,
          order.map((i) => x.dims[i]),
          inverse(order),
        );
      },
    },
  };
}

/** One value per row: the shape of `x` less the axis; an array, where nothing else is left, has length 1. */
export function perRow({ x, layout: { kept } }: Request): Extent {
  return { dims: kept.length === 0 && x.form.kind !== 'tensor' ? [1] : kept };
}

/** `k` entries per row, in the place of the axis; a backend gives `width` of them, and `filler` takes the others' place. */
export function perEntry(
  { layout, rows }: Request,
  k: number,
  width: number,
  filler: number,
  newMemory: (count: number) => Memory,
): Extent {
  const dims = dimsWith(layout, k);
  const memory = () => newMemory(rows.outer * rows.inner * width);
  if (layout.order !== undefined) {
    const order = entriesOrder(layout);
    return {
      dims,
      apart: { memory, settle: (from, to) => permute(from, to, [...layout.kept, k], order) },
    };
  }
  if (width === k) return { dims };
  return {
    dims,
    apart: {
      memory,
      settle(from, to) {
        to.fill(filler);
        for (let row = 0; row * k < to.length; row++)
          to.set(from.subarray(row * width, (row + 1) * width), row * k);
      },
    },
  };
}
