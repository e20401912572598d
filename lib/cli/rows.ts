/** Row-major data seen as rows of classes along one axis, numbered as `Problem` numbers them. */
export interface Rows {
  readonly count: number;
  readonly classes: number;
  at(row: number): Float32Array | Float64Array;
}

export function rowsAlong(data: Float32Array | Float64Array, shape: readonly number[], axis: number): Rows {
  const classes = shape[axis];
  const inner = shape.slice(axis + 1).reduce((product, length) => product * length, 1);
  const outer = shape.slice(0, axis).reduce((product, length) => product * length, 1);
  return {
    count: outer * inner,
    classes,
    at(row) {
      if (inner === 1) return data.subarray(row * classes, (row + 1) * classes);
      const start = Math.floor(row / inner) * classes * inner + (row % inner);
      return new Float64Array(classes).map((_, i) => data[start + i * inner]);
    },
  };
}

/** The `k` best classes, best first: of equals the lower class, NaN before everything (as the library's topK). */
export function best(scores: ArrayLike<number>, k: number): number[] {
  const chosen: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    if (chosen.length === k && !beats(scores[i], scores[chosen[k - 1]])) continue;
    let at = Math.min(chosen.length, k - 1);
    while (at > 0 && beats(scores[i], scores[chosen[at - 1]])) {
      chosen[at] = chosen[at - 1];
      at--;
    }
    chosen[at] = i;
  }
  return chosen;
}

function beats(a: number, b: number): boolean {
  return a > b || (Number.isNaN(a) && !Number.isNaN(b));
}
