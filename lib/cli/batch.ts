/** What travels from a reader through the softmax to a writer. */

export type Values = Float32Array | Float64Array;
export type LogitsType = 'float16' | 'bfloat16' | 'float32' | 'float64';

export interface Field {
  readonly name: string;
  /** What it is in the words of Arrow, where it travels. */
  readonly native?: unknown;
}

/** The cells of one column, as JavaScript values; null where there is none. */
export interface Column {
  get(row: number): unknown;
  /** The same in the words of Arrow, where it travels. */
  readonly native?: unknown;
  /** Some of the rows, in the words of Arrow too. */
  pick?(rows: readonly number[]): Column;
}

/** How the rows of an input lie. */
export interface Layout {
  readonly type: LogitsType;
  /** Undefined where rows differ in length. */
  readonly classes: number | undefined;
  /** The shape of an array, which its output has too; otherwise rows and classes. */
  readonly shape?: readonly number[] | undefined;
  /** Which axis of the shape holds the classes. */
  readonly axis: number;
  /** How many rows are interleaved: 1 unless the classes lie along an earlier axis. */
  readonly inner: number;
  /** Undefined where the end has to be reached first. */
  readonly rows: number | undefined;
  /** The columns beside the logits. */
  readonly fields: readonly Field[];
  /** What else the input says of itself, in the words of its format. */
  readonly native?: unknown;
  /** What the logits are called among them. */
  readonly column?: string | undefined;
  /** The names of the classes, where the input has them. */
  readonly labels?: readonly string[] | undefined;
}

/** A piece of the memory of a run. */
export interface Block {
  readonly memory: SharedArrayBuffer;
  /** Gives the memory back; to be called once, when nobody reads it any more. */
  release(): void;
}

/** Some rows of the input, consecutive. */
export interface Batch {
  /** The number in the input of the first row. */
  readonly first: number;
  /** The number in the input of the row after the last. */
  readonly end: number;
  /** How many rows there are, those left out not counted. */
  readonly rows: number;
  /** On the memory of the block; 16-bit floats as bits. */
  readonly logits: Values | Uint16Array;
  /** Where rows differ in length: the start of each, and the end. */
  readonly offsets?: Int32Array | undefined;
  /** With offsets: the length of every row, where it is known that they have the same. */
  readonly width?: number | undefined;
  readonly block: Block;
  readonly columns: readonly Column[];
  /** The number in the input of every row, where some are left out. */
  readonly numbers?: readonly number[] | undefined;
}

/** An input that is open. */
export interface Reader {
  readonly layout: Layout;
  batches(): AsyncIterable<Batch>;
  /** May be called at any time. */
  close(): Promise<void>;
}

/** A batch with its scores. */
export interface ScoredBatch {
  readonly first: number;
  readonly end: number;
  readonly rows: number;
  /** `width` per row, or as the offsets have it. */
  readonly scores: Values;
  readonly width: number;
  readonly offsets?: Int32Array | undefined;
  /** The classes that the scores are of, where they are not all of them in order. */
  readonly indices?: Uint32Array | undefined;
  readonly columns: readonly Column[];
  readonly numbers?: readonly number[] | undefined;
  release(): void;
}

/** Puts scored batches, in order, into one output. */
export interface Writer {
  begin(): Promise<void>;
  write(batch: ScoredBatch): Promise<void>;
  /** What it takes to go on after an interruption, as JSON. */
  state?(): unknown;
  /** What must be known at the end is known now. */
  end(rows: number): Promise<void>;
  /** Called once, whatever happened. */
  close?(): Promise<void>;
}

/** The number in the input of a row of a batch. */
export function numberOf(batch: Pick<Batch, 'first' | 'numbers'>, row: number): number {
  return batch.numbers ? batch.numbers[row] : batch.first + row;
}
