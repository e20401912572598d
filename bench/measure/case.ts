/** One thing to measure: an operation over logits of a shape. */
export interface Case {
  /** Unique, and stable from run to run: what `bench:compare` pairs by. */
  readonly id: string;
  readonly group: Group;
  readonly op: Op;
  readonly shape: readonly number[];
  readonly axis: number;
  readonly dtype: Dtype;
  /** Logits are uniform in ±range. */
  readonly range: number;
  /** Threads for the contenders that let one choose. */
  readonly threads: number;
  /** Classes that topK returns. */
  readonly k: number;
  /** crossEntropy: the gradient of the mean loss is asked for too. */
  readonly gradient: boolean;
}

export type Op = 'softmax' | 'topK' | 'sample' | 'crossEntropy';
export type Dtype = 'float32' | 'float64';
export type Group = 'shapes' | 'axes' | 'family' | 'calls' | 'classes' | 'ranges' | 'threads';
export type Logits = Float32Array | Float64Array;

/** Where the rows of a case lie in its flat data: class j of row (o, i) is at (o · classes + j) · inner + i. */
export interface Layout {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly rows: number;
  readonly elements: number;
}

export function layoutOf({ shape, axis }: Pick<Case, 'shape' | 'axis'>): Layout {
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return { outer, classes: shape[axis], inner, rows: outer * inner, elements: outer * shape[axis] * inner };
}

export function allocate(dtype: Dtype, length: number): Logits {
  return dtype === 'float64' ? new Float64Array(length) : new Float32Array(length);
}

/** The class that crossEntropy takes for the right one in a row: any, as long as all contenders agree. */
export function targetOf(row: number, classes: number): number {
  return (row * 7919 + 17) % classes;
}

export function targetsOf({ rows, classes }: Layout): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => targetOf(row, classes));
}
