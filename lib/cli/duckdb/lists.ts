/** The lists of a vector, as the engine gives them. */
import type { vectors } from '../../duckdb.js';

export type Lists = vectors.Lists;

/** The rows that are NULL, or have a NULL among their numbers. */
export function badRows({ rows, nulls, holes }: Lists): Set<number> {
  const bad = new Set<number>();
  if (!nulls && !holes) return bad;
  for (let row = 0; row < rows; row++) if (nulls?.[row] === 1 || holes?.[row] === 1) bad.add(row);
  return bad;
}
