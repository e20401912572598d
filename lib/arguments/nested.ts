/** Nested JavaScript arrays: rectangular, any depth, numbers at the leaves. */
import { shapeError, typeError } from './errors.js';
import { readNamed } from './options.js';

/** Deeper nesting than this is taken for an array that contains itself. */
const deepest = 32;

/** The dimensions of a nested array, as its first entries tell; `flatten` checks that all the others agree. */
export function nestedDims(nested: readonly unknown[], name: string): number[] {
  const dims: number[] = [];
  let level: unknown = nested;
  while (Array.isArray(level)) {
    if (dims.length === deepest) throw shapeError(`at most ${deepest} levels of arrays`, name, nested);
    dims.push(level.length);
    level = level[0];
  }
  return dims;
}

/** Writes every leaf of `nested` into `flat`, in order; `place` checks and converts it. */
export function flatten<Flat extends { [index: number]: number }>(
  nested: readonly unknown[],
  dims: readonly number[],
  flat: Flat,
  name: string,
  place: (leaf: unknown, name: string) => number,
): Flat {
  if (dims.length === 1) {
    let i = 0;
    const nameOf = () => `${name}[${i}]`;
    for (; i < nested.length; i++) {
      const leaf = nested[i];
      flat[i] = typeof leaf === 'number' && place === asNumber ? leaf : readNamed(place, leaf, nameOf);
    }
    return flat;
  }
  let next = 0;
  const path: number[] = [];
  const here = () => name + path.map((index) => `[${index}]`).join('');
  const walk = (level: unknown, depth: number): void => {
    if (!Array.isArray(level)) throw typeError(`an array of length ${dims[depth]}`, here(), level);
    if (level.length !== dims[depth])
      throw shapeError(`an array of length ${dims[depth]}, like the arrays beside it,`, here(), level);
    const isLast = depth === dims.length - 1;
    for (let i = 0; i < level.length; i++) {
      const entry: unknown = level[i];
      if (isLast && typeof entry === 'number' && place === asNumber) {
        flat[next++] = entry;
        continue;
      }
      path.push(i);
      if (isLast) flat[next++] = readNamed(place, entry, here);
      else walk(entry, depth + 1);
      path.pop();
    }
  };
  walk(nested, 0);
  return flat;
}

/** The leaves of logits and of probabilities. */
export function asNumber(leaf: unknown, name: string): number {
  if (typeof leaf !== 'number') throw typeError('a number', name, leaf);
  return leaf;
}

/** The other way: flat data as arrays nested by `dims`. */
export function nest(flat: ArrayLike<number>, dims: readonly number[]): unknown[] {
  let next = 0;
  const build = (depth: number): unknown[] => {
    const level = new Array<unknown>(dims[depth]);
    for (let i = 0; i < level.length; i++) {
      level[i] = depth === dims.length - 1 ? flat[next++] : build(depth + 1);
    }
    return level;
  };
  return dims.length === 0 ? [flat[0]] : build(0);
}
